"""`.damaged/`: what a repair has replaced, for whoever wants to know what happened to it.

A file is kept as `.damaged/SNAPSHOT/DIGEST/PATH`, the digest being the first half of its own sha256. Once
`verify` finds nothing more, nothing in the Archive needs it and the whole directory may be deleted.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from harvester.archive import Archive
from harvester.errors import CorruptArchiveError, DiskError
from harvester.format import DAMAGED, PART, file_sha256

MOST_BYTES: Final = 2**30
"""What is kept in all; a disk that is failing may damage every file of a large Archive."""
_DIGEST_CHARS: Final = 32


class DamagedFiles:
    """Keeps files of Snapshots that are about to be replaced."""

    def __init__(self, archive: Archive, *, most_bytes: int = MOST_BYTES) -> None:
        self.kept = 0
        self.passed_over = 0
        """Files that there was no room for."""
        self._archive = archive
        self._most_bytes = most_bytes
        self._used_bytes = 0
        self._counted: set[tuple[int, int]] | None = None

    def keep(self, snapshot: str, path: str) -> None:
        """Keep what is damaged at a place; several names of one file take its bytes once.

        Raises:
            DiskError: it cannot be written.
        """
        source = self._archive.root / snapshot / path
        try:
            sha256, _ = file_sha256(source)
        except (CorruptArchiveError, DiskError):
            return  # nothing that can be read
        if self._has_room(source):
            self.save(snapshot, path, sha256)
            self.kept += 1
        else:
            self.passed_over += 1

    def save(self, snapshot: str, path: str, sha256: str) -> Path:
        """Keep a file whether or not there is room, for its bytes are wanted elsewhere; gives its new place.

        Raises:
            DiskError: it cannot be written.
        """
        root, disk = self._archive.root, self._archive.disk
        place = Path(snapshot, sha256[:_DIGEST_CHARS], path)
        for parent in reversed(place.parents):
            disk.make_dir(root / DAMAGED / parent)
        source, target = root / snapshot / path, root / DAMAGED / place
        if not (target.exists() and target.samefile(source)):  # a rename onto the same file does nothing
            disk.adopt(source, target, root / f".damaged-file{PART}")
        return target

    def _has_room(self, source: Path) -> bool:
        if self._counted is None:
            self._counted = set()
            for directory, _, names in os.walk(self._archive.root / DAMAGED):
                for name in names:
                    self._count(Path(directory, name), self._counted)
        status = source.lstat()
        if (status.st_dev, status.st_ino) in self._counted:
            return True
        if self._used_bytes + status.st_size > self._most_bytes:
            return False
        self._count(source, self._counted)
        return True

    def _count(self, path: Path, counted: set[tuple[int, int]]) -> None:
        """Add a file's bytes to what is used; names of one file count once."""
        status = path.lstat()
        key = (status.st_dev, status.st_ino)
        if key not in counted:
            counted.add(key)
            self._used_bytes += status.st_size
