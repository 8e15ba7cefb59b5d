"""The pace of an account as all processes share it: a small file under a lock.

Rule 1: a request is written down before it is sent, so a process that is killed has sent nothing unrecorded.
Rule 2: the file holds spans of time and when they were written, never a moment to come. So nobody waits
longer than was recorded when the clock is set back, and setting it changes nothing while the machine runs.
Rule 3: what is read may be anything. It is bounded and validated, and what is not understood counts as a
request that was sent just now.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Protocol

import msgspec
from msgspec import Meta

_SIZE_BYTES: Final = 512
"""Of the file: always as long, so that writing it needs no more space, and never crosses a page."""
_LOCK_TRIES: Final = 200
"""Attempts to get the lock, some microseconds apart; whoever holds it needs about ten."""
MOST_S: Final = 1e9
"""No span that is longer is believed: thirty years."""
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

_Seconds = Annotated[float, Meta(ge=0, le=MOST_S)]


class PaceState(msgspec.Struct, frozen=True):
    """What is known of an account's pace, counted from the moment at which it is read."""

    full_in_s: _Seconds = 0.0
    """Until the token bucket is full again, were nothing more sent."""
    held_for_s: _Seconds = 0.0
    """Until the hold that the server asked for ends; 0: there is none."""
    limit_per_min: Annotated[float, Meta(gt=0, le=MOST_S)] | None = None
    """The server's limit as far as it is known."""
    unknown: bool = False
    """Whether there was something that could not be understood."""


class _Record(msgspec.Struct, frozen=True):
    """The file's content."""

    state: PaceState
    boot: Annotated[str, Meta(max_length=64)]
    """Names the time that the machine has been running; empty where that has no name."""
    uptime_s: float
    """When it was written, by a clock that nobody sets."""
    wall_s: float
    """The same by the wall clock, for a machine that was started again since."""
    format: int = 1


class PaceStore(Protocol):
    """Where an account's pace is kept."""

    def update(self, change: Callable[[PaceState | None], PaceState]) -> bool:
        """Replace the state by what `change` makes of it, as one step that nobody else comes between.

        `change` is given None when nothing is stored.

        Returns:
            False when another process is at it; nothing was changed then.

        Raises:
            OSError: the state can be neither read nor written.
        """


class MemoryPace:
    """Keeps nothing: the limiter of one process is all that knows its pace."""

    def update(self, change: Callable[[PaceState | None], PaceState]) -> bool:
        """Tell `change` that nothing is stored."""
        change(None)
        return True


def _read_uptime_s() -> float:
    # Linux has a clock that goes on while the machine sleeps, as the server's hold does.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _read_boot() -> str:
    try:
        return _BOOT_ID.read_text().strip()[:64]
    except OSError:
        return ""


@dataclass(frozen=True)
class Clocks:
    """The clocks by which a state that was written earlier is counted on."""

    uptime_s: Callable[[], float] = _read_uptime_s
    wall_s: Callable[[], float] = time.time
    boot: str = field(default_factory=_read_boot)


class PaceFile:
    """One account's state in a file that is private to its user.

    One update takes about ten microseconds and never waits, so it is made in the event loop.
    """

    def __init__(self, path: Path, clocks: Clocks | None = None) -> None:
        self._path = path
        self._clocks = clocks or Clocks()

    def update(self, change: Callable[[PaceState | None], PaceState]) -> bool:
        """Read, change and write under the lock; as `PaceStore` says."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        # Opened each time: after somebody removes it, all have to meet in the new one.
        handle = os.open(self._path, flags, 0o600)
        try:
            if not _lock(handle):
                return False
            uptime_s = self._clocks.uptime_s()
            state = change(self._parse(os.pread(handle, _SIZE_BYTES + 1, 0), uptime_s))
            self._write(handle, state, uptime_s)
            return True
        finally:
            os.close(handle)  # the lock goes with it

    def _write(self, handle: int, state: PaceState, uptime_s: float) -> None:
        record = _Record(state, self._clocks.boot, uptime_s, self._clocks.wall_s())
        content = msgspec.json.encode(record).ljust(_SIZE_BYTES - 1) + b"\n"
        if os.pwrite(handle, content, 0) != len(content):
            raise OSError(f"{self._path} was not written in full")
        if os.fstat(handle).st_size > len(content):
            os.ftruncate(handle, len(content))

    def _parse(self, content: bytes, uptime_s: float) -> PaceState | None:
        if not content:
            return None
        try:
            record = msgspec.json.decode(content, type=_Record)
        except (ValueError, RecursionError):
            return PaceState(unknown=True)
        if record.format != 1 or len(content) > _SIZE_BYTES:
            return PaceState(unknown=True)
        age_s = self._age_s(record, uptime_s)
        return msgspec.structs.replace(
            record.state,
            full_in_s=max(0.0, record.state.full_in_s - age_s),
            held_for_s=max(0.0, record.state.held_for_s - age_s),
        )

    def _age_s(self, record: _Record, uptime_s: float) -> float:
        """Seconds since it was written; 0 where the clocks contradict that."""
        if record.boot and record.boot == self._clocks.boot:
            return max(0.0, uptime_s - record.uptime_s)
        return max(0.0, self._clocks.wall_s() - record.wall_s)


def _lock(handle: int) -> bool:
    for _ in range(_LOCK_TRIES):
        with suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        os.sched_yield()
    return False


def pace_file_name(user_id: int, base_url: str) -> str:
    """The name that an account's file has in the user's state directory: a digest, which names nobody."""
    return hashlib.sha256(f"{user_id} {base_url.rstrip('/')}".encode()).hexdigest()[:32]


@dataclass(frozen=True)
class FoundStore:
    """Where an account's pace is kept."""

    store: PaceStore
    problem: str = ""
    """Why it is kept in memory alone; for the user."""


def find_store(places: Sequence[Path], clocks: Clocks | None = None) -> FoundStore:
    """The first place whose file can be written; memory alone where there is none. Makes its directory.

    Another account's or a foreign file is never followed through a link.
    """
    problems = []
    for path in places:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = PaceFile(path, clocks)
            found.update(lambda state: state or PaceState())
        except OSError as exc:
            problems.append(f"{path}: {exc.strerror or exc}")
        else:
            return FoundStore(found)
    return FoundStore(MemoryPace(), "; ".join(problems) or "no directory to keep it in")
