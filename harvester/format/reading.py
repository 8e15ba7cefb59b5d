"""Reading from the Archive: regular files only, never through a symbolic link, never without a bound."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

import msgspec

from harvester.errors import CorruptArchiveError, DiskError

RECORD_BYTES: Final = 32 * 2**20
"""No record is larger; a report.json holds the API's row, which has a few kilobytes."""

T = TypeVar("T")


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading.

    Raises:
        CorruptArchiveError: it is missing, a symbolic link, or not a regular file.
        DiskError: it cannot be read.
    """
    # O_NOFOLLOW: a planted link must not make harvester read, hash or publish a file from elsewhere.
    # O_NONBLOCK: a planted pipe must not make it wait for ever.
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise CorruptArchiveError(f"{path} is missing") from exc
    except OSError as exc:
        if exc.errno == errno.ELOOP:
            raise CorruptArchiveError(f"{path} is a symbolic link; nothing in a Snapshot may be one") from exc
        raise DiskError(f"{path} cannot be read: {exc.strerror}", path=str(path)) from exc
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise CorruptArchiveError(f"{path} is not a regular file")
    return os.fdopen(fd, "rb")


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file of the Archive, to be read piece by piece.

    Raises:
        CorruptArchiveError: it is missing or not a regular file.
        DiskError: it cannot be opened, or a later piece cannot be read.
    """
    with open_regular(path) as file:
        try:
            yield file
        except OSError as exc:
            raise DiskError(f"{path} cannot be read: {exc.strerror}", path=str(path)) from exc


def load_bytes(path: Path, limit_bytes: int = RECORD_BYTES) -> bytes:
    """The whole file.

    Raises:
        CorruptArchiveError: it is missing, not a regular file, or larger than `limit_bytes`.
        DiskError: it cannot be read.
    """
    with opened(path) as file:
        # A buffer of the size of the bound would cost more than the reading of most files.
        size_bytes = min(os.fstat(file.fileno()).st_size, limit_bytes)
        content = file.read(size_bytes + 1)
        if len(content) > size_bytes:  # it has grown meanwhile
            content += file.read(limit_bytes + 1 - len(content))
    if len(content) > limit_bytes:
        raise CorruptArchiveError(
            f"{path} is larger than {limit_bytes:,} bytes, which nothing of its kind is"
        )
    return content


def load_record(path: Path, kind: type[T]) -> T:
    """The file's JSON as a validated value.

    Raises:
        CorruptArchiveError: it is missing or has not the shape of `kind`.
        DiskError: it cannot be read.
    """
    return parse_record(load_bytes(path), kind, where=str(path))


def parse_record(content: bytes, kind: type[T], *, where: str) -> T:
    """JSON as a validated value; `where` is what an error names.

    Raises:
        CorruptArchiveError: it has not the shape of `kind`.
    """
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise CorruptArchiveError(f"{where} is damaged: {exc}") from exc
