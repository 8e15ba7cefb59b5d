"""Checks what is in the Archive's directory next to the Snapshots: the catalog, and foreign names."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Final

from harvester.archive import Archive, check_lists
from harvester.audit.catalog import (
    UNKNOWN,
    OtherCatalogVersionError,
    find_unknown_snapshots,
    fresh_catalog,
    known_snapshots,
    reading_catalog,
)
from harvester.audit.verify.problem import Findings, Problem, ProblemKind
from harvester.errors import CorruptArchiveError, DiskError
from harvester.format import (
    ARCHIVE_FILE,
    CATALOG,
    CATALOG_DIGEST,
    DAMAGED,
    LATEST,
    LEDGER,
    LOCK,
    PACE,
    PART,
    is_snapshot_name,
    load_ledger,
    parse_partial_name,
)

_OURS: Final = frozenset(
    {ARCHIVE_FILE, LEDGER, LATEST, LOCK, f"{LOCK}.owner", PACE, CATALOG_DIGEST, DAMAGED, "lost+found"}
)
_TABLES: Final = (
    "sqlite_master", "snapshots", "projects", "backtests", "statistics", "reports", "figures", "images",
    "outcomes",
)  # fmt: skip


@dataclass(frozen=True)
class RootFindings:
    """What was found next to the Snapshots."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    """Findings that may have an innocent reason."""
    unknown: list[str] = field(default_factory=list)
    """Names in the Archive's directory that are not part of the Archive; they are not checked."""


def check_root(archive: Archive) -> RootFindings:
    """Compare the catalog with the Inventories and the Ledger, and list names that do not belong here."""
    found = Findings()
    warnings: list[str] = []
    if os.path.lexists(archive.root / CATALOG):
        try:
            warnings += _check_catalog(archive, found)
        except CorruptArchiveError:
            pass  # an Inventory or the Ledger is damaged, which is reported elsewhere
        except OtherCatalogVersionError as exc:
            warnings.append(f"{exc}; it was not compared, and the next run builds it again")
        except DiskError as exc:
            warnings.append(f"the catalog was not compared with the Inventories: {exc}")
        except (sqlite3.DatabaseError, OverflowError) as exc:
            found.add(ProblemKind.CATALOG, CATALOG, f"cannot be used: {exc}")
    return RootFindings(found.problems, warnings, _find_unknown(archive))


def _check_catalog(archive: Archive, found: Findings) -> list[str]:
    """Compare the catalog with one that is built from its Snapshots now; returns warnings.

    1. The catalog lacks the newest Snapshots: it is compared for the Snapshots that it has.
    2. It has Snapshots that were pruned since: it cannot be compared, and no query uses it either.
    3. It has Snapshots that the Ledger never recorded: a warning for each, and no comparison.
    """
    ledger = load_ledger(archive.root)
    with reading_catalog(archive) as base:
        unknown = find_unknown_snapshots(ledger, base)
        names = [name for name, _ in known_snapshots(base)]
        existing = {snapshot.name: snapshot for snapshot in archive.snapshots()}
        if not unknown and existing.keys() >= set(names):
            with fresh_catalog([check_lists(existing[name], ledger) for name in names]) as expected:
                table = next((table for table in _TABLES if not _is_same(table, base, expected)), None)
            if table is not None:
                found.add(
                    ProblemKind.CATALOG, CATALOG, f"does not say what the Inventories say (table {table})"
                )
    return [f"{archive.root / CATALOG} knows {UNKNOWN.format(name)}" for name in unknown]


def _is_same(table: str, base: sqlite3.Connection, expected: sqlite3.Connection) -> bool:
    query = f"SELECT * FROM {table} ORDER BY 1, 2, 3"  # no table has a key of more columns
    return all(ours == theirs for ours, theirs in zip_longest(base.execute(query), expected.execute(query)))


def _find_unknown(archive: Archive) -> list[str]:
    try:
        names = sorted(item.name for item in os.scandir(archive.root))
    except OSError:
        return []  # reported by the check of the Ledger
    return [name for name in names if not _is_ours(name)]


def _is_ours(name: str) -> bool:
    return (
        name in _OURS
        or name.startswith(CATALOG)
        or is_snapshot_name(name)
        or parse_partial_name(name) is not None
        or (name.startswith(".") and name.endswith(PART))
    )
