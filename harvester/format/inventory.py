"""The Inventory on disk: a stream of lines in the order of their keys."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec

from harvester.errors import CorruptArchiveError
from harvester.format.layout import is_report_path
from harvester.format.reading import opened
from harvester.format.stored import AT_ONCE, Span, StoredValues
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
    return (entry for entry, _ in _load_placed(path))


def load_projects(path: Path) -> Iterator[tuple[int, Collection[InventoryEntry]]]:
    """The entries of an Inventory by project; those of a large one stay on disk until they are gone through.

    Raises:
        CorruptArchiveError, DiskError: as `load_inventory`.
    """
    entries: list[InventoryEntry] = []
    span = Span(path, 0, 0)
    project_id = None
    for entry, start in _load_placed(path):
        if entry.project_id != project_id:
            if project_id is not None:
                yield project_id, _grouped(entries, span)
            entries, span, project_id = [], Span(path, start, 0), entry.project_id
        span = replace(span, lines=span.lines + 1)
        if span.lines <= AT_ONCE:
            entries.append(entry)
        else:
            entries = []
    if project_id is not None:
        yield project_id, _grouped(entries, span)


def _grouped(entries: list[InventoryEntry], span: Span) -> Collection[InventoryEntry]:
    return entries if span.lines <= AT_ONCE else StoredValues(span, _parse_entry, LINE_BYTES)


def _load_placed(path: Path) -> Iterator[tuple[InventoryEntry, int]]:
    """Each entry, and the byte at which its line begins."""
    before: tuple[int, str, str] | None = None
    with opened(path) as file:
        number = start = 0
        while line := file.readline(LINE_BYTES):
            number += 1
            entry = _parse_entry(line, f"{path}:{number}")
            if before is not None and entry.key <= before:
                raise CorruptArchiveError(f"{path}:{number} is out of order: {entry.key} after {before}")
            before = entry.key
            yield entry, start
            start += len(line)


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
        raise CorruptArchiveError(f"{where} is truncated")
    try:
        entry = _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise CorruptArchiveError(f"{where} is damaged: {exc}") from exc
    if entry.path and not is_report_path(entry.path):
        raise CorruptArchiveError(f"{where} has {entry.path!r} for a path, which no report has")
    return entry
