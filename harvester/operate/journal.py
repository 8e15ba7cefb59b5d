"""Writes `journal.jsonl`: a line for each request of a run and for each event that explains it.

The reason of a backtest for which nothing is requested (skipped, carried) is in `inventory.jsonl`.
"""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aiofiles.threadpool
import anyio
import anyio.to_thread
import msgspec

from harvester.api import RequestEvent
from harvester.archive import Disk, explain
from harvester.harvest import (
    Damaged,
    Doubted,
    Event,
    Listed,
    OptimizationRead,
    Planned,
    Relisted,
    Rescheduled,
    Settled,
    Started,
    Stopping,
)
from harvester.secrets import mask_value

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_WRITTEN: Final = (
    Started,
    Listed,
    OptimizationRead,
    Doubted,
    Planned,
    Rescheduled,
    Settled,
    Relisted,
    Damaged,
    Stopping,
)
_PAUSE_S: Final = 0.5
"""Lines are gathered for this long before they are written."""
_MAX_WAITING: Final = 50_000
"""Lines in memory while the disk is slow. Further ones are dropped, and the journal says how many."""


class Journal:
    """An observer that collects the lines of a run; `open_journal` writes them."""

    def __init__(self, stamp: Callable[[], str]) -> None:
        self._stamp = stamp
        self._lines: deque[bytes] = deque()
        self._dropped = 0
        self.closed = anyio.Event()
        """Set when no more lines are added."""

    def notify(self, event: Event) -> None:
        """Add a line for a decision; other events are not written."""
        if isinstance(event, _WRITTEN):
            self._add(msgspec.to_builtins(event, enc_hook=float))  # a Duration is no type of msgspec's

    def request_ended(self, event: RequestEvent) -> None:
        """Add a line for a request."""
        self._add({"event": "request"} | msgspec.to_builtins(event, enc_hook=float))

    def _add(self, line: dict[str, Any]) -> None:
        if len(self._lines) >= _MAX_WAITING:
            self._dropped += 1
            return
        written = {
            name: round(value, 3) if isinstance(value, float) else mask_value(value)
            for name, value in line.items()
        }
        self._lines.append(msgspec.json.encode({"at": self._stamp()} | written) + b"\n")

    def take(self) -> bytes:
        """Remove and return the lines collected so far."""
        lines, self._lines = self._lines, deque()
        if self._dropped:
            dropped = {"at": self._stamp(), "event": "lost", "lines": self._dropped}
            lines.append(msgspec.json.encode(dropped) + b"\n")
            self._dropped = 0
        return b"".join(lines)


@asynccontextmanager
async def open_journal(
    path: Path, *, stamp: Callable[[], str], disk: Disk | None = None
) -> AsyncIterator[Journal]:
    """Give a journal that is streamed to a file, and flushed to disk at the end.

    An interrupted run leaves its journal behind, perhaps with half a line at the end. The run that resumes it
    ends that line and appends to the same file.

    Args:
        path: The file.
        stamp: Returns the time now, UTC, as it is written in each line.
        disk: Writes the file.

    Raises:
        DiskError: the file cannot be written (in an ExceptionGroup once the run has started).
    """
    disk = disk or Disk()
    await anyio.to_thread.run_sync(_end_last_line, path, disk)
    journal = Journal(stamp)
    async with anyio.create_task_group() as group:
        group.start_soon(_stream, journal, path, disk)
        try:
            yield journal
        finally:
            journal.closed.set()


class _StepFile(io.FileIO):
    """A file that is written through the Disk, so that tests can make its writes fail."""

    def __init__(self, disk: Disk, fd: int, path: Path) -> None:
        super().__init__(fd, "ab", closefd=False)
        self._disk = disk
        self._path = path

    def write(self, content: ReadableBuffer, /) -> int:
        """Write all of it."""
        self._disk.write_chunk(self.fileno(), bytes(content), self._path)
        return memoryview(content).nbytes


async def _stream(journal: Journal, path: Path, disk: Disk) -> None:
    with anyio.CancelScope(shield=True):  # the lines of a failing run are written too
        fd = await anyio.to_thread.run_sync(disk.open_append, path)
        try:
            file = aiofiles.threadpool.wrap(_StepFile(disk, fd, path))
            closed = False
            while not closed:
                with anyio.move_on_after(_PAUSE_S):
                    await journal.closed.wait()
                closed = journal.closed.is_set()
                if lines := journal.take():
                    await file.write(lines)
        except BaseException:
            os.close(fd)
            raise
        await anyio.to_thread.run_sync(disk.finish, fd, path)


def _end_last_line(path: Path, disk: Disk) -> None:
    """Add a missing line break at the end, so that half a line is not continued; it is no valid JSON."""
    try:
        if not path.exists() or path.stat().st_size == 0:
            return
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            is_partial = file.read(1) != b"\n"
    except OSError as exc:
        raise explain(exc, path) from exc
    if is_partial:
        disk.append(path, b"\n")
