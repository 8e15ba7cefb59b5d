"""Writing a Manifest or Inventory as a stream, and taking over the lines of an earlier Manifest as one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Final

from harvester.archive.disk import Disk
from harvester.errors import CorruptArchiveError
from harvester.format import PATH_AT, opened

_BUFFER_BYTES: Final = 2**20
_LINE_BYTES: Final = 8192


class NewFile:
    """A file of a partial Snapshot, written piece by piece; knows its digest at the end."""

    def __init__(self, disk: Disk, path: Path) -> None:
        self.path = path
        self._disk = disk
        self._fd: int | None = disk.create(path)
        self._digest = hashlib.sha256()
        self._pieces: list[bytes] = []
        self._waiting_bytes = 0

    def add(self, content: bytes) -> None:
        """Put this at the end."""
        self._pieces.append(content)
        self._waiting_bytes += len(content)
        if self._waiting_bytes >= _BUFFER_BYTES:
            self._flush()

    def finish(self) -> str:
        """Flush the file to disk and close it; gives its sha256."""
        self._flush()
        fd, self._fd = self._fd, None
        if fd is not None:
            self._disk.finish(fd, self.path)
        return self._digest.hexdigest()

    def close(self) -> None:
        """Let go of a file that will not be finished."""
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


class ManifestCursor:
    """Takes the lines of one directory after another out of an earlier Manifest, in one pass.

    A Manifest stands in the order of its Inventory, so what is asked for comes next. Should an order have
    changed, lines that are wanted later are kept until then.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._blocks = _blocks(path)
        self._kept: dict[str, list[bytes]] = {}

    def take(self, directory: str, wanted: Set[str]) -> list[bytes]:
        """The lines of the files in `directory`; `wanted` are the directories still to be asked for.

        Raises:
            CorruptArchiveError: the Manifest has no such directory.
            DiskError: it cannot be read.
        """
        if directory in self._kept:
            return self._kept.pop(directory)
        for name, lines in self._blocks:
            if name == directory:
                return lines
            if name in wanted:
                self._kept[name] = lines
        raise CorruptArchiveError(
            f"{self._path} has no files in {directory}, although its Inventory says so. "
            "Run `harvester verify` and restore what it names"
        )


def _blocks(path: Path) -> Iterator[tuple[str, list[bytes]]]:
    """The Manifest's lines grouped by report directory."""
    prefix = b"\0"
    lines: list[bytes] = []
    with opened(path) as file:
        while line := file.readline(_LINE_BYTES):
            if line.startswith(prefix, PATH_AT):
                lines.append(line)
                continue
            if lines:
                yield _directory(prefix, lines, path), lines
            prefix = _report_prefix(line, path)
            lines = [line]
    if lines:
        yield _directory(prefix, lines, path), lines


def _directory(prefix: bytes, lines: list[bytes], path: Path) -> str:
    """The directory of a block of lines, every one of them whole and fit to be a path."""
    block = b"".join(lines)
    try:
        if b"\0" in block or block.count(b"\n") != len(lines):
            raise ValueError
        block.decode()
    except ValueError as exc:
        raise CorruptArchiveError(f"{path} holds lines of {prefix[:200]!r} that are damaged") from exc
    return prefix[:-1].decode()


def _report_prefix(line: bytes, path: Path) -> bytes:
    """`data/PROJECT/BACKTEST/` of a line."""
    parts = line[PATH_AT:].split(b"/", 3)
    if not line.endswith(b"\n") or len(parts) != 4 or parts[0] != b"data":
        raise CorruptArchiveError(f"{path} holds the line {line[:200]!r}, which is not of a report")
    return b"/".join(parts[:3]) + b"/"
