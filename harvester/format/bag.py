"""BagIt 1.0 (RFC 8493): the texts that make a directory a bag. Pure, but for reading files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from harvester.errors import CorruptArchiveError
from harvester.format.layout import BAGIT, TAGMANIFEST
from harvester.format.manifest import load_manifest
from harvester.format.reading import opened

DECLARATION: Final = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
"""The whole of `bagit.txt`."""

_CHUNK_BYTES: Final = 2**20


def render_bag_info(fields: Iterable[tuple[str, str]]) -> bytes:
    """`bag-info.txt`; line breaks within a value become spaces, empty values are left out."""
    lines = [f"{label}: {' '.join(value.split())}\n" for label, value in fields if value.strip()]
    return "".join(lines).encode("utf-8", "replace")


def parse_bag_info(content: bytes) -> dict[str, str]:
    """The fields of a `bag-info.txt`; a field that stands twice counts once, continued lines are joined."""
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


def check_tags(bag: Path) -> str:
    """Check every tag file against the tag manifest, and give the tag manifest's own digest.

    Raises:
        CorruptArchiveError: one is missing or differs; names it.
        DiskError: one cannot be read.
    """
    for name, sha256 in load_manifest(bag / TAGMANIFEST):
        if ".." in name.split("/") or name.startswith("/"):
            raise CorruptArchiveError(f"{bag / TAGMANIFEST} names {name!r}, which is outside of the Snapshot")
        if file_sha256(bag / name)[0] != sha256:
            raise CorruptArchiveError(f"{bag / name} is not what {TAGMANIFEST} recorded")
    if not (bag / BAGIT).is_file():
        raise CorruptArchiveError(f"{bag / BAGIT} is missing")
    return file_sha256(bag / TAGMANIFEST)[0]
