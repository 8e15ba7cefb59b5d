"""`latest`: a symbolic link to the newest Snapshot, or its name in a text file where there are no links.

It is for people and their scripts; harvester itself finds the newest Snapshot without it.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

from harvester.archive.store import Store
from harvester.errors import ArchiveError
from harvester.format import LATEST, load_bytes

_NAME_BYTES: Final = 64


def read_latest(root: Path) -> str:
    """The name that `latest` holds, as a link or as a text file; empty when it is neither."""
    path = root / LATEST
    try:
        return str(path.readlink())
    except OSError:
        pass  # a text file, or nothing that names a Snapshot
    try:
        return load_bytes(path, _NAME_BYTES).decode(errors="replace").strip()
    except ArchiveError:
        return ""


def point_latest(store: Store, name: str) -> list[str]:
    """Point `latest` to a Snapshot; returns notes for the user.

    Raises:
        DiskError: it cannot be written.
    """
    path = store.root / LATEST
    mode = _mode(path)
    notes = []
    # rename() cannot replace a directory, and what is in it may be somebody's only copy.
    if stat.S_ISDIR(mode):
        aside = store.disk.set_aside(path, LATEST)
        notes.append(
            f"{path} was a directory, which `cp -L` and `rsync -L` make of a link; it was moved to {aside}. "
            "No Snapshot needs it; delete it when you are sure"
        )
    linked = store.disk.symlink_atomic(path, name)
    if not linked and not stat.S_ISREG(mode):  # else an earlier run has said it
        notes.append(
            f"the file system of {store.root} has no symbolic links: {path} is a text file that holds "
            "the name of the newest Snapshot"
        )
    return notes


def _mode(path: Path) -> int:
    """Kind and permissions; 0 when nothing has that name."""
    try:
        return path.lstat().st_mode
    except FileNotFoundError:
        return 0
