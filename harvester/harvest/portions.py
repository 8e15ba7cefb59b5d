"""A project that is too large for memory, cut into portions that can be planned one after the other: pure.

The plan of a project takes its listing, its part of the Inventory before, and what an interrupted run has
read. A portion is what these have between two places of the Inventory's order, so that the decisions about
one portion come before all of those about the next. What belongs together has the same id, and nearly always
the same time of creation, so nearly always the same place. Otherwise:

1. A listed backtest with its line in another place of the Inventory: the line goes where the listing is.
2. A backtest that an interrupted run has read and that is listed: it is left out, for the listing decides.
3. One that is not listed but has a line in the Inventory: it goes where that line is if something is decided
   about the line, since the line decides then; otherwise the line says nothing and each stays in its place.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from harvester.model import Backtest, InventoryEntry, Project

Orphan = tuple[Project, Backtest]
_Place = tuple[str, str]
"""Created and backtest id: the Inventory's order within a project."""


@dataclass
class Portion:
    """What is decided about at once."""

    rows: list[Backtest] = field(default_factory=list)
    entries: list[InventoryEntry] = field(default_factory=list)
    orphans: list[Orphan] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows) + len(self.entries) + len(self.orphans)


def cut(
    whole: tuple[Collection[Backtest], Collection[InventoryEntry], Sequence[Orphan]],
    at_once: int,
    decides: Callable[[InventoryEntry], bool],
) -> Iterator[Portion]:
    """The portions of one project, in order; a small project is one portion, and an empty one too.

    Args:
        whole: Listed, in the Inventory before, and read by an interrupted run; the first two are gone through
            several times, in the order of their places.
        at_once: How much a portion has, about.
        decides: Whether something is decided about a line of the Inventory for a backtest that is not listed.
    """
    rows, entries, orphans = whole
    if len(rows) + len(entries) + len(orphans) <= at_once:
        yield Portion(list(rows), list(entries), list(orphans))
        return
    created = {row.backtest_id: row.created for row in rows}
    moved, orphans = _find_moved(created, entries, orphans, decides)
    portion, last = Portion(), None
    for place, item in _in_order(
        rows, (entry for entry in entries if entry.backtest_id not in moved), orphans
    ):
        if len(portion) >= at_once and place != last:
            yield portion
            portion = Portion()
        last = place
        if isinstance(item, Backtest):
            portion.rows.append(item)
            if item.backtest_id in moved:
                portion.entries.append(moved[item.backtest_id])
        elif isinstance(item, InventoryEntry):
            portion.entries.append(item)
        else:
            portion.orphans.append(item)
    yield portion


def _find_moved(
    created: dict[str, str],
    entries: Iterable[InventoryEntry],
    orphans: Sequence[Orphan],
    decides: Callable[[InventoryEntry], bool],
) -> tuple[dict[str, InventoryEntry], list[Orphan]]:
    """The lines that go to another place than their own, and the orphans that nothing else decides about."""
    moved: dict[str, InventoryEntry] = {}
    left = {row.backtest_id: (project, row) for project, row in orphans if row.backtest_id not in created}
    for entry in entries:
        listed = created.get(entry.backtest_id)
        if listed is None and entry.backtest_id in left and decides(entry):
            del left[entry.backtest_id]
        elif listed is not None and listed != entry.created:
            moved[entry.backtest_id] = entry
    return moved, list(left.values())


def _in_order(
    rows: Iterable[Backtest], entries: Iterable[InventoryEntry], orphans: Iterable[Orphan]
) -> Iterator[tuple[_Place, Backtest | InventoryEntry | Orphan]]:
    sources: list[Iterable[tuple[_Place, Backtest | InventoryEntry | Orphan]]] = [
        (((row.created, row.backtest_id), row) for row in rows),
        (((entry.created, entry.backtest_id), entry) for entry in entries),
        sorted(
            (((row.created, row.backtest_id), (project, row)) for project, row in orphans),
            key=lambda placed: placed[0],
        ),
    ]
    return heapq.merge(*sources, key=lambda placed: placed[0])
