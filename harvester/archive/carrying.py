"""Linking directories of the previous Snapshot into a partial one, by several threads."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harvester.archive.disk import Disk, LinkMode
from harvester.archive.reports import file_names, link
from harvester.errors import CorruptArchiveError, DamagedReportError, DiskError
from harvester.format import DIGEST_CHARS, IMAGES, PATH_AT, REPORT_JSON, file_sha256, manifest_line

_BATCH: Final = 32
"""Directories a thread takes at once."""
_WAITING: Final = 64
"""Batches that may wait; more would only hold memory."""


@dataclass(frozen=True)
class Carry:
    """One directory to be linked."""

    source: str
    target: str
    lines: Sequence[bytes]
    """The Manifest's lines of the target."""
    name_at: int
    """Where the file's name starts in a line."""
    record: bytes | None = None
    """A `report.json` in place of the linked one."""
    on_damage: Callable[[str], None] | None = None
    """Told, by a thread, why the source cannot be linked; None: that is an error."""

    def names(self) -> tuple[list[str], list[str]]:
        """The files to link: beside `images/`, and in it.

        Raises:
            CorruptArchiveError: the Manifest names a file that no report has.
        """
        images_at = self.name_at + len(IMAGES) + 1
        plain: list[str] = []
        images: list[str] = []
        for line in self.lines:
            if line.startswith(b"images/", self.name_at):
                images.append(line[images_at:-1].decode())
            else:
                plain.append(line[self.name_at : -1].decode())
        for name in (*plain, *images):
            if "/" in name or name in {"", ".", ".."}:
                raise CorruptArchiveError(f"the Manifest has {name!r} in {self.source}, which no report has")
        if self.record is not None:
            plain.remove(REPORT_JSON)
        return plain, images


def carry(disk: Disk, mode: LinkMode, job: Carry) -> None:
    """Link one directory; what an earlier attempt has left under its name is checked or made anew."""
    plain, images = job.names()
    if not disk.new_dir(job.target):
        if _stands(mode, job):
            return
        disk.remove_tree(Path(job.target))
        disk.make_dir(Path(job.target))
    link(disk, mode, job.source, job.target, plain)
    if images:
        disk.new_dir(f"{job.target}/{IMAGES}")
        link(disk, mode, f"{job.source}/{IMAGES}", f"{job.target}/{IMAGES}", images)
    if job.record is not None:
        disk.write(Path(job.target, REPORT_JSON), job.record)


def _stands(mode: LinkMode, job: Carry) -> bool:
    """Whether the target holds exactly the files it should: by inode for links, else by digest.

    When the source has been damaged since, the target may be the last good copy.
    """
    target = Path(job.target)
    wanted = recorded_files(job.lines, job.name_at)
    try:
        if set(file_names(target)) != set(wanted):
            return False
        if mode is LinkMode.HARDLINK and job.record is None and _is_linked(Path(job.source), target, wanted):
            return True
        return all(file_sha256(target / name)[0] == sha256 for name, sha256 in wanted.items())
    except (CorruptArchiveError, DiskError, OSError):
        return False


def _is_linked(source: Path, target: Path, names: Iterable[str]) -> bool:
    try:
        return all(os.path.samestat((source / name).lstat(), (target / name).lstat()) for name in names)
    except OSError:
        return False


def recorded_files(lines: Sequence[bytes], name_at: int) -> dict[str, str]:
    """Name and sha256 of each file in the Manifest lines of one directory."""
    return {line[name_at:-1].decode(): line[:DIGEST_CHARS].decode() for line in lines}


def moved_lines(lines: Sequence[bytes], earlier: str, path: str, record: bytes) -> list[bytes]:
    """Manifest lines of a directory under its new path, with the new `report.json`."""
    name_at = PATH_AT + len(earlier.encode()) + 1
    report_json = f"{path}/{REPORT_JSON}".encode()
    moved = [line[:PATH_AT] + path.encode() + b"/" + line[name_at:] for line in lines]
    return [
        manifest_line(f"{path}/{REPORT_JSON}", hashlib.sha256(record).hexdigest())
        if line[PATH_AT:-1] == report_json
        else line
        for line in moved
    ]


class Linker:
    """Carries directories in the background; errors come out of a later `add`, or of `finish`."""

    def __init__(self, disk: Disk, mode: LinkMode) -> None:
        self._disk = disk
        self._mode = mode
        # Two threads on two cores took 0.6 of the time of one; the file system's own lock bounds more.
        self._threads = ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="link")
        self._batch: list[Carry] = []
        self._running: deque[Future[None]] = deque()

    def add(self, job: Carry) -> None:
        """Have one directory linked."""
        self._batch.append(job)
        if len(self._batch) >= _BATCH:
            self._start()

    def finish(self) -> None:
        """Wait until all is linked."""
        self._start()
        while self._running:
            self._running.popleft().result()

    def close(self) -> None:
        """Let go of the threads; what has not started does not start."""
        self._threads.shutdown(cancel_futures=True)

    def _start(self) -> None:
        while len(self._running) >= _WAITING:
            self._running.popleft().result()
        self._running.append(self._threads.submit(self._carry_all, self._batch))
        self._batch = []

    def _carry_all(self, jobs: list[Carry]) -> None:
        for job in jobs:
            try:
                carry(self._disk, self._mode, job)
            except DamagedReportError as exc:
                if job.on_damage is None:
                    raise
                job.on_damage(str(exc))
