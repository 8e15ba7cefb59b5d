"""`catalog.sqlite`: an index over all Snapshots for questions; never a source of truth.

A run adds its Snapshot, a rebuild adds all of them one after another by the same code, so that both come to
the same content. The sha256 of the finished file is written next to it. A catalog without its digest, or with
another one, answers no question: the answer comes from the Inventories, and the next run builds it again.
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
_VERSION: Final = 1
"""In `PRAGMA user_version`; another one is built anew."""
_BESIDE: Final = ("-journal", "-wal", "-shm")
"""What SQLite may keep beside a database, and reads again when it is opened."""


@dataclass(frozen=True)
class OutcomePeriod:
    """What is known of a backtest from one Snapshot to another."""

    from_snapshot: str
    to_snapshot: str
    outcome: str
    name: str
    reason: str
    error: str
    saved_in: str
    gone: bool


def update_catalog(archive: Archive) -> list[str]:
    """Add the Snapshots that the catalog does not have yet; one that does not fit is built again.

    Under the Archive's lock, as `rebuild_catalog`.

    Returns:
        What was wrong with the catalog, for the user.

    Raises:
        DiskError: it cannot be written.
        CorruptArchiveError: a Snapshot cannot be read.
    """
    path, seal = archive.root / CATALOG, read_seal(archive)
    ledger = archive.ledger()
    notes = _find_doubts(archive, ledger, seal)
    if seal is Seal.WHOLE and not notes:
        archive.disk.remove(archive.root / CATALOG_DIGEST)  # nobody may rely on it until it is finished
        try:
            with _opened(path) as base:
                fits, left_out = _catch_up(base, archive.snapshots(), ledger)
            if fits:
                _write_seal(archive)
                return left_out
        except (sqlite3.DatabaseError, OverflowError):
            pass  # damaged, or by another version: it is derived, so it is made again
    if notes:
        DamagedFiles(archive).keep("", CATALOG)
    aside = rebuild_catalog(archive)
    kept = f"It was built again from the Inventories; the earlier one is kept below {DAMAGED}/"
    return [*(f"{note}. {kept}" for note in notes), *aside]


def _find_doubts(archive: Archive, ledger: Ledger, seal: Seal) -> list[str]:
    """What is wrong with the catalog and has no innocent reason."""
    path = archive.root / CATALOG
    notes = [f"{path} was altered since it was written"] if seal is Seal.BROKEN else []
    with contextlib.suppress(sqlite3.DatabaseError), reading_catalog(archive) as base:
        notes += [f"{path} knows {UNKNOWN.format(name)}" for name in find_unknown_snapshots(ledger, base)]
    return notes


def rebuild_catalog(archive: Archive) -> list[str]:
    """Make the catalog again from the Snapshots.

    Under the Archive's lock: whoever takes it next sweeps away what was written beside its place.

    Returns:
        What was set aside, and which Snapshots are not in it because their lists are damaged, for the user.

    Raises:
        DiskError: it cannot be written.
        CorruptArchiveError: a Snapshot has what no run writes.
    """
    path = archive.root / CATALOG
    part = path.with_name(f".{CATALOG}.part")
    for place in (part, *_beside(part)):
        archive.disk.remove_tree(place)
    digest = archive.root / CATALOG_DIGEST
    aside = [
        _set_aside(archive.disk, place) for place in (path, *_beside(path), digest) if _is_directory(place)
    ]
    with _explained(str(path)):
        archive.disk.remove(digest)
        snapshots, left_out = _check(archive.snapshots(), load_ledger(archive.root))
        with _opened(part) as base:
            add_snapshots(base, snapshots, first=0)
        archive.disk.rename(part, path)
        for place in _beside(path):
            archive.disk.remove(place)
        _write_seal(archive)
    return [*aside, *left_out]


def _is_directory(place: Path) -> bool:
    return place.is_dir() and not place.is_symlink()


def _set_aside(disk: Disk, place: Path) -> str:
    aside = disk.set_aside(place, place.name)
    return f"{place} was a directory and was moved to {aside}. harvester needs nothing in it"


class Seal(Enum):
    """Whether a catalog is what was written."""

    WHOLE = "whole"
    BROKEN = "broken"
    NONE = "none"
    """It has no digest: it is being written, or was written by an earlier version, or there is no catalog."""


def read_seal(archive: Archive) -> Seal:
    """Compare the catalog with the digest that was written after it."""
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
    """Every backtest whose id begins so, with what became of it through all Snapshots, in their order.

    It needs no lock, for a run may be under way, and writes nothing: when the catalog does not fit, the
    answer comes from a database of its own, which SQLite deletes when it is closed.

    Args:
        archive: What to ask.
        backtest_id: How the id begins.
        on_note: Told why the catalog was not used, if that is worth a word.

    Raises:
        DiskError: that one cannot be written.
        CorruptArchiveError: a Snapshot cannot be read.
    """
    seal, ledger = read_seal(archive), load_ledger(archive.root)
    if seal is Seal.WHOLE:
        with contextlib.suppress(sqlite3.DatabaseError), reading_catalog(archive) as base:
            missing = _missing(base, archive.snapshots(), ledger)
            if missing is not None:
                usable, left_out = _check(missing, ledger)
                if not usable:
                    _tell(left_out, on_note)
                    return _passages(base, backtest_id)
    elif seal is Seal.BROKEN:
        on_note(
            f"{archive.root / CATALOG} was altered since it was written; the answer comes from the "
            "Inventories. `harvester catalog rebuild` and the next run make it again"
        )
    snapshots, left_out = _check(archive.snapshots(), ledger)
    _tell(left_out, on_note)
    with fresh_catalog(snapshots) as base:
        return _passages(base, backtest_id)


@contextlib.contextmanager
def fresh_catalog(snapshots: list[CheckedSnapshot]) -> Iterator[sqlite3.Connection]:
    """A catalog for the moment, made from the Inventories.

    Raises:
        DiskError: it cannot be written.
        CorruptArchiveError: a Snapshot cannot be read.
    """
    with contextlib.ExitStack() as stack:
        with _explained("a temporary catalog"):
            base = stack.enter_context(_opened(None))
            add_snapshots(base, snapshots, first=0)
        yield base


@contextlib.contextmanager
def reading_catalog(archive: Archive) -> Iterator[sqlite3.Connection]:
    """The catalog for one reader, in one transaction; raises the plain `sqlite3.DatabaseError`."""
    path = archive.root / CATALOG
    _check_regular(path)
    with contextlib.closing(
        sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)
    ) as base:
        if base.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
            raise sqlite3.DatabaseError("the catalog is of another version")
        base.execute("BEGIN")
        yield base


def known_snapshots(base: sqlite3.Connection) -> list[tuple[str, str]]:
    """Name and tag manifest digest of each Snapshot that a catalog has, in its order."""
    return base.execute("SELECT name, tagmanifest_sha256 FROM snapshots ORDER BY number").fetchall()


def find_unknown_snapshots(ledger: Ledger, base: sqlite3.Connection) -> list[str]:
    """The Snapshots of a catalog that the Ledger has never had."""
    return [name for name, sha256 in known_snapshots(base) if (name, sha256) not in ledger.seals]


def _passages(base: sqlite3.Connection, backtest_id: str) -> dict[tuple[int, str], list[OutcomePeriod]]:
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
    for place in (path, *_beside(path)):
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(place.lstat().st_mode):
                raise sqlite3.DatabaseError(f"{place} is not a regular file")


def _beside(path: Path) -> list[Path]:
    return [path.with_name(path.name + suffix) for suffix in _BESIDE]


def _schema() -> list[str]:
    text = files("harvester.audit").joinpath("catalog.sql").read_text(encoding="utf-8")
    return [statement for statement in text.split(";") if statement.strip()]


def _catch_up(base: sqlite3.Connection, snapshots: list[Snapshot], ledger: Ledger) -> tuple[bool, list[str]]:
    """Add the Snapshots that it lacks; gives whether it fits, and what is left out with damaged lists."""
    missing, known = _missing(base, snapshots, ledger), known_snapshots(base)
    if missing is None:
        return False, []
    usable, left_out = _check(missing, ledger)
    if known and any(snapshot_order(new.name) < snapshot_order(known[-1][0]) for new in usable):
        return False, []  # its lists were restored; it belongs between the others
    add_snapshots(base, usable, first=len(known))
    return True, left_out


def _missing(base: sqlite3.Connection, snapshots: list[Snapshot], ledger: Ledger) -> list[Snapshot] | None:
    """The Snapshots that a catalog lacks; None when it has others than the Archive.

    Their digests come from the Ledger: nobody reads a file of every date for this.
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


def _check(snapshots: list[Snapshot], ledger: Ledger) -> tuple[list[CheckedSnapshot], list[str]]:
    """Those whose lists are proven, and what is wrong with each other one."""
    usable, left_out = [], []
    for snapshot in snapshots:
        try:
            usable.append(check_lists(snapshot, ledger))
        except CorruptArchiveError as exc:
            left_out.append(f"{exc}. The catalog leaves {snapshot.name} out")
    return usable, left_out


def _tell(notes: list[str], on_note: Callable[[str], None]) -> None:
    for note in notes:
        on_note(note)
