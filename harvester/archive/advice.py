"""Turns errors of the operating system into errors that say what to do: one text for each."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from harvester.archive.calls import room_at
from harvester.errors import DiskError

_ADVICE: Final = {
    errno.ENOSPC: "the disk is full. Free space, then run again; what was finished is kept",
    errno.EDQUOT: "the disk quota is used up. Raise it, then run again; what was finished is kept",
    errno.EROFS: "the file system is read-only. Mount it writable, then run again",
    errno.EACCES: "this user may not write here. Give the directory to it, or run as the Archive's owner",
    errno.EPERM: "this user may not write here. Give the directory to it, or run as the Archive's owner",
    errno.EFBIG: "a file would exceed the file-size limit (ulimit -f). Raise it, then run again",
    errno.EIO: "the disk reports an input/output error. Check it (dmesg, smartctl) before you run again",
    errno.EMFILE: "too many files are open (ulimit -n). Raise the limit or use fewer workers",
    errno.ENFILE: "too many files are open on this machine",
    errno.EEXIST: "something else has this name. See who put it there, remove it, then run again",
    errno.EISDIR: "a directory has this name. See who put it there, remove it, then run again",
    errno.ENOTDIR: "a file or link is where a directory should be. See who put it there, then run again",
    errno.ELOOP: "a symbolic link has this name, and is not followed. See who put it there, then run again",
    errno.ENOENT: "it vanished while it was in use. See what else changes the Archive, then run again",
    errno.ENAMETOOLONG: "the path is too long for this file system. Move the Archive to a shorter path",
}

NOT_OFFERED: Final = frozenset({errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL})
"""What vfat, exFAT and network shares answer when asked for a symbolic link or a mode that they lack."""

REFUSALS: Final = frozenset({*_ADVICE} - {errno.ENOENT, errno.EEXIST, errno.EISDIR, errno.ENOTDIR})
"""Errors that are the disk's or the user's rights, wherever they come up."""


def advice(exc: OSError, path: Path | str) -> str:
    """What the error means and what to do now; the system's own words where there is nothing better."""
    if exc.errno == errno.ENOSPC and (room := room_at(path)).lacks_only_inodes:
        return (
            f"the file system has no inode left for another file, with {room.free_bytes / 1e6:,.0f} MB free. "
            "Remove old Snapshots (`harvester prune`), or make the file system with more inodes "
            "(mkfs.ext4 -i 4096), then run again; what was finished is kept"
        )
    return _ADVICE.get(exc.errno or 0, f"{exc.strerror or exc}")


def explain(exc: OSError, path: Path | str) -> DiskError:
    """The error as the user reads it: where, what, and what to do now."""
    return DiskError(f"{path}: {advice(exc, path)}", path=str(path))


@contextmanager
def explained(path: Path | str) -> Iterator[None]:
    """Raise a `DiskError` about `path` in place of an `OSError`."""
    try:
        yield
    except OSError as exc:
        raise explain(exc, path) from exc
