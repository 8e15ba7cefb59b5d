"""Checks that an Archive is what was committed: every digest, and every list against the others."""

from __future__ import annotations

import datetime as dt
import os
import zlib
from collections.abc import Callable, Sequence
from typing import Final

from harvester.archive import Archive, Snapshot
from harvester.audit.verify.consistency import check_consistency
from harvester.audit.verify.fixity import Hasher
from harvester.audit.verify.ledger import check_ledger
from harvester.audit.verify.payload import check_payload
from harvester.audit.verify.problem import Problem, ProblemKind
from harvester.audit.verify.tags import check_tag_files
from harvester.errors import ArchiveError
from harvester.format import Ledger, load_ledger
from harvester.model import InventoryEntry, Outcome

Progress = Callable[[int, int], None]
"""Called with the bytes checked so far and the bytes to check in all."""
Subset = tuple[int, int]
"""The k-th of n parts as (k, n); k counts from 1."""

_ALL: Final = (1, 1)


def verify_archive(
    archive: Archive,
    snapshots: Sequence[Snapshot] | None = None,
    *,
    subset: Subset | None = None,
    on_progress: Progress | None = None,
) -> list[Problem]:
    """Check Snapshots, Ledger and Inventories, without changing anything.

    Args:
        archive: The Archive; its Ledger and `latest` are always checked.
        snapshots: The Snapshots to check; None means all.
        subset: The part of the reports to hash; lists, tag files and directories are always checked.
        on_progress: Called as bytes are hashed.

    Returns:
        The Problems, sorted by Snapshot and path.
    """
    chosen = archive.snapshots() if snapshots is None else list(snapshots)
    part = subset or _ALL
    total = sum(map(_payload_bytes, chosen)) // part[1]
    done = 0

    def on_bytes(count: int) -> None:
        nonlocal done
        done += count
        if on_progress is not None:
            on_progress(min(done, total), total)

    problems: list[Problem] = []
    hasher, ledger = Hasher(), _ledger(archive)
    for snapshot in chosen:
        problems += check_tag_files(snapshot)
        found, directories = check_payload(
            snapshot, hasher, selected=lambda path: in_subset(path, part), on_bytes=on_bytes
        )
        problems += found
        problems += check_consistency(archive, ledger, snapshot, directories)
    # Last, because a prune may have finished meanwhile: what it removed is not damage.
    pruned = _pruned(archive)
    if any(problem.kind is ProblemKind.WRITABLE for problem in problems) and not _keeps_permissions(archive):
        problems = [problem for problem in problems if problem.kind is not ProblemKind.WRITABLE]
    return sorted([*check_ledger(archive), *(item for item in problems if item.snapshot not in pruned)])


def find_lost(snapshot: Snapshot) -> list[InventoryEntry]:
    """Return the reports that the Snapshot records as lost; their files are in another one."""
    try:
        if not snapshot.record().lost:
            return []
        return [entry for entry in snapshot.inventory() if entry.outcome is Outcome.LOST]
    except ArchiveError:
        return []  # reported as a Problem of the record or the Inventory


def in_subset(path: str, subset: Subset) -> bool:
    """Whether a report's directory belongs to the part; the n parts together contain each path once."""
    part, parts = subset
    return parts == 1 or zlib.crc32(path.encode()) % parts == part - 1


def subset_of_day(day: dt.date, parts: int = 7) -> Subset:
    """Return the part to hash on a day: any `parts` days in a row cover everything, also across months."""
    return (day.toordinal() % parts + 1, parts)


def _pruned(archive: Archive) -> set[str]:
    """Return the Snapshots that a prune has removed; none when unknown, which is reported elsewhere."""
    ledger = _ledger(archive)
    if ledger is None:
        return set()
    try:
        return ledger.pruned - {snapshot.name for snapshot in archive.snapshots()}
    except OSError:
        return set()


def _ledger(archive: Archive) -> Ledger | None:
    """Return the Ledger even if it has faults; None when it cannot be read, which is reported elsewhere."""
    try:
        return load_ledger(archive.root)
    except (ArchiveError, OSError):
        return None


def _keeps_permissions(archive: Archive) -> bool:
    """Whether a writable committed file means anything: some file systems do not store permissions."""
    try:
        if os.statvfs(archive.root).f_flag & os.ST_RDONLY:
            return False  # mounted read-only: nobody can write
        return archive.disk.keeps_permissions(archive.root)
    except (ArchiveError, OSError):
        return True  # unknown: report rather than hide


def _payload_bytes(snapshot: Snapshot) -> int:
    try:
        return snapshot.record().payload_bytes
    except ArchiveError:
        return 0  # reported when the Snapshot is checked
