"""The Inventory on disk: a stream of lines in the order of their keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from harvester.errors import CorruptArchiveError
from harvester.format.layout import is_report_path
from harvester.format.reading import opened
from harvester.model import InventoryEntry
from harvester.secrets import mask

LINE_BYTES: Final = 4 * 2**20
"""No line is longer; an entry with its statistics has about a kilobyte."""

_DECODER: Final = msgspec.json.Decoder(InventoryEntry)
_ENCODER: Final = msgspec.json.Encoder()


def render_entry(entry: InventoryEntry) -> bytes:
    """One line of `inventory.jsonl`; secrets are masked in its free texts, never in names and paths."""
    if entry.error or entry.reason:
        entry = msgspec.structs.replace(entry, error=mask(entry.error), reason=mask(entry.reason))
    return _ENCODER.encode(entry) + b"\n"


def load_inventory(path: Path) -> Iterator[InventoryEntry]:
    """The entries of an Inventory, each validated as it is read.

    Raises:
        CorruptArchiveError: the file is missing, or a line is damaged or out of order; names file and line.
        DiskError: it cannot be read.
    """
    before: tuple[int, str, str] | None = None
    with opened(path) as file:
        number = 0
        while line := file.readline(LINE_BYTES):
            number += 1
            entry = _parse_entry(line, f"{path}:{number}")
            if before is not None and entry.key <= before:
                raise CorruptArchiveError(f"{path}:{number} is out of order: {entry.key} after {before}")
            before = entry.key
            yield entry


class Located(msgspec.Struct, frozen=True):
    """What of an entry says where a version of a report is."""

    project_id: int
    backtest_id: str
    path: str = ""
    report_sha256: str = ""


def load_located(path: Path) -> Iterator[Located]:
    """Where the reports of an Inventory are, at a fraction of the cost of whole entries.

    Raises:
        CorruptArchiveError: the file is missing, or a line is damaged; names file and line.
        DiskError: it cannot be read.
    """
    decoder = msgspec.json.Decoder(Located)
    with opened(path) as file:
        number = 0
        while line := file.readline(LINE_BYTES):
            number += 1
            try:
                located = decoder.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
                raise CorruptArchiveError(f"{path}:{number} is damaged: {exc}") from exc
            if is_report_path(located.path):
                yield located


def _parse_entry(line: bytes, where: str) -> InventoryEntry:
    if not line.endswith(b"\n"):
        raise CorruptArchiveError(f"{where} is cut off")
    try:
        entry = _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise CorruptArchiveError(f"{where} is damaged: {exc}") from exc
    if entry.path and not is_report_path(entry.path):
        raise CorruptArchiveError(f"{where} has {entry.path!r} for a path, which no report has")
    return entry
