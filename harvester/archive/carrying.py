"""Links the directories of reports that did not change into the next Snapshot, by several threads."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harvester.archive.disk import Disk
from harvester.archive.links import LinkMode
from harvester.archive.reports import file_names, link
from harvester.errors import CorruptArchiveError, DamagedReportError, DiskError
from harvester.format import IMAGES, REPORT_JSON, ManifestBlock, file_sha256

_IMAGES: Final = f"{IMAGES}/"
_BATCH: Final = 32
"""Directories a thread takes at once."""
_WAITING: Final = 64
"""Batches that may wait; more would only hold memory."""


@dataclass(frozen=True)
class Carry:
    """One report's directory to be linked."""

    source: str
    target: str
    block: ManifestBlock
    """The Manifest's lines of the target."""
    record: bytes | None = None
    """A `report.json` in place of the linked one."""
    on_damage: Callable[[str], None] | None = None
    """Called from a thread with the reason why the source cannot be linked; None: that is an error."""


def carry(disk: Disk, mode: LinkMode, job: Carry) -> None:
    """Link one directory; what an earlier attempt has left under its name is kept if sound, else replaced.

    Raises:
        CorruptArchiveError: the Manifest names a file that no report has.
        DamagedReportError: a file of the source is missing or cannot be read.
        DiskError: something cannot be written.
    """
    files = job.block.files()
    # Most directories are new: one call makes and tests, where asking first would be a call more for each.
    if not disk.new_dir(job.target):
        if _is_complete(mode, job, files):
            return
        disk.remove_tree(Path(job.target))
        disk.make_dir(Path(job.target))
    linked = [name for name in files if job.record is None or name != REPORT_JSON]
    images = [name.removeprefix(_IMAGES) for name in linked if name.startswith(_IMAGES)]
    link(disk, mode, job.source, job.target, [name for name in linked if not name.startswith(_IMAGES)])
    if images:
        disk.new_dir(f"{job.target}/{IMAGES}")
        link(disk, mode, f"{job.source}/{IMAGES}", f"{job.target}/{IMAGES}", images)
    if job.record is not None:
        disk.write(Path(job.target, REPORT_JSON), job.record)


def _is_complete(mode: LinkMode, job: Carry, files: Mapping[str, str]) -> bool:
    """Whether the target holds exactly these files: by inode for links, else by digest.

    The source alone does not decide: if it was damaged since, the target may be the last good copy.
    """
    target = Path(job.target)
    try:
        if set(file_names(target)) != set(files):
            return False
        if mode is LinkMode.HARDLINK and job.record is None and _is_linked(Path(job.source), target, files):
            return True
        return all(file_sha256(target / name)[0] == sha256 for name, sha256 in files.items())
    except (CorruptArchiveError, DiskError, OSError):
        return False


def _is_linked(source: Path, target: Path, names: Iterable[str]) -> bool:
    try:
        return all(os.path.samestat((source / name).lstat(), (target / name).lstat()) for name in names)
    except OSError:
        return False


class Linker:
    """Carries directories in the background; an error is raised by a later `add`, or by `finish`."""

    def __init__(self, disk: Disk, mode: LinkMode) -> None:
        self._disk = disk
        self._mode = mode
        # Two threads on two cores took 0.6 of the time of one; the file system's own lock bounds more.
        self._threads = ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="link")
        self._batch: list[Carry] = []
        self._running: deque[Future[None]] = deque()

    def add(self, job: Carry) -> None:
        """Queue one directory; waits when too many are queued."""
        self._batch.append(job)
        if len(self._batch) >= _BATCH:
            self._start()

    def finish(self) -> None:
        """Wait until everything queued is linked."""
        self._start()
        while self._running:
            self._running.popleft().result()

    def close(self) -> None:
        """Stop the threads; jobs that have not started are dropped."""
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
