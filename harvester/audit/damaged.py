"""Keeps in `.damaged/` what a repair has replaced, so that somebody can find out what happened to it.

A file is kept as `.damaged/SNAPSHOT/DIGEST/PATH`; DIGEST is the first half of its own sha256. When `verify`
finds no Problem, nothing in the Archive needs the directory, and it may be deleted.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from harvester.archive import Archive
from harvester.errors import CorruptArchiveError, DiskError
from harvester.format import DAMAGED, PART, file_sha256

MAX_BYTES: Final = 2**30
"""Size limit of the directory; a failing disk may damage every file of a large Archive."""
_DIGEST_CHARS: Final = 32


class DamagedFiles:
    """Keeps files of Snapshots before they are replaced."""

    def __init__(self, archive: Archive, *, max_bytes: int = MAX_BYTES) -> None:
        self.kept = 0
        self.not_kept = 0
        """Number of files that were not kept, because the size limit was reached."""
        self._archive = archive
        self._max_bytes = max_bytes
        self._used_bytes = 0
        self._counted: set[tuple[int, int]] | None = None

    def keep(self, snapshot: str, path: str) -> None:
        """Keep a file if there is room; hard links of one file are counted once.

        Raises:
            DiskError: it cannot be written.
        """
        source = self._archive.root / snapshot / path
        try:
            sha256, _ = file_sha256(source)
        except (CorruptArchiveError, DiskError):
            return  # it cannot be read
        if self._has_room(source):
            self.save(snapshot, path, sha256)
            self.kept += 1
        else:
            self.not_kept += 1

    def save(self, snapshot: str, path: str, sha256: str) -> Path:
        """Keep a file whose bytes are needed elsewhere, whether or not there is room; returns its new path.

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
        if self._used_bytes + status.st_size > self._max_bytes:
            return False
        self._count(source, self._counted)
        return True

    def _count(self, path: Path, counted: set[tuple[int, int]]) -> None:
        """Count a file's bytes; hard links of one file are counted once."""
        status = path.lstat()
        key = (status.st_dev, status.st_ino)
        if key not in counted:
            counted.add(key)
            self._used_bytes += status.st_size
