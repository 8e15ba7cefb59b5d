"""Where an export goes: a directory that can be taken up again, or a zip file."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

import msgspec

from harvester.archive import Disk, explain
from harvester.errors import CorruptArchiveError, DiskError, UsageError
from harvester.format import PART, file_sha256, load_record, open_regular

_MARK: Final = ".export.json"
"""In a directory while its export is not complete: what it is an export of."""
_PLAIN: Final = (".html", ".json", ".jsonl", ".txt", ".css", ".js", ".svg")
"""Worth compressing; images are compressed already."""


class Package(Protocol):
    """Takes the files of an export."""

    def holds(self, name: str, sha256: str) -> bool:
        """Whether an earlier attempt has put this file here; any thread may ask."""

    def add_dir(self, name: str) -> None:
        """Put a directory here, even if nothing comes into it."""

    def add(self, name: str, content: bytes) -> None:
        """Put a file here."""

    def add_file(self, name: str, source: Path) -> None:
        """Put a copy of a file here, however large it is."""


class Purpose(msgspec.Struct, frozen=True):
    """What an export is of; only the same one is taken up again."""

    snapshot: str
    tagmanifest_sha256: str
    filters: dict[str, object]


class DirectoryPackage:
    """A directory; each file is whole or not there."""

    def __init__(self, root: Path, disk: Disk) -> None:
        self._root = root
        self._disk = disk
        self._made: set[Path] = {root}

    def holds(self, name: str, sha256: str) -> bool:
        """Whether an earlier attempt has put this file here, whole."""
        try:
            return file_sha256(self._root / name)[0] == sha256
        except (CorruptArchiveError, DiskError):
            return False

    def add_dir(self, name: str) -> None:
        """Make a directory; one that is there already is used."""
        self._make_dir(self._root / name)

    def add(self, name: str, content: bytes) -> None:
        """Put a file here, whatever was there before."""
        path = self._root / name
        part = path.with_name(f".{path.name}{PART}")
        self._make_dir(path.parent)
        self._disk.remove(part)
        self._disk.write(part, content, sync=False)
        self._disk.rename(part, path)

    def add_file(self, name: str, source: Path) -> None:
        """Put a copy of a file here, whatever was there before."""
        path = self._root / name
        part = path.with_name(f".{path.name}{PART}")
        self._make_dir(path.parent)
        self._disk.remove(part)
        self._disk.copy_file(source, part)
        self._disk.rename(part, path)

    def _make_dir(self, path: Path) -> None:
        if path not in self._made:
            self._make_dir(path.parent)
            self._disk.make_dir(path)
            self._made.add(path)


class ZipPackage:
    """A zip file with one directory in it; the same export gives the same bytes."""

    def __init__(self, file: zipfile.ZipFile, stem: str, at: str) -> None:
        self._file = file
        self._stem = stem
        self._time = (
            int(at[:4]),
            int(at[5:7]),
            int(at[8:10]),
            int(at[11:13]),
            int(at[14:16]),
            int(at[17:19]),
        )

    def holds(self, name: str, sha256: str) -> bool:
        """A zip file is written from its beginning."""
        return False

    def add_dir(self, name: str) -> None:
        """Put a directory at the end."""
        member = zipfile.ZipInfo(f"{self._stem}/{name}/", date_time=self._time)
        member.external_attr = (0o40755 << 16) | 0x10
        self._file.writestr(member, b"")

    def add(self, name: str, content: bytes) -> None:
        """Put a file at the end."""
        self._file.writestr(self._member(name), content)

    def add_file(self, name: str, source: Path) -> None:
        """Put a copy of a file at the end."""
        with open_regular(source) as file, self._file.open(self._member(name), "w", force_zip64=True) as copy:
            shutil.copyfileobj(file, copy, 2**20)

    def _member(self, name: str) -> zipfile.ZipInfo:
        member = zipfile.ZipInfo(f"{self._stem}/{name}", date_time=self._time)
        member.external_attr = 0o100444 << 16
        member.compress_type = zipfile.ZIP_DEFLATED if name.endswith(_PLAIN) else zipfile.ZIP_STORED
        return member


@contextmanager
def open_directory(path: Path, purpose: Purpose, disk: Disk) -> Iterator[Package]:
    """A directory to export to: a new or empty one, or one in which the same export was cut off.

    Raises:
        UsageError: it holds something else; says what.
        DiskError: it cannot be written.
    """
    path = path.absolute()
    disk.make_dir(path)
    mark = path / _MARK
    if not os.path.lexists(mark):
        if {item.name for item in path.iterdir()} - {f".{_MARK}{PART}"}:
            raise UsageError(f"{path} is not empty. Export to a new directory")
        disk.replace(mark, msgspec.json.encode(purpose))
    elif load_record(mark, Purpose) != purpose:
        raise UsageError(
            f"{path} holds another export that was cut off. Finish that one with the same arguments, "
            "or export to a new directory"
        )
    yield DirectoryPackage(path, disk)
    disk.sync_all(path)
    disk.remove(mark)
    disk.sync_dir(path)


@contextmanager
def open_zip(path: Path, at: str, disk: Disk) -> Iterator[Package]:
    """A zip file to export to; it has its name when it is whole, and one that fails leaves nothing behind.

    Raises:
        UsageError: the name is taken.
        DiskError: it cannot be written.
    """
    path = path.absolute()
    if os.path.lexists(path):
        raise UsageError(f"{path} is there already. Export to a new name")
    part = path.with_name(f".{path.name}{PART}")
    disk.remove(part)
    try:
        try:
            with zipfile.ZipFile(part, "x", allowZip64=True, compresslevel=6) as file:
                yield ZipPackage(file, path.stem, at)
        except OSError as exc:
            raise explain(exc, path) from exc
        disk.seal(part)
        disk.rename(part, path)
    except BaseException:  # Ctrl-C too: it may be many GB, under a name that nobody sees
        with suppress(DiskError):
            disk.remove(part)
        raise
    disk.sync_dir(path.parent)
