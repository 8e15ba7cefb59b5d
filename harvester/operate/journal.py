"""`journal.jsonl`: one line for every request and decision of a run, enough to explain any Outcome."""

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
    Asked,
    Damaged,
    Doubted,
    Event,
    Listed,
    OptimizationRead,
    Planned,
    Relisted,
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
    Asked,
    Settled,
    Relisted,
    Damaged,
    Stopping,
)
_PAUSE_S: Final = 0.5
"""Lines are gathered for this long before they are written."""
_MOST_WAITING: Final = 50_000
"""Lines that may wait for a slow disk; beyond that the journal says how many it lost."""


class Journal:
    """Gathers the lines of a run, as an observer of it; see `journal_at`."""

    def __init__(self, stamp: Callable[[], str]) -> None:
        self._stamp = stamp
        self._lines: deque[bytes] = deque()
        self._lost = 0
        self.over = anyio.Event()
        """Set when no more lines come."""

    def notify(self, event: Event) -> None:
        """A decision."""
        if isinstance(event, _WRITTEN):
            self._add(msgspec.to_builtins(event, enc_hook=float))  # a Duration is no type of msgspec's

    def request_ended(self, event: RequestEvent) -> None:
        """A request."""
        self._add({"event": "request"} | msgspec.to_builtins(event, enc_hook=float))

    def _add(self, line: dict[str, Any]) -> None:
        if len(self._lines) >= _MOST_WAITING:
            self._lost += 1
            return
        written = {
            name: round(value, 3) if isinstance(value, float) else mask_value(value)
            for name, value in line.items()
        }
        self._lines.append(msgspec.json.encode({"at": self._stamp()} | written) + b"\n")

    def take(self) -> bytes:
        """The lines gathered since the last time."""
        lines, self._lines = self._lines, deque()
        if self._lost:
            lost = {"at": self._stamp(), "event": "lost", "lines": self._lost}
            lines.append(msgspec.json.encode(lost) + b"\n")
            self._lost = 0
        return b"".join(lines)


@asynccontextmanager
async def journal_at(
    path: Path, *, stamp: Callable[[], str], disk: Disk | None = None
) -> AsyncIterator[Journal]:
    """A journal that is streamed to a file, all of it on disk when this is left.

    A run that was cut off leaves its journal behind, perhaps with half a line at the end; the next one ends
    that line and goes on in the same file.

    Raises:
        DiskError: the file cannot be written (in an ExceptionGroup once the run has begun).
    """
    disk = disk or Disk()
    await anyio.to_thread.run_sync(_end_torn_line, path, disk)
    journal = Journal(stamp)
    async with anyio.create_task_group() as group:
        group.start_soon(_stream, journal, path, disk)
        try:
            yield journal
        finally:
            journal.over.set()


class _StepFile(io.FileIO):
    """A file whose writes are steps of the disk, so that a failing disk in a test reaches them."""

    def __init__(self, disk: Disk, fd: int, path: Path) -> None:
        super().__init__(fd, "ab", closefd=False)
        self._disk = disk
        self._path = path

    def write(self, content: ReadableBuffer, /) -> int:
        """Write all of it."""
        self._disk.write_chunk(self.fileno(), bytes(content), self._path)
        return memoryview(content).nbytes


async def _stream(journal: Journal, path: Path, disk: Disk) -> None:
    with anyio.CancelScope(shield=True):  # what a failing run has to tell is written too
        fd = await anyio.to_thread.run_sync(disk.open_append, path)
        try:
            file = aiofiles.threadpool.wrap(_StepFile(disk, fd, path))
            over = False
            while not over:
                with anyio.move_on_after(_PAUSE_S):
                    await journal.over.wait()
                over = journal.over.is_set()
                if lines := journal.take():
                    await file.write(lines)
        except BaseException:
            os.close(fd)
            raise
        await anyio.to_thread.run_sync(disk.finish, fd, path)


def _end_torn_line(path: Path, disk: Disk) -> None:
    """A line that a power cut has torn becomes a line of its own, which says what it is by not being JSON."""
    try:
        if not path.exists() or path.stat().st_size == 0:
            return
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            torn = file.read(1) != b"\n"
    except OSError as exc:
        raise explain(exc, path) from exc
    if torn:
        disk.append(path, b"\n")
