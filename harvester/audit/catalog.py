"""`catalog.sqlite`: an index over all Snapshots that answers queries; never a source of truth.

A run adds its own Snapshot; a rebuild adds all of them, oldest first, with the same code, so both produce the
same content. The sha256 of the finished file is written next to it. A catalog that has no digest, or does not
match it, is not used: queries are answered from the Inventories, and the next run rebuilds the catalog.
"""

from __future__ import annotations

import contextlib
import sqlite3
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from importlib.resources import files
from pathlib import Path
from typing import Final

from harvester.archive import Archive, CheckedSnapshot, Disk, Snapshot, check_lists
from harvester.audit.catalog_rows import add_snapshots
from harvester.audit.damaged import DamagedFiles
from harvester.errors import ArchiveError, CorruptArchiveError, DiskError
from harvester.format import (
    CATALOG,
    CATALOG_DIGEST,
    DAMAGED,
    Ledger,
    file_sha256,
    load_ledger,
    load_manifest,
    manifest_line,
    snapshot_order,
)

UNKNOWN: Final = (
    "a Snapshot {} that ledger.jsonl has never had: the Archive was set back to an earlier state, or this is "
    "another Archive's catalog. To be sure, compare ledger.jsonl with a copy that is kept elsewhere"
)
_VERSION: Final = 2
"""Stored in `PRAGMA user_version`; a catalog with another version is rebuilt."""
_SQLITE_SUFFIXES: Final = ("-journal", "-wal", "-shm")
"""Suffixes of the files that SQLite may keep next to a database, and applies when it opens the database."""


class OtherCatalogVersionError(sqlite3.DatabaseError):
    """A catalog has the tables of an older or newer version, which says nothing against it."""


@dataclass(frozen=True)
class OutcomePeriod:
    """A range of consecutive Snapshots in which nothing changed about a backtest."""

    from_snapshot: str
    to_snapshot: str
    outcome: str
    name: str
    reason: str
    error: str
    saved_in: str
    gone: bool


def update_catalog(archive: Archive) -> list[str]:
    """Add the Snapshots that the catalog lacks; rebuild the catalog when it does not match the Archive.

    The caller must hold the Archive's lock.

    Returns:
        Notes for the user: what was wrong with the catalog, and which Snapshots it leaves out.

    Raises:
        DiskError: it cannot be written.
        CorruptArchiveError: a Snapshot cannot be read.
    """
    path, seal = archive.root / CATALOG, read_seal(archive)
    ledger = archive.ledger()
    notes = _find_doubts(archive, ledger, seal)
    if seal is Seal.WHOLE and not notes:
        # The digest goes first, so that an interrupted update leaves a catalog that nobody uses.
        archive.disk.remove(archive.root / CATALOG_DIGEST)
        try:
            with _open_database(path) as base:
                fits, left_out = _catch_up(base, archive.snapshots(), ledger)
            if fits:
                _write_seal(archive)
                return left_out
        except (sqlite3.DatabaseError, OverflowError):
            pass  # damaged, or of another version: everything in it is derived, so rebuild it
    if notes:
        DamagedFiles(archive).keep("", CATALOG)
    aside = rebuild_catalog(archive)
    kept = f"It was built again from the Inventories; the earlier one is kept below {DAMAGED}/"
    return [*(f"{note}. {kept}" for note in notes), *aside]


def _find_doubts(archive: Archive, ledger: Ledger, seal: Seal) -> list[str]:
    """Return notes about signs of tampering; a catalog that is only missing, old or unfinished has none."""
    path = archive.root / CATALOG
    notes = [f"{path} was altered since it was written"] if seal is Seal.BROKEN else []
    with contextlib.suppress(sqlite3.DatabaseError), reading_catalog(archive) as base:
        notes += [f"{path} knows {UNKNOWN.format(name)}" for name in find_unknown_snapshots(ledger, base)]
    return notes


def rebuild_catalog(archive: Archive) -> list[str]:
    """Build the catalog from all Snapshots and replace the existing one.

    The caller must hold the Archive's lock: whoever takes the lock next removes unfinished files.

    Returns:
        Notes for the user: directories that were moved out of the way, and Snapshots that are left out
        because their lists are damaged.

    Raises:
        DiskError: the catalog cannot be written.
        CorruptArchiveError: a Snapshot contains values that no run writes.
    """
    path = archive.root / CATALOG
    part = path.with_name(f".{CATALOG}.part")
    for place in (part, *_companions(part)):
        archive.disk.remove_tree(place)
    digest = archive.root / CATALOG_DIGEST
    # A directory cannot be replaced by a file, and may hold somebody's files: it is moved, not deleted.
    aside = [
        _set_aside(archive.disk, place)
        for place in (path, *_companions(path), digest)
        if _is_directory(place)
    ]
    with _explain_errors(str(path)):
        archive.disk.remove(digest)
        snapshots, left_out = _check_all_lists(archive.snapshots(), load_ledger(archive.root))
        with _open_database(part) as base:
            add_snapshots(base, snapshots, first=0)
        archive.disk.rename(part, path)
        for place in _companions(path):
            archive.disk.remove(place)
        _write_seal(archive)
    return [*aside, *left_out]


def _is_directory(place: Path) -> bool:
    return place.is_dir() and not place.is_symlink()


def _set_aside(disk: Disk, place: Path) -> str:
    aside = disk.set_aside(place, place.name)
    return f"{place} was a directory and was moved to {aside}. harvester does not need what is in it"


class Seal(Enum):
    """Whether a catalog matches the digest that was written after it."""

    WHOLE = "whole"
    BROKEN = "broken"
    NONE = "none"
    """There is no digest: no catalog, one that is being written, or one from an earlier version."""


def read_seal(archive: Archive) -> Seal:
    """Compare the catalog with the digest stored next to it."""
    try:
        ((name, sha256),) = load_manifest(archive.root / CATALOG_DIGEST)
        actual = file_sha256(archive.root / CATALOG)[0]
    except (ArchiveError, ValueError):
        return Seal.NONE
    return Seal.WHOLE if (name, sha256) == (CATALOG, actual) else Seal.BROKEN


def _write_seal(archive: Archive) -> None:
    sha256 = file_sha256(archive.root / CATALOG)[0]
    archive.disk.replace(archive.root / CATALOG_DIGEST, manifest_line(CATALOG, sha256))


def load_history(
    archive: Archive, backtest_id: str, *, on_note: Callable[[str], None] = lambda _: None
) -> dict[tuple[int, str], list[OutcomePeriod]]:
    """Return the history of every backtest with an id that starts with `backtest_id`.

    Takes no lock, since a run may be in progress, and changes no file of the Archive: when the catalog cannot
    be used, the answer comes from a temporary database, which SQLite deletes when it is closed.

    Args:
        archive: The Archive to query.
        backtest_id: Start of the id; empty matches every backtest.
        on_note: Called with notes for the user: why the catalog was not used, which Snapshots were left out.

    Returns:
        By project id and backtest id, the periods in the order of the Snapshots.

    Raises:
        DiskError: the temporary database cannot be written.
        CorruptArchiveError: a Snapshot cannot be read.
    """
    seal, ledger = read_seal(archive), load_ledger(archive.root)
    if seal is Seal.WHOLE:
        with contextlib.suppress(sqlite3.DatabaseError), reading_catalog(archive) as base:
            missing = _find_missing(base, archive.snapshots(), ledger)
            if missing is not None:
                usable, left_out = _check_all_lists(missing, ledger)
                if not usable:
                    _send_notes(left_out, on_note)
                    return _load_periods(base, backtest_id)
    elif seal is Seal.BROKEN:
        on_note(
            f"{archive.root / CATALOG} was altered since it was written; the answer comes from the "
            "Inventories. `harvester catalog rebuild` and the next run make it again"
        )
    snapshots, left_out = _check_all_lists(archive.snapshots(), ledger)
    _send_notes(left_out, on_note)
    with fresh_catalog(snapshots) as base:
        return _load_periods(base, backtest_id)


@contextlib.contextmanager
def fresh_catalog(snapshots: list[CheckedSnapshot]) -> Iterator[sqlite3.Connection]:
    """Build a temporary catalog from the Inventories.

    Raises:
        DiskError: the temporary file cannot be written.
        CorruptArchiveError: a Snapshot cannot be read.
    """
    with contextlib.ExitStack() as stack:
        # Only building is inside: an error in the caller's block must not be reported as ours.
        with _explain_errors("a temporary catalog"):
            base = stack.enter_context(_open_database(None))
            add_snapshots(base, snapshots, first=0)
        yield base


@contextlib.contextmanager
def reading_catalog(archive: Archive) -> Iterator[sqlite3.Connection]:
    """Open the catalog for reading, in one transaction; lets `sqlite3.DatabaseError` through."""
    path = archive.root / CATALOG
    _check_regular(path)
    with contextlib.closing(
        sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)
    ) as base:
        if base.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
            raise OtherCatalogVersionError("the catalog was written by another version of harvester")
        base.execute("BEGIN")
        yield base


def known_snapshots(base: sqlite3.Connection) -> list[tuple[str, str]]:
    """Return name and tag manifest digest of each Snapshot in a catalog, in its order."""
    return base.execute("SELECT name, tagmanifest_sha256 FROM snapshots ORDER BY number").fetchall()


def find_unknown_snapshots(ledger: Ledger, base: sqlite3.Connection) -> list[str]:
    """Return the names of the Snapshots in a catalog that the Ledger never recorded."""
    return [name for name, sha256 in known_snapshots(base) if (name, sha256) not in ledger.seals]


def _load_periods(base: sqlite3.Connection, backtest_id: str) -> dict[tuple[int, str], list[OutcomePeriod]]:
    # Not LIKE: an id may contain % or _, and LIKE ignores case.
    rows = base.execute(
        "SELECT o.project_id, o.backtest_id, from_snapshot, to_snapshot, outcome, o.name, reason, error,"
        " saved_in, o.gone FROM outcomes o JOIN snapshots s ON s.name = from_snapshot"
        " WHERE substr(o.backtest_id, 1, ?) = ? ORDER BY o.project_id, o.backtest_id, s.number",
        (len(backtest_id), backtest_id),
    ).fetchall()
    found: dict[tuple[int, str], list[OutcomePeriod]] = {}
    for project_id, own_id, *rest, gone in rows:
        found.setdefault((project_id, own_id), []).append(OutcomePeriod(*(*rest, bool(gone))))
    return found


@contextlib.contextmanager
def _explain_errors(place: str) -> Iterator[None]:
    """Turn errors of SQLite and the operating system into ours; `place` names what was written."""
    try:
        yield
    except (sqlite3.IntegrityError, OverflowError) as exc:
        raise CorruptArchiveError(
            f"the Inventories contain values that no run writes ({exc}); run `harvester verify`"
        ) from exc
    except (sqlite3.Error, OSError) as exc:
        raise DiskError(f"{place} cannot be written: {exc}", path=place) from exc


@contextlib.contextmanager
def _open_database(path: Path | None) -> Iterator[sqlite3.Connection]:
    """Open a database for writing, in one transaction that is committed only when the block succeeds.

    A new database gets its tables. None opens a temporary one, which SQLite deletes when it is closed.
    """
    if path is not None:
        _check_regular(path)
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


def _check_regular(path: Path) -> None:
    """Refuse links and pipes: SQLite would follow a link, and wait forever for the end of a pipe."""
    for place in (path, *_companions(path)):
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(place.lstat().st_mode):
                raise sqlite3.DatabaseError(f"{place} is not a regular file")


def _companions(path: Path) -> list[Path]:
    return [path.with_name(path.name + suffix) for suffix in _SQLITE_SUFFIXES]


def _schema() -> list[str]:
    text = files("harvester.audit").joinpath("catalog.sql").read_text(encoding="utf-8")
    return [statement for statement in text.split(";") if statement.strip()]


def _catch_up(base: sqlite3.Connection, snapshots: list[Snapshot], ledger: Ledger) -> tuple[bool, list[str]]:
    """Add the Snapshots that a catalog lacks; return whether that was possible, and notes on any left out."""
    missing, known = _find_missing(base, snapshots, ledger), known_snapshots(base)
    if missing is None:
        return False, []
    usable, left_out = _check_all_lists(missing, ledger)
    if known and any(snapshot_order(new.name) < snapshot_order(known[-1][0]) for new in usable):
        return False, []  # its lists were repaired: it belongs between others, and rows are only appended
    add_snapshots(base, usable, first=len(known))
    return True, left_out


def _find_missing(
    base: sqlite3.Connection, snapshots: list[Snapshot], ledger: Ledger
) -> list[Snapshot] | None:
    """Return the Snapshots that a catalog lacks; None when it has any that the Archive does not have.

    Digests come from the Ledger, which saves reading a file of every Snapshot.
    """
    committed, known = ledger.committed, known_snapshots(base)
    wanted = {
        (found.name, committed[found.name].tagmanifest_sha256): found
        for found in snapshots
        if found.name in committed
    }
    lacking = wanted.keys() - set(known)
    if [key for key in wanted if key not in lacking] != known:
        return None
    return [found for key, found in wanted.items() if key in lacking]


def _check_all_lists(snapshots: list[Snapshot], ledger: Ledger) -> tuple[list[CheckedSnapshot], list[str]]:
    """Return the Snapshots with lists that match the Ledger, and a note on each of the others."""
    usable, left_out = [], []
    for snapshot in snapshots:
        try:
            usable.append(check_lists(snapshot, ledger))
        except CorruptArchiveError as exc:
            left_out.append(f"{exc}. The catalog leaves {snapshot.name} out")
    return usable, left_out


def _send_notes(notes: list[str], on_note: Callable[[str], None]) -> None:
    for note in notes:
        on_note(note)
