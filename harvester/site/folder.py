"""Writes files of the site, or hard-links them to the previous Snapshot when their content is the same."""

from __future__ import annotations

from pathlib import Path

from harvester.archive import Disk


class Folder:
    """A directory that pages are written to.

    Args:
        disk: Does the writing.
        directory: The Snapshot or export that gets the pages.
        before: The previous Snapshot, to link unchanged pages to; None writes all of them.
    """

    def __init__(self, disk: Disk, directory: Path, before: Path | None) -> None:
        self._disk = disk
        self._directory = directory
        self._before = before

    def make(self, name: str) -> None:
        """Create a directory for pages; a symbolic link in its place is removed, not followed."""
        path = self._directory / name
        if path.is_symlink():
            self._disk.remove(path)
        self._disk.make_dir(path)

    def put(self, name: str, content: bytes) -> None:
        """Write or link a file, replacing any file of that name."""
        target = self._directory / name
        self._disk.remove(target)
        if self._before is not None:
            earlier = self._before / name
            if _holds(earlier, content) and self._disk.link_file(earlier, target):
                return
        # Not synced one by one: the commit syncs the whole file system once.
        self._disk.write(target, content, sync=False)


def _holds(path: Path, content: bytes) -> bool:
    """Whether a regular file has exactly this content; compares the size first, which is cheap."""
    try:
        same_size = not path.is_symlink() and path.stat().st_size == len(content)
        return same_size and path.read_bytes() == content
    except OSError:
        return False
