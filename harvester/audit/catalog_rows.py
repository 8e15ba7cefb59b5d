"""Writes the rows that a Snapshot adds to the tables of the catalog.

Snapshots are added oldest first: an outcome row is extended when nothing changed since the Snapshot before.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import chain, islice
from operator import attrgetter
from typing import Final

from harvester.archive import Snapshot
from harvester.model import InventoryEntry
from harvester.report import parse_figure

_BATCH: Final = 500
"""Inventory entries handled at a time; bounds the memory for a large account."""
_image_columns: Final = attrgetter("name", "title", "media_type", "sha256", "size_bytes", "width", "height")


def add_snapshots(base: sqlite3.Connection, snapshots: Sequence[Snapshot], *, first: int) -> None:
    """Add Snapshots, oldest first; the first one gets the number `first`, the rest count on from there.

    Raises:
        CorruptArchiveError: a Snapshot cannot be read.
    """
    for number, snapshot in enumerate(snapshots, start=first):
        before = base.execute("SELECT name FROM snapshots WHERE number = ?", (number - 1,)).fetchone()
        _add_snapshot(base, snapshot, number)
        inventory = snapshot.inventory()
        while entries := tuple(islice(inventory, _BATCH)):
            _add_backtests(base, snapshot.name, entries)
            _add_outcomes(base, snapshot.name, before[0] if before else "", entries)
            for entry in entries:
                if entry.archived and not _has_report(base, entry):
                    _add_report(base, snapshot, entry)


def _add_snapshot(base: sqlite3.Connection, snapshot: Snapshot, number: int) -> None:
    record = snapshot.record()
    row = (
        record.name,
        number,
        snapshot.reference().tagmanifest_sha256,
        record.started,
        record.finished,
        record.complete,
        record.ending.value,
        record.listed,
        record.gone,
        record.requests,
        record.throttled,
        record.files,
        record.payload_bytes,
        record.written_bytes,
    )
    base.execute(f"INSERT INTO snapshots VALUES ({_placeholders(row)})", row)


def _placeholders(row: tuple[object, ...]) -> str:
    """Return the SQL placeholders for the values of a row."""
    return ", ".join("?" * len(row))


def _add_backtests(base: sqlite3.Connection, snapshot: str, entries: tuple[InventoryEntry, ...]) -> None:
    base.executemany(
        "INSERT INTO projects VALUES (?, ?, ?) ON CONFLICT DO UPDATE"
        " SET name = excluded.name, organization_id = excluded.organization_id",
        sorted({(entry.project_id, entry.project, entry.organization_id) for entry in entries}),
    )
    base.executemany(
        "INSERT INTO backtests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
        " SET name = excluded.name, created = excluded.created, status = excluded.status,"
        " optimization_id = excluded.optimization_id, tags = excluded.tags,"
        " gone_since = excluded.gone_since, last_snapshot = excluded.last_snapshot",
        (_backtest(entry, snapshot) for entry in entries),
    )
    base.executemany(
        "INSERT INTO statistics VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
        chain.from_iterable(
            ((entry.project_id, entry.backtest_id, name, value) for name, value in entry.statistics.items())
            for entry in entries
        ),
    )


def _backtest(entry: InventoryEntry, snapshot: str) -> tuple[object, ...]:
    return (
        entry.project_id,
        entry.backtest_id,
        entry.name,
        entry.created,
        entry.status,
        entry.optimization_id,
        " ".join(entry.tags),
        entry.gone_since,
        snapshot,
        snapshot,
    )


def _add_outcomes(
    base: sqlite3.Connection, snapshot: str, before: str, entries: tuple[InventoryEntry, ...]
) -> None:
    """Extend the period of what did not change, insert a new one for what did: a quiet night adds no rows."""
    for entry in entries:
        gone = bool(entry.gone_since)
        state = (entry.outcome.value, entry.name, entry.reason, entry.error, entry.saved_in, gone)
        key = (entry.project_id, entry.backtest_id)
        extended = base.execute(
            "UPDATE outcomes SET to_snapshot = ? WHERE project_id = ? AND backtest_id = ? AND to_snapshot = ?"
            " AND (outcome, name, reason, error, saved_in, gone) = (?, ?, ?, ?, ?, ?)",
            (snapshot, *key, before, *state),
        )
        if not extended.rowcount:
            base.execute(
                "INSERT INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*key, snapshot, snapshot, *state),
            )


def _has_report(base: sqlite3.Connection, entry: InventoryEntry) -> bool:
    found = base.execute(
        "SELECT 1 FROM reports WHERE (project_id, backtest_id, saved_in) = (?, ?, ?)",
        (entry.project_id, entry.backtest_id, entry.saved_in),
    ).fetchone()
    return found is not None


def _add_report(base: sqlite3.Connection, snapshot: Snapshot, entry: InventoryEntry) -> None:
    record = snapshot.report(entry)
    row = (
        entry.project_id,
        entry.backtest_id,
        entry.saved_in,
        entry.report_sha256,
        record.read_at,
        entry.path,
        entry.files,
        entry.payload_bytes,
        record.generation_s,
    )
    report_id = base.execute(
        "INSERT INTO reports (project_id, backtest_id, saved_in, report_sha256, read_at, path, files,"
        f" payload_bytes, generation_s) VALUES ({_placeholders(row)})",
        row,
    ).lastrowid
    for label, text in record.figures.items():
        figure = parse_figure(text)
        value, unit = (figure.value, figure.unit) if figure else (None, None)
        base.execute("INSERT INTO figures VALUES (?, ?, ?, ?, ?)", (report_id, label, text, value, unit))
    base.executemany(
        "INSERT INTO images VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [(report_id, *_image_columns(image)) for image in record.images],
    )
