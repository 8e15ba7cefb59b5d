"""Where pages are put: beside the Snapshot before, of which every page that is the same is linked."""

from __future__ import annotations

from pathlib import Path

from harvester.archive import Disk


class Folder:
    """Puts files below a Snapshot, or below a directory that stands alone."""

    def __init__(self, disk: Disk, directory: Path, before: Path | None) -> None:
        self._disk = disk
        self._directory = directory
        self._before = before

    def make(self, name: str) -> None:
        """A directory for pages; a link that somebody has put in its place is removed, not followed."""
        path = self._directory / name
        if path.is_symlink():
            self._disk.remove(path)
        self._disk.make_dir(path)

    def put(self, name: str, content: bytes) -> None:
        """One file; what had its name is replaced."""
        target = self._directory / name
        self._disk.remove(target)
        if self._before is not None:
            earlier = self._before / name
            if _holds(earlier, content) and self._disk.link_file(earlier, target):
                return
        self._disk.write(target, content, sync=False)


def _holds(path: Path, content: bytes) -> bool:
    try:
        same_size = not path.is_symlink() and path.stat().st_size == len(content)
        return same_size and path.read_bytes() == content
    except OSError:
        return False
