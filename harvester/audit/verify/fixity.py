"""Hashes the files of report directories on all cores, and compares them with the recorded digests.

A file that several Snapshots share as hard links is read once: one inode has one content.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from harvester.audit.parallel import map_in_order
from harvester.audit.verify.problem import Findings, Problem, ProblemKind
from harvester.format import IMAGES

_CHUNK_BYTES: Final = 2**20
_BATCH_FILES: Final = 64
"""About how many files a batch of directories has; a smaller one costs more to hand over than to hash."""
_EMPTY_IMAGES: Final = f"{IMAGES}/"
"""Stands for an empty `images/`, which has no file that could be named."""
_WAITING: Final = 16
"""Batches that may wait for a thread; bounds the memory."""
# Not through a link, and without blocking on a pipe that somebody put in place of a file.
_OPEN: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True)
class RecordedDirectory:
    """A report's directory as the Manifest records it."""

    snapshot: str
    root: str
    """Path of the Snapshot."""
    path: str
    """Path of the directory below the Snapshot."""
    files: tuple[tuple[str, str], ...]
    """Name below the directory, and sha256, of each file."""


@dataclass(frozen=True)
class CheckedDirectory:
    """What was found in one directory."""

    path: str
    payload_bytes: int
    problems: list[Problem]


class Hasher:
    """Remembers digests by inode, so that a file with several hard links is read once per verify.

    Threads share it without a lock: at worst two of them hash the same file.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[bytes, int]] = {}

    def sha256(self, fd: int, status: os.stat_result, buffer: memoryview) -> str:
        """Return the sha256 of an open file, in hex; `buffer` is overwritten."""
        key = (status.st_dev, status.st_ino)
        known = self._known.get(key)
        if known is not None and known[1] == status.st_size:
            return known[0].hex()
        digest = hashlib.sha256()
        while count := os.readv(fd, [buffer]):
            digest.update(buffer[:count])
        if status.st_nlink > 1:  # a file with one name is not met again
            self._known[key] = (digest.digest(), status.st_size)
        return digest.hexdigest()


def check_directories(
    directories: Iterable[RecordedDirectory], hasher: Hasher, on_bytes: Callable[[int], None]
) -> Iterator[CheckedDirectory]:
    """Check directories on all cores; yields the results in the order of `directories`.

    Args:
        directories: Read a few at a time, so it may be a stream.
        hasher: Shared by all Snapshots of one verify.
        on_bytes: Called with the number of bytes checked since the last call.
    """
    check = partial(_check_batch, hasher=hasher)
    for batch in map_in_order(check, _batches(directories), waiting=_WAITING):
        on_bytes(sum(checked.payload_bytes for checked in batch))
        yield from batch


def _batches(directories: Iterable[RecordedDirectory]) -> Iterator[list[RecordedDirectory]]:
    batch: list[RecordedDirectory] = []
    files = 0
    for directory in directories:
        batch.append(directory)
        files += len(directory.files)
        if files >= _BATCH_FILES:
            yield batch
            batch, files = [], 0
    if batch:
        yield batch


def _check_batch(batch: Sequence[RecordedDirectory], hasher: Hasher) -> list[CheckedDirectory]:
    buffer = memoryview(bytearray(_CHUNK_BYTES))
    return [check_directory(directory, hasher, buffer) for directory in batch]


def check_directory(directory: RecordedDirectory, hasher: Hasher, buffer: memoryview) -> CheckedDirectory:
    """Compare a directory with the recorded files: each must match its digest, and nothing else may exist."""
    found = Findings(directory.snapshot)
    base = f"{directory.root}/{directory.path}/"
    payload_bytes = 0
    for name, sha256 in directory.files:
        wrong, size = _check_file(base + name, sha256, hasher, buffer)
        payload_bytes += size
        for kind, text in wrong:
            found.add(kind, f"{directory.path}/{name}", text, sha256=sha256)
    names = {name for name, _ in directory.files}
    if any(name.startswith(f"{IMAGES}/") for name in names):
        names.add(_EMPTY_IMAGES)
    try:
        for name in _names(base):
            if name not in names:
                found.add(ProblemKind.EXTRA, f"{directory.path}/{name}".rstrip("/"), "is in no Manifest")
    except (FileNotFoundError, NotADirectoryError):
        pass  # each of its files was reported as missing above
    except OSError as exc:
        found.add(ProblemKind.UNREADABLE, directory.path, f"cannot be listed: {exc.strerror}")
    return CheckedDirectory(directory.path, payload_bytes, found.problems)


def _check_file(
    path: str, sha256: str, hasher: Hasher, buffer: memoryview
) -> tuple[list[tuple[ProblemKind, str]], int]:
    """Return what is wrong with a file, and its size in bytes (0 when it cannot be read)."""
    try:
        fd = os.open(path, _OPEN)
    except OSError as exc:
        return [explain_open(exc)], 0
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return [(ProblemKind.ODD, "is not a regular file")], 0
        same = hasher.sha256(fd, status, buffer) == sha256
    except OSError as exc:
        return [(ProblemKind.UNREADABLE, f"cannot be read: {exc.strerror}")], 0
    finally:
        os.close(fd)
    wrong = [] if same else [(ProblemKind.ALTERED, "has other bytes than were recorded")]
    if status.st_mode & 0o222:
        wrong.append((ProblemKind.WRITABLE, "is writable"))
    return wrong, status.st_size


def explain_open(exc: OSError) -> tuple[ProblemKind, str]:
    """Return the kind of problem, and its text, for a file that cannot be opened."""
    if exc.errno in {errno.ENOENT, errno.ENOTDIR}:
        return ProblemKind.MISSING, "is missing"
    if exc.errno == errno.ELOOP:
        return ProblemKind.ODD, "is a symbolic link"
    return ProblemKind.UNREADABLE, f"cannot be opened: {exc.strerror}"


def _names(base: str) -> Iterator[str]:
    """Yield every name in a report's directory and its `images/`; lets `OSError` through."""
    with os.scandir(base) as items:
        for item in items:
            if item.name == IMAGES and item.is_dir(follow_symlinks=False):
                yield from [f"{IMAGES}/{below.name}" for below in os.scandir(item)] or [_EMPTY_IMAGES]
            else:
                yield item.name
