"""`catalog.sqlite`: an index over all Snapshots for questions; never a source of truth.

A run adds its Snapshot, a rebuild adds all of them one after another by the same code, so that both come to
the same content.
"""

from __future__ import annotations

import contextlib
import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from itertools import chain, islice
from operator import attrgetter
from pathlib import Path
from typing import Final

from harvester.archive import Archive, Snapshot
from harvester.archive.layout import CATALOG
from harvester.errors import CorruptArchiveError, DiskError
from harvester.model import InventoryEntry
from harvester.report import parse_figure

_VERSION: Final = 1
"""In `PRAGMA user_version`; another one is built anew."""
_BATCH: Final = 500
_BESIDE: Final = ("-journal", "-wal", "-shm")
"""What SQLite may keep beside a database, and reads again when it is opened."""
_image_columns: Final = attrgetter("name", "title", "media_type", "sha256", "size_bytes", "width", "height")


@dataclass(frozen=True)
class Passage:
    """What is known of a backtest from one Snapshot to another."""

    from_snapshot: str
    to_snapshot: str
    outcome: str
    name: str
    reason: str
    error: str
    saved_in: str
    gone: bool


def update_catalog(archive: Archive) -> None:
    """Add the Snapshots that the catalog does not have yet; one that does not fit is built anew.

    Under the Archive's lock, as `rebuild_catalog`.

    Raises:
        DiskError: it cannot be written.
        CorruptArchiveError: a Snapshot cannot be read.
    """
    try:
        with _opened(archive.root / CATALOG) as base:
            if _catch_up(base, archive.snapshots()):
                return
    except (sqlite3.DatabaseError, OverflowError):
        pass  # damaged, or by another version: it is derived, so it is made again
    rebuild_catalog(archive)


def rebuild_catalog(archive: Archive) -> None:
    """Make the catalog again from the Snapshots.

    Under the Archive's lock: whoever takes it next sweeps away what was written beside its place.

    Raises:
        DiskError: it cannot be written.
        CorruptArchiveError: a Snapshot cannot be read.
    """
    path = archive.root / CATALOG
    part = path.with_name(f".{CATALOG}.part")
    with _explained(str(path)):
        for place in (part, *_beside(part)):
            place.unlink(missing_ok=True)
        with _opened(part) as base:
            _add(base, archive.snapshots(), first=0)
        part.replace(path)
        for place in _beside(path):
            place.unlink(missing_ok=True)


def history(archive: Archive, backtest_id: str) -> dict[tuple[int, str], list[Passage]]:
    """Every backtest whose id begins so, with what became of it through all Snapshots, in their order.

    It needs no lock, for a run may be under way: a catalog that does not fit is left to the next run, and the
    answer comes from a database of its own, which SQLite deletes when it is closed.

    Raises:
        DiskError: that one cannot be written.
        CorruptArchiveError: a Snapshot cannot be read.
    """
    try:
        with _opened(archive.root / CATALOG) as base:
            if _catch_up(base, archive.snapshots()):
                return _passages(base, backtest_id)
    except (sqlite3.DatabaseError, OverflowError):
        pass  # damaged, in use, or not ours to write
    with _explained("a temporary catalog"), _opened(None) as base:
        _add(base, archive.snapshots(), first=0)
        return _passages(base, backtest_id)


def _passages(base: sqlite3.Connection, backtest_id: str) -> dict[tuple[int, str], list[Passage]]:
    rows = base.execute(
        "SELECT o.project_id, o.backtest_id, from_snapshot, to_snapshot, outcome, o.name, reason, error,"
        " saved_in, o.gone FROM outcomes o JOIN snapshots s ON s.name = from_snapshot"
        " WHERE substr(o.backtest_id, 1, ?) = ? ORDER BY o.project_id, o.backtest_id, s.number",
        (len(backtest_id), backtest_id),
    ).fetchall()
    found: dict[tuple[int, str], list[Passage]] = {}
    for project_id, own_id, *rest, gone in rows:
        found.setdefault((project_id, own_id), []).append(Passage(*(*rest, bool(gone))))
    return found


@contextlib.contextmanager
def _explained(place: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.IntegrityError, OverflowError) as exc:
        raise CorruptArchiveError(
            f"the Inventories have what no run writes ({exc}); run `harvester verify`"
        ) from exc
    except (sqlite3.Error, OSError) as exc:
        raise DiskError(f"{place} cannot be written: {exc}", path=place) from exc


@contextlib.contextmanager
def _opened(path: Path | None) -> Iterator[sqlite3.Connection]:
    """The database, its tables made when it is new; one transaction, kept only when nothing fails.

    SQLite would follow a link that somebody has planted, and wait for ever at the end of a pipe. None is a
    database for the moment.
    """
    for place in (path, *_beside(path)) if path else ():
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(place.lstat().st_mode):
                raise sqlite3.DatabaseError(f"{place} is not a regular file")
    base = sqlite3.connect(path or "", isolation_level=None)
    try:
        version = base.execute("PRAGMA user_version").fetchone()[0]
        if version not in {0, _VERSION}:
            raise sqlite3.DatabaseError(f"the catalog is of version {version}")
        base.execute("BEGIN")
        if version == 0:
            for statement in _schema():
                base.execute(statement)
            base.execute(f"PRAGMA user_version = {_VERSION}")
        yield base
        base.execute("COMMIT")
    finally:
        base.close()


def _beside(path: Path) -> list[Path]:
    return [path.with_name(path.name + suffix) for suffix in _BESIDE]


def _schema() -> list[str]:
    text = files("harvester.audit").joinpath("catalog.sql").read_text(encoding="utf-8")
    return [statement for statement in text.split(";") if statement.strip()]


def _catch_up(base: sqlite3.Connection, snapshots: list[Snapshot]) -> bool:
    """Add the Snapshots that it lacks; False when it has others than stand."""
    known = base.execute("SELECT name, tagmanifest_sha256 FROM snapshots ORDER BY number").fetchall()
    wanted = [(found.name, found.reference().tagmanifest_sha256) for found in snapshots]
    if known != wanted[: len(known)]:
        return False
    _add(base, snapshots[len(known) :], first=len(known))
    return True


def _add(base: sqlite3.Connection, snapshots: list[Snapshot], *, first: int) -> None:
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
    base.execute(f"INSERT INTO snapshots VALUES ({_places(row)})", row)


def _places(row: tuple[object, ...]) -> str:
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
    """Lengthen what goes on, begin what is new: a night without news adds no rows."""
    for entry in entries:
        gone = bool(entry.gone_since)
        state = (entry.outcome.value, entry.name, entry.reason, entry.error, entry.saved_in, gone)
        key = (entry.project_id, entry.backtest_id)
        lengthened = base.execute(
            "UPDATE outcomes SET to_snapshot = ? WHERE project_id = ? AND backtest_id = ? AND to_snapshot = ?"
            " AND (outcome, name, reason, error, saved_in, gone) = (?, ?, ?, ?, ?, ?)",
            (snapshot, *key, before, *state),
        )
        if not lengthened.rowcount:
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
        f" payload_bytes, generation_s) VALUES ({_places(row)})",
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
