"""The zip of a Snapshot in a Bucket: all of its bag but the payload, and the list of its packs."""

from __future__ import annotations

import hashlib
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from harvester.bucket.packs import PackLine, fixed_member, parse_lines
from harvester.errors import CorruptArchiveError, CorruptBucketError
from harvester.format import (
    INVENTORY,
    MANIFEST,
    PAYLOAD,
    SNAPSHOT_FILE,
    TAGMANIFEST,
    load_manifest,
    opened,
    parse_manifest_line,
)

PACKS: Final = "packs.jsonl"
BUNDLE_BYTES: Final = 2 * 2**30
"""No Snapshot's zip is larger; one with 20,000 reports of 16 files has about 20 MB."""
MEMBER_BYTES: Final = 4 * 2**30
_MEMBERS: Final = 100_000
_CHUNK_BYTES: Final = 2**20
_SEGMENT: Final = re.compile(r"[^/\\\x00-\x1f\x7f]{1,240}")


def write_bundle(target: Path, snapshot: Path, packs: Path) -> None:
    """Write the zip of a Snapshot; every file goes in with the digest that its tag manifest has.

    Args:
        target: The zip; a file there is replaced.
        snapshot: The Snapshot's directory.
        packs: Its `packs.jsonl`.

    Raises:
        CorruptArchiveError: a file next to the payload is not what was committed.
        DiskError: one cannot be read.
    """
    recorded = dict(load_manifest(snapshot / TAGMANIFEST))
    with zipfile.ZipFile(target, "w", allowZip64=True) as file:
        for name in sorted({*recorded, TAGMANIFEST}):
            _check_name(name, snapshot / TAGMANIFEST)
            with opened(snapshot / name) as source:
                sha256 = _add(file, name, source)
            if name in recorded and sha256 != recorded[name]:
                raise CorruptArchiveError(
                    f"{snapshot / name} is not what was committed, and is not pushed. "
                    f"Restore it from a backup (`harvester verify {snapshot.name}` names all there is)"
                )
        with packs.open("rb") as source:
            _add(file, PACKS, source)


def _add(file: zipfile.ZipFile, name: str, source: BinaryIO) -> str:
    digest = hashlib.sha256()
    member = fixed_member(name, zipfile.ZIP_DEFLATED)
    with file.open(member, "w", force_zip64=True) as target:
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
            target.write(chunk)
    return digest.hexdigest()


def _check_name(name: str, where: Path | str) -> None:
    if not is_tag_name(name):
        raise CorruptArchiveError(f"{where} names {name!r}, which is outside of the Snapshot")


def is_tag_name(name: str) -> bool:
    """Whether the text may be the path of a file next to the payload."""
    parts = name.split("/")
    return (
        len(parts) <= 8
        and parts[0] not in {PAYLOAD, PACKS}
        and all(_SEGMENT.fullmatch(part) and part not in {".", ".."} for part in parts)
    )


class Bundle:
    """An opened zip of a Snapshot. Read by one thread at a time."""

    def __init__(self, file: zipfile.ZipFile, key: str) -> None:
        self.key = key
        self._file = file
        self.names = [name for name in file.namelist() if name != PACKS]
        """Every file of the bag but the payload."""

    def read(self, name: str) -> bytes:
        """A file of the bag.

        Raises:
            CorruptBucketError: it is missing or damaged.
        """
        with self.open(name) as source:
            return source.read()

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """A file of the bag, to be read piece by piece.

        Raises:
            CorruptBucketError: it is missing or damaged.
        """
        try:
            source = self._file.open(name)
        except (KeyError, zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError) as exc:
            raise CorruptBucketError(f"{self.key} holds no sound {name}: {exc}", key=self.key) from exc
        with source:
            try:
                yield source  # type: ignore[misc]  # typeshed calls it IO[bytes]
            except (zipfile.BadZipFile, zlib.error, EOFError) as exc:
                raise CorruptBucketError(f"{self.key} holds a damaged {name}: {exc}", key=self.key) from exc

    def packs(self) -> Iterator[PackLine]:
        """Where the report directories come from, in the order of the Inventory.

        Raises:
            CorruptBucketError: a line is damaged.
        """
        with self.open(PACKS) as source:
            yield from parse_lines(source, f"{self.key}/{PACKS}")

    def manifest(self, name: str = MANIFEST) -> Iterator[tuple[str, str]]:
        """Path and sha256 of each line of the Manifest, or of the tag manifest.

        Raises:
            CorruptBucketError: a line is damaged.
        """
        number = 0
        with self.open(name) as source:
            while line := source.readline(8192):
                number += 1
                try:
                    yield parse_manifest_line(line, where=f"{self.key}/{name}:{number}")
                except CorruptArchiveError as exc:
                    raise CorruptBucketError(str(exc), key=self.key) from exc

    def sha256(self, name: str) -> str:
        """The digest of a file of the bag.

        Raises:
            CorruptBucketError: it is missing or damaged.
        """
        digest = hashlib.sha256()
        with self.open(name) as source:
            while chunk := source.read(_CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    def copy(self, name: str, target: BinaryIO) -> None:
        """Write a file of the bag to another one."""
        with self.open(name) as source:
            shutil.copyfileobj(source, target, _CHUNK_BYTES)

    def check(self, tagmanifest_sha256: str) -> None:
        """Hold every file against the tag manifest, and that against the Ledger.

        Raises:
            CorruptBucketError: one is missing, too many, or differs; names it.
        """
        if self.sha256(TAGMANIFEST) != tagmanifest_sha256:
            raise CorruptBucketError(
                f"{self.key} holds another {TAGMANIFEST} than was committed", key=self.key
            )
        recorded = dict(self.manifest(TAGMANIFEST))
        for name in (MANIFEST, INVENTORY, SNAPSHOT_FILE):
            if name not in recorded:
                raise CorruptBucketError(f"{self.key} lists no {name}", key=self.key)
        if {*self.names} != {*recorded, TAGMANIFEST}:
            raise CorruptBucketError(
                f"{self.key} has not the files that its {TAGMANIFEST} lists", key=self.key
            )
        for name, sha256 in recorded.items():
            if self.sha256(name) != sha256:
                raise CorruptBucketError(f"{self.key} holds another {name} than was committed", key=self.key)


@contextmanager
def open_bundle(path: Path, key: str) -> Iterator[Bundle]:
    """The zip of a Snapshot that was downloaded; its members are checked, their content is not.

    Raises:
        CorruptBucketError: it is no zip that harvester has made.
    """
    try:
        file = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError) as exc:
        raise CorruptBucketError(f"{key} is not a sound zip: {exc}", key=key) from exc
    with file:
        members = file.infolist()
        names = {member.filename for member in members}
        if not (
            len(names) == len(members) <= _MEMBERS
            and all(is_tag_name(name) for name in names - {PACKS})
            and all(member.file_size <= MEMBER_BYTES for member in members)
        ):
            raise CorruptBucketError(f"{key} has members that no Snapshot of harvester has", key=key)
        yield Bundle(file, key)
