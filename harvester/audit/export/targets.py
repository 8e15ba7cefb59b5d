"""Where an export is written: a directory or a zip file.

Both are written under a hidden name next to their place and get their own name when they are complete. So a
name always means a complete export, and one that fails or is interrupted leaves nothing behind.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

from harvester.archive import Disk, explain
from harvester.errors import DiskError, UsageError
from harvester.format import PART, open_regular

_COMPRESSED: Final = (".html", ".json", ".jsonl", ".txt", ".css", ".js", ".svg")
"""Types of files that a zip compresses; images are compressed already."""


class Target(Protocol):
    """Receives the files of an export, each once."""

    def add_dir(self, name: str) -> None:
        """Make a directory, even if no file is added to it."""

    def add(self, name: str, content: bytes) -> None:
        """Write a file."""

    def add_file(self, name: str, source: Path) -> None:
        """Copy a file of any size."""


class DirectoryTarget:
    """A directory; its files are durable after `Disk.sync_all`."""

    def __init__(self, root: Path, disk: Disk) -> None:
        self._root = root
        self._disk = disk
        self._made: set[Path] = {root}

    def add_dir(self, name: str) -> None:
        """Make a directory and those above it."""
        self._make_dir(self._root / name)

    def add(self, name: str, content: bytes) -> None:
        """Write a file, and make the directory that it is in."""
        path = self._root / name
        self._make_dir(path.parent)
        self._disk.write(path, content, sync=False)

    def add_file(self, name: str, source: Path) -> None:
        """Copy a file, and make the directory that the copy is in."""
        path = self._root / name
        self._make_dir(path.parent)
        self._disk.copy_file(source, path)

    def _make_dir(self, path: Path) -> None:
        if path not in self._made:
            self._make_dir(path.parent)
            self._disk.make_dir(path)
            self._made.add(path)


class ZipTarget:
    """A zip file with one directory in it; equal exports give equal bytes.

    Args:
        file: The open zip file.
        directory: Name of the directory in it.
        at: When it is exported, UTC, `2026-11-24T10:00:00Z`: the time of every file.
    """

    def __init__(self, file: zipfile.ZipFile, directory: str, at: str) -> None:
        self._file = file
        self._directory = directory
        self._time = (
            int(at[:4]),
            int(at[5:7]),
            int(at[8:10]),
            int(at[11:13]),
            int(at[14:16]),
            int(at[17:19]),
        )

    def add_dir(self, name: str) -> None:
        """Append a directory."""
        member = zipfile.ZipInfo(f"{self._directory}/{name}/", date_time=self._time)
        member.external_attr = (0o40755 << 16) | 0x10
        self._file.writestr(member, b"")

    def add(self, name: str, content: bytes) -> None:
        """Append a file."""
        self._file.writestr(self._member(name), content)

    def add_file(self, name: str, source: Path) -> None:
        """Append a copy of a file."""
        with open_regular(source) as file, self._file.open(self._member(name), "w", force_zip64=True) as copy:
            shutil.copyfileobj(file, copy, 2**20)

    def _member(self, name: str) -> zipfile.ZipInfo:
        member = zipfile.ZipInfo(f"{self._directory}/{name}", date_time=self._time)
        member.external_attr = 0o100444 << 16
        member.compress_type = zipfile.ZIP_DEFLATED if name.endswith(_COMPRESSED) else zipfile.ZIP_STORED
        return member


@contextmanager
def open_directory(path: Path, disk: Disk) -> Iterator[Target]:
    """Write a directory; one that is empty may exist already.

    Raises:
        UsageError: it is not empty, is a file, or is a mount point, which cannot be replaced.
        DiskError: it cannot be written.
    """
    path = path.absolute()
    if os.path.lexists(path):
        if path.is_symlink() or not path.is_dir() or any(path.iterdir()):
            raise UsageError(f"{path} is not empty. Export to a new directory")
        if path.is_mount():
            raise UsageError(f"{path} is a mount point. Export to a new directory in it")
    with _named_when_complete(path, disk) as part:
        disk.make_dir(part)
        yield DirectoryTarget(part, disk)
        disk.sync_all(part)


@contextmanager
def open_zip(path: Path, at: str, disk: Disk) -> Iterator[Target]:
    """Write a zip file; `at` is the time of the files in it, UTC.

    Raises:
        UsageError: the name is taken.
        DiskError: it cannot be written.
    """
    path = path.absolute()
    if os.path.lexists(path):
        raise UsageError(f"{path} exists already. Export to a new name")
    with _named_when_complete(path, disk) as part:
        try:
            with zipfile.ZipFile(part, "x", allowZip64=True, compresslevel=6) as file:
                yield ZipTarget(file, path.stem, at)
        except OSError as exc:
            raise explain(exc, path) from exc
        disk.seal(part)


@contextmanager
def _named_when_complete(path: Path, disk: Disk) -> Iterator[Path]:
    """Give a hidden name to write to; it is renamed to `path` when nothing has failed, else removed.

    What a killed process has left under the hidden name is removed first.
    """
    part = path.with_name(f".{path.name}{PART}")
    disk.remove_tree(part)
    try:
        yield part
        disk.rename(part, path)
    except BaseException:  # Ctrl-C too: it may be many GB, under a name that nobody sees
        with suppress(DiskError):
            disk.remove_tree(part)
        raise
    disk.sync_dir(path.parent)
