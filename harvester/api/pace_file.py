"""Shares the pace of an account between processes: a small file under a lock.

Rule 1: a request is recorded before it is sent, so a process that is killed has sent nothing unrecorded.
Rule 2: the file holds durations and when they were written, never a moment in the future. So if the clock is
set back, nobody waits longer than was recorded; while the machine runs, setting it changes nothing.
Rule 3: the file may hold anything. What is read is bounded and validated; what cannot be understood counts as
a request that was sent just now.
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
"""Size of the file; constant, so that writing it needs no further space and never crosses a page."""
_LOCK_TRIES: Final = 200
"""Attempts to get the lock, some microseconds apart; its holder needs about ten microseconds."""
MAX_S: Final = 1e9
"""Longest duration that is valid: thirty years."""
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

_Seconds = Annotated[float, Meta(ge=0, le=MAX_S)]


class PaceState(msgspec.Struct, frozen=True):
    """What is known of an account's pace; durations count from the moment at which it is read."""

    full_in_s: _Seconds = 0.0
    """Seconds until the token bucket is full again if nothing more is sent."""
    held_for_s: _Seconds = 0.0
    """Seconds until the hold that the server asked for ends; 0: there is none."""
    limit_per_min: Annotated[float, Meta(gt=0, le=MAX_S)] | None = None
    """The server's limit as far as it is known; None: no limit was found."""
    unknown: bool = False
    """Whether the file held something that could not be understood."""


class _Record(msgspec.Struct, frozen=True):
    """The file's content."""

    state: PaceState
    boot: Annotated[str, Meta(max_length=64)]
    """Id of the machine's current boot; empty if the system has no such id."""
    uptime_s: float
    """When it was written, by the clock that counts from boot."""
    wall_s: float
    """When it was written, by the wall clock; used if the machine was restarted since."""
    format: int = 1


class PaceStore(Protocol):
    """Where an account's pace is kept."""

    def update(self, change: Callable[[PaceState | None], PaceState]) -> bool:
        """Replace the state by what `change` returns for it, atomically.

        `change` receives None if nothing is stored.

        Returns:
            False if another process has the lock; nothing was changed then.

        Raises:
            OSError: the state can be neither read nor written.
        """


class MemoryPace:
    """Stores nothing: only the limiter of this process knows its pace."""

    def update(self, change: Callable[[PaceState | None], PaceState]) -> bool:
        """Call `change` with None; returns True."""
        change(None)
        return True


def _read_uptime_s() -> float:
    # Linux has a clock that continues while the machine sleeps, as the server's hold does.
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
        """Read, change and write the state under the lock; returns False if another process has it."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        # Opened each time: if somebody removes the file, all processes have to use the new one.
        handle = os.open(self._path, flags, 0o600)
        try:
            if not _lock(handle):
                return False
            uptime_s = self._clocks.uptime_s()
            state = change(self._parse(os.pread(handle, _SIZE_BYTES + 1, 0), uptime_s))
            self._write(handle, state, uptime_s)
            return True
        finally:
            os.close(handle)  # releases the lock too

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
        """Return the seconds since it was written; 0 if the clocks contradict each other."""
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
    """Return the name of an account's file in the user's state directory: an anonymous digest."""
    return hashlib.sha256(f"{user_id} {base_url.rstrip('/')}".encode()).hexdigest()[:32]


@dataclass(frozen=True)
class FoundStore:
    """Where an account's pace is kept."""

    store: PaceStore
    problem: str = ""
    """Why it is kept in memory only, for the user; empty: it is kept in a file."""


def find_store(places: Sequence[Path], clocks: Clocks | None = None) -> FoundStore:
    """Return the first place with a writable file, else memory; creates the directory of the file.

    A symbolic link is never followed: it may lead to a file of somebody else.
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
