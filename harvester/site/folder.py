"""Where pages are put: beside the Snapshot before, of which every page that is the same is linked."""

from __future__ import annotations

import os
from pathlib import Path


class Folder:
    """Puts files below a Snapshot, or below a directory that stands alone."""

    def __init__(self, directory: Path, before: Path | None) -> None:
        self._directory = directory
        self._before = before

    def put(self, name: str, content: bytes) -> None:
        """One file; what had its name is replaced."""
        target = self._directory / name
        target.unlink(missing_ok=True)
        if self._before is None or not self._linked(self._before / name, target, content):
            with target.open("xb") as file:  # new, so that no link is followed that was planted meanwhile
                file.write(content)

    @staticmethod
    def _linked(earlier: Path, target: Path, content: bytes) -> bool:
        if not _holds(earlier, content):
            return False
        try:
            os.link(earlier, target, follow_symlinks=False)
        except OSError:  # the file system has no links, or no more of them for this file: it is written
            return False
        return True


def _holds(path: Path, content: bytes) -> bool:
    try:
        same_size = not path.is_symlink() and path.stat().st_size == len(content)
        return same_size and path.read_bytes() == content
    except OSError:
        return False
