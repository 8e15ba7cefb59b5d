"""Holding the lists of a Snapshot in a Bucket against each other, in one pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from harvester.bucket.bundle import Bundle
from harvester.bucket.keys import pack_key, record_key
from harvester.bucket.packs import pack_version
from harvester.bucket.reader import OpenedSnapshot, PackedReport
from harvester.errors import CorruptBucketError
from harvester.format import INVENTORY, LINE_BYTES, REPORT_JSON
from harvester.model import InventoryEntry

_ENTRY: Final = msgspec.json.Decoder(InventoryEntry)


def check_lists(snapshot: OpenedSnapshot, listed: int | None) -> None:
    """Hold Inventory, Manifest and packs of a Snapshot against each other.

    Args:
        snapshot: Its files were held against the tag manifest before.
        listed: Backtests that its ledger line counts; None: it does not say.

    Raises:
        CorruptBucketError: they do not agree; names the first place.
    """
    key = snapshot.bundle.key
    reports = snapshot.reports()
    count = 0
    for entry in iter_inventory(snapshot.bundle):
        count += entry.listed
        if not entry.archived:
            continue
        report = next(reports, None)
        if report is None or report.path != entry.path:
            raise CorruptBucketError(f"{key} names no pack for {entry.path}", key=key)
        check_report_keys(entry, report, key)
    if (left := next(reports, None)) is not None:
        raise CorruptBucketError(
            f"{key} has a pack for {left.path}, which its Inventory does not have", key=key
        )
    if listed is not None and count != listed:
        raise CorruptBucketError(f"{key} lists {count} backtests, its ledger line {listed}", key=key)


def check_report_keys(entry: InventoryEntry, report: PackedReport, key: str) -> None:
    """See that a report's objects are those that its lists lead to: their keys follow from the content.

    Raises:
        CorruptBucketError: they are others'.
    """
    line = report.line
    sha256 = report.files.get(REPORT_JSON, "")
    wanted = [pack_key(entry.project_id, entry.backtest_id, pack_version(report.files))]
    if sha256 != line.packed_record:
        wanted.append(record_key(entry.project_id, entry.backtest_id, sha256))
    if [stored.key for stored in line.objects] != wanted or (line.record and line.record.sha256 != sha256):
        raise CorruptBucketError(f"{key} names objects of another report for {entry.path}", key=key)


def iter_inventory(bundle: Bundle) -> Iterator[InventoryEntry]:
    """The Inventory in a Snapshot's zip, entry by entry.

    Raises:
        CorruptBucketError: a line is damaged.
    """
    number = 0
    with bundle.open(INVENTORY) as source:
        while line := source.readline(LINE_BYTES):
            number += 1
            try:
                yield _ENTRY.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
                raise CorruptBucketError(
                    f"{bundle.key}/{INVENTORY}:{number} is damaged: {exc}", key=bundle.key
                ) from exc
