"""The exit codes of the process, and which of several wins."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from harvester.model import Ending


class ExitCode(IntEnum):
    """What the process returns when it ends. Scripts rely on them: numbers and names never change."""

    OK = 0
    ERROR = 1
    USAGE = 2
    PARTIAL = 3
    PENDING = 4
    UNPUSHED = 6
    TIME = 10
    LOCKED = 11
    AUTH = 12
    DISK = 16
    THROTTLED = 18
    DAMAGED = 20
    INTERRUPTED = 130
    TERMINATED = 143

    @property
    def label(self) -> str:
        """The name in logs and in `--json`."""
        return {130: "signal", 143: "signal"}.get(self.value, self.name.lower())


# The order of design and manual: what a person must act on first comes first. A new code goes into
# `ExitCode`, here, and, if an error causes it, into the table of `failures.py`.
_WORST_FIRST: Final = (
    ExitCode.INTERRUPTED, ExitCode.TERMINATED, ExitCode.AUTH, ExitCode.DISK, ExitCode.LOCKED, ExitCode.USAGE,
    ExitCode.ERROR, ExitCode.DAMAGED, ExitCode.THROTTLED, ExitCode.PARTIAL, ExitCode.UNPUSHED, ExitCode.TIME,
    ExitCode.PENDING, ExitCode.OK,
)  # fmt: skip


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """Return the code to report when several apply; OK when there are none."""
    return min(codes, key=_WORST_FIRST.index, default=ExitCode.OK)


def code_of_ending(ending: Ending) -> ExitCode:
    """Return the code of a run that committed its Snapshot with this ending."""
    return ExitCode[ending.name]


def code_of_process(returned: int) -> ExitCode:
    """Return the code of another harvester process that has ended.

    Args:
        returned: Its return code; negative is the number of the signal that killed it, since a killed
            process never got to report a code itself.
    """
    try:
        return ExitCode(128 - returned if returned < 0 else returned)
    except ValueError:
        return ExitCode.ERROR
