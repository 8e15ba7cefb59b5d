"""Compares two Snapshots, backtest by backtest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from harvester.archive import Snapshot
from harvester.errors import ArchiveError
from harvester.model import InventoryEntry

Pair = tuple[InventoryEntry | None, InventoryEntry | None]
"""The entries of one backtest in the earlier and the later Snapshot; None where it has none."""


@dataclass(frozen=True)
class Changed:
    """A report with other bytes than before."""

    before: InventoryEntry
    after: InventoryEntry
    differs: str
    """`rendering`: only images or markup differ; `text`: text or figures do; empty: a record is damaged."""


@dataclass(frozen=True)
class Renamed:
    """A backtest with a new name, or with a new name of its project."""

    before: InventoryEntry
    after: InventoryEntry


@dataclass(frozen=True)
class ChangedStatistics:
    """A backtest with changed statistics in the listing."""

    entry: InventoryEntry
    """The entry in the later Snapshot."""
    statistics: dict[str, tuple[float | None, float | None]]
    """Values before and after, of the statistics that differ; None where there is no value."""


@dataclass
class Diff:
    """The differences between two Snapshots, each list in the order of the Inventory."""

    new: list[InventoryEntry] = field(default_factory=list)
    """Backtests that are archived in the later Snapshot only."""
    changed: list[Changed] = field(default_factory=list)
    renamed: list[Renamed] = field(default_factory=list)
    gone: list[InventoryEntry] = field(default_factory=list)
    """Entries of the earlier Snapshot that are no longer listed in the later one."""
    lost: list[InventoryEntry] = field(default_factory=list)
    """Archived in the earlier Snapshot; found damaged and without a copy in the later one."""
    statistics_changed: list[ChangedStatistics] = field(default_factory=list)
    same: int = 0
    """Number of backtests that are in none of the lists."""

    @property
    def empty(self) -> bool:
        """Whether nothing differs."""
        return not (
            self.new or self.changed or self.renamed or self.gone or self.lost or self.statistics_changed
        )


def compare_snapshots(earlier: Snapshot, later: Snapshot) -> Diff:
    """Compare two Snapshots; both Inventories are read as streams.

    Raises:
        CorruptArchiveError: an Inventory is damaged; names file and line.
    """
    found = Diff()
    for before, after in pair(earlier.inventory(), later.inventory()):
        differs = _record_presence(found, before, after)
        if before is not None and after is not None:
            differs |= _record_difference(found, (earlier, before), (later, after))
        found.same += not differs
    return found


def pair(earlier: Iterable[InventoryEntry], later: Iterable[InventoryEntry]) -> Iterator[Pair]:
    """Yield the two entries of each backtest; both inputs are sorted by `InventoryEntry.key`.

    Entries with equal keys are paired while reading. The key holds the creation time,
    which QuantConnect may correct, so entries that remain are paired by id at the end.
    """
    alone: dict[tuple[int, str], InventoryEntry] = {}
    unpaired: list[InventoryEntry] = []
    for before, after in _merge(iter(earlier), iter(later)):
        if before is not None and after is not None:
            yield before, after
        elif before is not None:
            alone[before.project_id, before.backtest_id] = before
        elif after is not None:
            unpaired.append(after)
    for after in unpaired:
        yield alone.pop((after.project_id, after.backtest_id), None), after
    for before in alone.values():
        yield before, None


def _merge(earlier: Iterator[InventoryEntry], later: Iterator[InventoryEntry]) -> Iterator[Pair]:
    before, after = next(earlier, None), next(later, None)
    while before is not None or after is not None:
        if after is None or (before is not None and before.key < after.key):
            yield before, None
            before = next(earlier, None)
        elif before is None or after.key < before.key:
            yield None, after
            after = next(later, None)
        else:
            yield before, after
            before, after = next(earlier, None), next(later, None)


def _record_presence(found: Diff, before: InventoryEntry | None, after: InventoryEntry | None) -> bool:
    """Record a backtest that is new or gone; returns whether it is."""
    was_known = before is not None and (before.archived or bool(before.lost_since))
    is_new = after is not None and after.archived and not was_known
    is_gone = before is not None and before.listed and (after is None or not after.listed)
    if is_new and after is not None:
        found.new.append(after)
    if is_gone and before is not None:
        found.gone.append(before)
    return is_new or is_gone


def _record_difference(
    found: Diff, earlier: tuple[Snapshot, InventoryEntry], later: tuple[Snapshot, InventoryEntry]
) -> bool:
    """Record how a backtest differs; returns whether it does."""
    before, after = earlier[1], later[1]
    is_renamed = (before.name, before.project) != (after.name, after.project)
    if is_renamed:
        found.renamed.append(Renamed(before, after))
    is_lost = before.archived and bool(after.lost_since)
    if is_lost:
        found.lost.append(after)
    is_changed = before.archived and after.archived and before.report_sha256 != after.report_sha256
    if is_changed:
        found.changed.append(Changed(before, after, _classify_change(earlier, later)))
    statistics = _statistic_changes(before.statistics, after.statistics)
    if statistics:
        found.statistics_changed.append(ChangedStatistics(after, statistics))
    return is_renamed or is_lost or is_changed or bool(statistics)


def _classify_change(*sides: tuple[Snapshot, InventoryEntry]) -> str:
    try:
        texts = {snapshot.report(entry).text_sha256 for snapshot, entry in sides}
    except ArchiveError:
        return ""
    return "rendering" if len(texts) == 1 else "text"


def _statistic_changes(
    before: dict[str, float], after: dict[str, float]
) -> dict[str, tuple[float | None, float | None]]:
    names = [*before, *(name for name in after if name not in before)]
    return {
        name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)
    }
