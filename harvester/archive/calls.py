"""System calls that follow no link and wait at no pipe; all raise the plain `OSError`. For `Disk` only."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from harvester.format import Content

READ_ONLY: Final = 0o444
WRITE_BITS: Final = 0o222
NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
APPEND: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_FEW: Final = 16
"""Inodes that may be free although one could not be made: other threads have removed their failed files."""
_LITTLE_BYTES: Final = 2**20


@dataclass(frozen=True)
class Room:
    """What a file system has left for this user."""

    free_bytes: int
    free_inodes: int | None
    """Files and directories that can still be made; None where nothing bounds them but the space."""

    @property
    def lacks_only_inodes(self) -> bool:
        """Whether a file system that says "no space left" means inodes."""
        return self.free_inodes is not None and self.free_inodes < _FEW and self.free_bytes > _LITTLE_BYTES


def room_at(path: Path | str) -> Room:
    """The room on the file system that a path is on, or would be on if it existed."""
    place = Path(path).absolute()
    usage = os.statvfs(next(above for above in (place, *place.parents) if above.exists()))
    return Room(usage.f_bavail * usage.f_frsize, usage.f_favail if usage.f_files else None)


def inherited_mode(above: Path | str) -> int:
    """The mode of a new directory: that of the one above it, without the right for all to write."""
    return os.stat(above).st_mode & 0o775  # noqa: PTH116 -- called for each of 20,000 directories


def kernel() -> tuple[int, ...]:
    """The version of Linux; zeros elsewhere."""
    match = re.match(r"(\d+)\.(\d+)", os.uname().release) if sys.platform == "linux" else None
    return (int(match[1]), int(match[2])) if match else (0, 0)


def has_bytes(name: str, directory: int) -> bool:
    """Whether a file in an opened directory is a regular one and not empty."""
    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    return stat.S_ISREG(status.st_mode) and status.st_size > 0


@contextmanager
def opened_dir(directory: Path | str) -> Iterator[int]:
    """A directory's descriptor; a symbolic link is not followed."""
    fd = os.open(directory, DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def opened_pair(source: str, target: str, source_dir: int, target_dir: int) -> Iterator[tuple[int, int]]:
    """Open one file to read and another, new, to write; what fails leaves nothing behind."""
    # O_NONBLOCK: opening a pipe that was put there would wait for its other end.
    old = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=source_dir)
    try:
        if not stat.S_ISREG(os.fstat(old).st_mode):  # the end of a pipe would be waited for
            raise OSError(errno.EINVAL, f"{source} is not a regular file")
        new = os.open(target, NEW_FILE, READ_ONLY, dir_fd=target_dir)
        try:
            yield old, new
        except OSError:
            os.unlink(target, dir_fd=target_dir)
            raise
        finally:
            os.close(new)
    finally:
        os.close(old)


def write_all(fd: int, content: Content) -> None:
    """Write everything, in as many calls as the system needs."""
    for piece in (content,) if isinstance(content, bytes) else content:
        view = memoryview(piece)
        while view:
            view = view[os.write(fd, view) :]


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def syncfs(fd: int) -> None:
    """Flush everything on the file system of an open file."""
    # Python has no syncfs; os.sync() would flush every file system of the machine.
    try:
        call = _libc().syncfs
    except AttributeError:
        os.sync()  # not Linux
        return
    if call(fd) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
