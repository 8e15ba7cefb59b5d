"""Whether an Archive is what was committed: every digest, every list against every other one."""

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
"""Told bytes checked so far, and bytes to check."""
Subset = tuple[int, int]
"""The k-th of n parts, from 1."""

_ALL: Final = (1, 1)


def verify_archive(
    archive: Archive,
    snapshots: Sequence[Snapshot] | None = None,
    *,
    subset: Subset | None = None,
    on_progress: Progress | None = None,
) -> list[Problem]:
    """Check Snapshots, Ledger and Inventories; nothing is changed.

    Args:
        archive: What to check; its Ledger and `latest` are checked whatever the Snapshots.
        snapshots: All when None.
        subset: Hash this part of the reports only; lists, tag files and directories are checked all the same.
        on_progress: Told of bytes hashed.

    Returns:
        Everything that is wrong, by Snapshot and path.
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
    # Last, for a run or a prune may have ended meanwhile: what it removed was no damage.
    pruned = _pruned(archive)
    if any(problem.kind is ProblemKind.WRITABLE for problem in problems) and not _permissions_count(archive):
        problems = [problem for problem in problems if problem.kind is not ProblemKind.WRITABLE]
    return sorted([*check_ledger(archive), *(item for item in problems if item.snapshot not in pruned)])


def find_lost(snapshot: Snapshot) -> list[InventoryEntry]:
    """The reports that the Snapshot says are lost: no Problem of its own, for their files are another's."""
    try:
        if not snapshot.record().lost:
            return []
        return [entry for entry in snapshot.inventory() if entry.outcome is Outcome.LOST]
    except ArchiveError:
        return []  # a Problem of the record or the Inventory


def in_subset(path: str, subset: Subset) -> bool:
    """Whether a report's directory belongs to the part; the parts of one n cover each path once."""
    part, parts = subset
    return parts == 1 or zlib.crc32(path.encode()) % parts == part - 1


def subset_of_day(day: dt.date, parts: int = 7) -> Subset:
    """The part whose turn it is: `parts` days in a row cover everything, over the ends of months too."""
    return (day.toordinal() % parts + 1, parts)


def _pruned(archive: Archive) -> set[str]:
    """The Snapshots that a prune has removed; none when that cannot be known, which is a Problem itself."""
    ledger = _ledger(archive)
    if ledger is None:
        return set()
    try:
        return ledger.pruned - {snapshot.name for snapshot in archive.snapshots()}
    except OSError:
        return set()


def _ledger(archive: Archive) -> Ledger | None:
    """The Ledger with whatever is wrong with it; None when it cannot be read, which is a Problem itself."""
    try:
        return load_ledger(archive.root)
    except (ArchiveError, OSError):
        return None


def _permissions_count(archive: Archive) -> bool:
    """Whether a committed file that is writable says anything: some file systems keep no permissions."""
    try:
        if os.statvfs(archive.root).f_flag & os.ST_RDONLY:
            return False  # nobody can write at all
        return archive.disk.keeps_permissions(archive.root)
    except (ArchiveError, OSError):
        return True  # it cannot be tried here


def _payload_bytes(snapshot: Snapshot) -> int:
    try:
        return snapshot.record().payload_bytes
    except ArchiveError:
        return 0  # what is wrong with it comes out when it is checked
