"""Removing Snapshots that no retention keeps, but never the last one that holds a report."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from harvester.archive import Archive, CheckedSnapshot, check_lists
from harvester.audit.copies import RemainingCopies
from harvester.audit.retention import Retention, plan_retention
from harvester.errors import ArchiveError
from harvester.model import InventoryEntry

_NAMED = 20
"""Reports that a refusal names; their number is told in any case."""


@dataclass(frozen=True)
class LastCopy:
    """A report of which only damaged copies would be left."""

    entry: InventoryEntry
    damaged: str
    """A damaged file of one that would stay, as Snapshot and path."""


@dataclass(frozen=True)
class Refused:
    """A Snapshot that no rule keeps and that may not go all the same."""

    reports: int
    """Reports that no other kept Snapshot holds."""
    examples: tuple[InventoryEntry, ...] = ()
    last_copies: int = 0
    """Reports that other kept Snapshots hold too, but damaged."""
    last_copy_examples: tuple[LastCopy, ...] = ()
    error: str = ""
    """What is wrong with its lists, so that nobody knows what it holds."""

    @property
    def is_damage(self) -> bool:
        """Whether it is kept because something in the Archive is damaged."""
        return bool(self.error or self.last_copies)


@dataclass(frozen=True)
class PrunePlan:
    """What would become of each Snapshot."""

    keep: dict[str, tuple[str, ...]]
    """With the rules that want it, newest first."""
    remove: list[str] = field(default_factory=list)
    """Oldest first."""
    refused: dict[str, Refused] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)
    """Snapshots whose lists are not what was committed, kept ones too, with what is wrong."""

    @property
    def is_damaged(self) -> bool:
        """Whether lists are damaged, or a Snapshot is kept because copies of its reports are."""
        return bool(self.damaged) or any(refused.is_damage for refused in self.refused.values())


def plan_prune(
    archive: Archive, today: dt.date, retention: Retention, *, drop_superseded: bool = False
) -> PrunePlan:
    """Decide what a prune would remove; nothing is changed.

    A Snapshot goes only when each of its reports is held by one that stays. Copies that stay and are no hard
    links to what goes are hashed: a damaged one is no reason to remove a sound one.

    Args:
        archive: Every Inventory of it is checked against the Ledger and read.
        today: By the calendar that names Snapshots.
        retention: The rules.
        drop_superseded: An earlier version of a report may go when a kept Snapshot has a later one. Otherwise
            each version, by its sha256, counts as a report of its own.

    Raises:
        CorruptArchiveError: the Ledger is broken.
    """
    snapshots = {snapshot.name: snapshot for snapshot in archive.snapshots()}
    reasons = plan_retention(list(snapshots), today, retention)
    key = _backtest if drop_superseded else _version
    plan = PrunePlan(keep={name: why for name, why in reasons.items() if why})
    ledger = archive.ledger()
    remaining = RemainingCopies()
    for name in sorted(reasons, key=lambda name: not reasons[name]):  # what is kept first
        try:
            checked = check_lists(snapshots[name], ledger)
        except ArchiveError as exc:
            # It is no proof that it holds anything, nor that it holds nothing.
            plan.damaged[name] = str(exc)
            if not reasons[name]:
                plan.refused[name] = Refused(0, error=str(exc))
            continue
        refused = None if reasons[name] else _only_here(checked, key, remaining)
        if refused is not None:
            plan.refused[name] = refused
        elif not reasons[name]:
            plan.remove.append(name)
            continue
        remaining.add(checked, {key(entry): entry.path for entry in checked.inventory() if entry.archived})
    plan.remove.reverse()
    return plan


def prune_snapshots(archive: Archive, names: Sequence[str], *, at: str) -> None:
    """Remove Snapshots, under the Archive's lock. Cut off anywhere, the next run or prune does the rest.

    Args:
        archive: Whose.
        names: As `plan_prune` gave them under the same lock.
        at: UTC, for the Ledger.
    """
    archive.prune(*names, at=at)


_Key = Callable[[InventoryEntry], str]


def _version(entry: InventoryEntry) -> str:
    return f"{entry.project_id}/{entry.backtest_id}/{entry.report_sha256}"


def _backtest(entry: InventoryEntry) -> str:
    return f"{entry.project_id}/{entry.backtest_id}"


def _only_here(snapshot: CheckedSnapshot, key: _Key, remaining: RemainingCopies) -> Refused | None:
    """Why a Snapshot may not go; None when sound copies of everything in it stay in other ones."""
    count = 0
    examples: list[InventoryEntry] = []
    elsewhere: dict[str, str] = {}
    try:
        for entry in snapshot.inventory():
            if not entry.archived:
                continue
            if key(entry) in remaining:
                elsewhere[key(entry)] = entry.path
                continue
            count += 1
            if len(examples) < _NAMED:
                examples.append(entry)
        last = remaining.find_last_copies(snapshot, elsewhere)
        last_examples = _last_copies(snapshot, key, last)
    except ArchiveError as exc:
        return Refused(count, tuple(examples), error=str(exc))
    return Refused(count, tuple(examples), len(last), last_examples) if count or last else None


def _last_copies(snapshot: CheckedSnapshot, key: _Key, last: dict[str, str]) -> tuple[LastCopy, ...]:
    entries = (entry for entry in snapshot.inventory() if entry.archived and key(entry) in last)
    return tuple(LastCopy(entry, last[key(entry)]) for entry in islice(entries, _NAMED)) if last else ()
