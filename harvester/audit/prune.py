"""Removes Snapshots that no retention rule keeps, but never the last sound copy of a report."""

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

_MAX_EXAMPLES = 20
"""Reports that a refusal names as examples; it counts all of them."""


@dataclass(frozen=True)
class LastCopy:
    """A report of which only damaged copies would remain."""

    entry: InventoryEntry
    damaged: str
    """A damaged file of a copy that would remain, as SNAPSHOT/PATH."""


@dataclass(frozen=True)
class Refusal:
    """Why a Snapshot that no rule keeps is not removed."""

    reports: int
    """Number of reports that no other remaining Snapshot has."""
    examples: tuple[InventoryEntry, ...] = ()
    last_copies: int = 0
    """Number of reports that remaining Snapshots have only as damaged copies."""
    last_copy_examples: tuple[LastCopy, ...] = ()
    error: str = ""
    """What is wrong with its lists, so that it is not known what it holds."""

    @property
    def is_damage(self) -> bool:
        """Whether the reason is damage."""
        return bool(self.error or self.last_copies)


@dataclass(frozen=True)
class PrunePlan:
    """What a prune does with each Snapshot."""

    keep: dict[str, tuple[str, ...]]
    """Snapshots that rules keep, newest first, each with those rules."""
    remove: list[str] = field(default_factory=list)
    """Snapshots to remove, oldest first."""
    refused: dict[str, Refusal] = field(default_factory=dict)
    """Snapshots that no rule keeps but that may not be removed."""
    damaged: dict[str, str] = field(default_factory=dict)
    """Snapshots with damaged lists, kept or not, each with the error."""

    @property
    def is_damaged(self) -> bool:
        """Whether any lists are damaged, or a Snapshot is kept because of damage."""
        return bool(self.damaged) or any(refused.is_damage for refused in self.refused.values())


def plan_prune(
    archive: Archive, today: dt.date, retention: Retention, *, drop_superseded: bool = False
) -> PrunePlan:
    """Decide what a prune would remove; nothing is changed.

    The cases, for each Snapshot, those that rules keep first:

    1. Its lists are damaged: it is not removed, and its reports do not count as copies of others.
    2. A rule keeps it: its reports count as copies.
    3. Each of its reports has a sound copy in a Snapshot that remains: it is removed.
    4. Otherwise it is refused, and its reports count as copies for the Snapshots after it.

    Args:
        archive: All its Inventories are checked against the Ledger and read.
        today: The date, by the calendar that names Snapshots.
        retention: The rules.
        drop_superseded: Whether a later version of a report counts as a copy of an earlier one. Otherwise
            every version, told by its sha256, is a report that must be kept.

    Raises:
        CorruptArchiveError: the Ledger is broken.
    """
    snapshots = {snapshot.name: snapshot for snapshot in archive.snapshots()}
    reasons = plan_retention(list(snapshots), today, retention)
    key = _backtest_key if drop_superseded else _version_key
    plan = PrunePlan(keep={name: why for name, why in reasons.items() if why})
    ledger = archive.ledger()
    remaining = RemainingCopies()
    for name in sorted(reasons, key=lambda name: not reasons[name]):  # those that rules keep first
        try:
            checked = check_lists(snapshots[name], ledger)
        except ArchiveError as exc:
            plan.damaged[name] = str(exc)
            if not reasons[name]:
                plan.refused[name] = Refusal(0, error=str(exc))
            continue
        refused = None if reasons[name] else _find_refusal(checked, key, remaining)
        if refused is not None:
            plan.refused[name] = refused
        elif not reasons[name]:
            plan.remove.append(name)
            continue
        remaining.add(checked, {key(entry): entry.path for entry in checked.inventory() if entry.archived})
    plan.remove.reverse()
    return plan


def prune_snapshots(archive: Archive, names: Sequence[str], *, at: str) -> None:
    """Remove Snapshots, under the Archive's lock. The next run or prune completes an interrupted one.

    Args:
        archive: Its Snapshots are removed.
        names: As `plan_prune` returned them under the same lock.
        at: UTC, for the Ledger.
    """
    archive.prune(*names, at=at)


_Key = Callable[[InventoryEntry], str]


def _version_key(entry: InventoryEntry) -> str:
    return f"{entry.project_id}/{entry.backtest_id}/{entry.report_sha256}"


def _backtest_key(entry: InventoryEntry) -> str:
    return f"{entry.project_id}/{entry.backtest_id}"


def _find_refusal(snapshot: CheckedSnapshot, key: _Key, remaining: RemainingCopies) -> Refusal | None:
    """Return why a Snapshot may not be removed; None if all its reports have sound copies that remain."""
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
            if len(examples) < _MAX_EXAMPLES:
                examples.append(entry)
        last = remaining.find_last_copies(snapshot, elsewhere)
        last_examples = _make_examples(snapshot, key, last)
    except ArchiveError as exc:
        return Refusal(count, tuple(examples), error=str(exc))
    return Refusal(count, tuple(examples), len(last), last_examples) if count or last else None


def _make_examples(snapshot: CheckedSnapshot, key: _Key, last: dict[str, str]) -> tuple[LastCopy, ...]:
    if not last:
        return ()  # without reading the Inventory again
    entries = (entry for entry in snapshot.inventory() if entry.archived and key(entry) in last)
    return (
        tuple(LastCopy(entry, last[key(entry)]) for entry in islice(entries, _MAX_EXAMPLES)) if last else ()
    )
