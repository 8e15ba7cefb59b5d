"""Removing Snapshots that no retention keeps, but never the last one that holds a report."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from harvester.archive.archive import Archive
from harvester.archive.snapshot import Snapshot
from harvester.audit.retention import Retention, plan_retention
from harvester.errors import ArchiveError
from harvester.model import InventoryEntry

_NAMED = 20
"""Reports that a refusal names; their number is told in any case."""


@dataclass(frozen=True)
class Refused:
    """A Snapshot that no rule keeps and that may not go all the same."""

    reports: int
    """Reports that no other kept Snapshot holds."""
    examples: tuple[InventoryEntry, ...] = ()
    error: str = ""
    """Why its Inventory cannot be read."""


@dataclass(frozen=True)
class PrunePlan:
    """What would become of each Snapshot."""

    keep: dict[str, tuple[str, ...]]
    """With the rules that want it, newest first."""
    remove: list[str] = field(default_factory=list)
    """Oldest first."""
    refused: dict[str, Refused] = field(default_factory=dict)


def plan_prune(
    archive: Archive, today: dt.date, retention: Retention, *, drop_superseded: bool = False
) -> PrunePlan:
    """Decide what a prune would remove; nothing is changed.

    Args:
        archive: Every Inventory of it is read.
        today: By the calendar that names Snapshots.
        retention: The rules.
        drop_superseded: An earlier version of a report may go when a kept Snapshot has a later one. Otherwise
            each version, by its sha256, counts as a report of its own.
    """
    snapshots = {snapshot.name: snapshot for snapshot in archive.snapshots()}
    reasons = plan_retention(list(snapshots), today, retention)
    key = _backtest if drop_superseded else _version
    plan = PrunePlan(keep={name: why for name, why in reasons.items() if why})
    held: set[str] = set()
    for name in plan.keep:
        _hold(snapshots[name], key, held)
    for name in (name for name, why in reasons.items() if not why):
        refused = _only_here(snapshots[name], key, held)
        if refused is None:
            plan.remove.append(name)
        else:
            plan.refused[name] = refused
            _hold(snapshots[name], key, held)
    plan.remove.reverse()
    return plan


def prune(archive: Archive, names: Sequence[str], *, at: str) -> None:
    """Remove Snapshots, under the Archive's lock. Cut off anywhere, the next run or prune does the rest.

    Args:
        archive: Whose.
        names: As `plan_prune` gave them under the same lock.
        at: UTC, for the Ledger.
    """
    for name in names:
        archive.prune(name, at=at)


_Key = Callable[[InventoryEntry], str]


def _version(entry: InventoryEntry) -> str:
    return f"{entry.project_id}/{entry.backtest_id}/{entry.report_sha256}"


def _backtest(entry: InventoryEntry) -> str:
    return f"{entry.project_id}/{entry.backtest_id}"


def _hold(snapshot: Snapshot, key: _Key, held: set[str]) -> None:
    """Add what a Snapshot holds; one whose Inventory cannot be read is no proof that anything is held."""
    try:
        held.update({key(entry) for entry in snapshot.inventory() if entry.archived})  # all of it, or nothing
    except ArchiveError:
        return


def _only_here(snapshot: Snapshot, key: _Key, held: set[str]) -> Refused | None:
    """Why a Snapshot may not go; None when everything in it is held by another one."""
    count = 0
    examples: list[InventoryEntry] = []
    try:
        for entry in snapshot.inventory():
            if entry.archived and key(entry) not in held:
                count += 1
                if len(examples) < _NAMED:
                    examples.append(entry)
    except ArchiveError as exc:
        return Refused(count, tuple(examples), str(exc))
    return Refused(count, tuple(examples)) if count else None
