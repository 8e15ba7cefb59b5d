"""A file of a partial Snapshot that is written as a stream: its Manifest, its Inventory."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

from harvester.archive.disk import Disk

_BUFFER_BYTES: Final = 2**20


class NewFile:
    """A new file, written through a buffer of a megabyte and hashed on the way."""

    def __init__(self, disk: Disk, path: Path) -> None:
        self.path = path
        self._disk = disk
        self._fd: int | None = disk.create(path)
        self._digest = hashlib.sha256()
        self._pieces: list[bytes] = []
        self._waiting_bytes = 0

    def add(self, content: bytes) -> None:
        """Write this next."""
        self._pieces.append(content)
        self._waiting_bytes += len(content)
        if self._waiting_bytes >= _BUFFER_BYTES:
            self._flush()

    def finish(self) -> str:
        """Flush the file to disk, close it, and return its sha256."""
        self._flush()
        fd, self._fd = self._fd, None
        if fd is not None:
            self._disk.finish(fd, self.path)
        return self._digest.hexdigest()

    def close(self) -> None:
        """Close a file that will not be finished; nothing more is written to it."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _flush(self) -> None:
        content = b"".join(self._pieces)
        self._pieces.clear()
        self._waiting_bytes = 0
        self._digest.update(content)
        if self._fd is not None:
            self._disk.write_chunk(self._fd, content, self.path)
