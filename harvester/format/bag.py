"""BagIt 1.0 (RFC 8493): the texts that make a directory a bag. Pure, but for reading files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from harvester.errors import CorruptArchiveError
from harvester.format.layout import BAGIT, PAYLOAD, RUN, TAGMANIFEST, is_inside
from harvester.format.manifest import load_manifest
from harvester.format.reading import opened
from harvester.model import SnapshotRecord

DECLARATION: Final = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
"""The whole of `bagit.txt`."""

_CHUNK_BYTES: Final = 2**20


def bag_info_fields(record: SnapshotRecord) -> list[tuple[str, str]]:
    """Label and value of each line that `bag-info.txt` has for a Snapshot; empty ones are left out of it."""
    previous = record.previous
    return [
        ("Source-Organization", "QuantConnect"),
        ("External-Description", "Backtest reports of one QuantConnect account, as served by its API"),
        ("External-Identifier", f"{record.account}/{record.name}"),
        ("Bagging-Date", record.finished[:10]),
        ("Payload-Oxum", f"{record.payload_bytes}.{record.files}"),
        ("Bag-Software-Agent", f"harvester {record.version}"),
        ("Harvester-Snapshot", record.name),
        ("Harvester-Run", record.run_id),
        ("Harvester-Complete", "yes" if record.complete else "no"),
        ("Harvester-Listed", str(record.listed)),
        ("Harvester-Previous", f"{previous.name} sha256:{previous.tagmanifest_sha256}" if previous else ""),
    ]


def render_bag_info(fields: Iterable[tuple[str, str]]) -> bytes:
    """`bag-info.txt`; line breaks within a value become spaces, empty values are left out."""
    lines = [f"{label}: {' '.join(value.split())}\n" for label, value in fields if value.strip()]
    return "".join(lines).encode("utf-8", "replace")


def parse_bag_info(content: bytes) -> dict[str, str]:
    """The fields of a `bag-info.txt`: continued lines are joined, and the last of two equal labels counts."""
    # RFC 8493: a line that begins with white space continues the value of the line before.
    fields: dict[str, str] = {}
    label = ""
    for line in content.decode("utf-8", "replace").splitlines():
        if line[:1].isspace() and label:
            fields[label] += " " + line.strip()
        elif ":" in line:
            label, _, value = line.partition(":")
            fields[label] = value.strip()
    return fields


def file_sha256(path: Path) -> tuple[str, int]:
    """Digest and size in bytes of a file, read in pieces.

    Raises:
        CorruptArchiveError: it is missing or not a regular file.
        DiskError: it cannot be read.
    """
    digest = hashlib.sha256()
    size = 0
    with opened(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


def tag_files(bag: Path) -> Iterator[Path]:
    """Every file of a bag outside of its payload, sorted, without the tag manifest itself.

    Raises:
        CorruptArchiveError: something is neither file nor directory.
    """
    for path in sorted(bag.iterdir()):
        if path.name not in {PAYLOAD, RUN, TAGMANIFEST}:
            yield from _files(path)


def _files(path: Path) -> Iterator[Path]:
    if path.is_symlink() or not (path.is_dir() or path.is_file()):
        raise CorruptArchiveError(f"{path} is neither a file nor a directory; remove it and run again")
    if path.is_file():
        yield path
        return
    for below in sorted(path.iterdir()):
        yield from _files(below)


def check_tags(bag: Path) -> str:
    """Check every tag file against the tag manifest, and give the tag manifest's own digest.

    Raises:
        CorruptArchiveError: one is missing or differs; names it.
        DiskError: one cannot be read.
    """
    # A path may lead nowhere but into the bag: the tag manifest itself is not yet proven here.
    for name, sha256 in load_manifest(bag / TAGMANIFEST):
        if not is_inside(name):
            raise CorruptArchiveError(f"{bag / TAGMANIFEST} names {name!r}, which is outside of the Snapshot")
        if file_sha256(bag / name)[0] != sha256:
            raise CorruptArchiveError(f"{bag / name} is not what {TAGMANIFEST} recorded")
    if not (bag / BAGIT).is_file():
        raise CorruptArchiveError(f"{bag / BAGIT} is missing")
    return file_sha256(bag / TAGMANIFEST)[0]
