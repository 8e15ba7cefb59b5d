"""What the index shows about a Snapshot, counted entry by entry: pure, and bounded for any account."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from harvester.model import InventoryEntry, Outcome
from harvester.site.rows import FIGURES, Row, reason_of

_SHOWN: Final = 100
"""Most backtests shown in one list of the index."""
_REASONS: Final = 40
"""Most reasons that get a list; any further ones share a list per Outcome."""
_AMOUNT: Final = re.compile(r"\d+(?=\s*(?:s\b|%))")
"""Numbers in which otherwise equal reasons differ: seconds waited, percent of progress."""
_MISSED: Final = (
    Outcome.LOST, Outcome.FAILED, Outcome.UNAVAILABLE, Outcome.PENDING, Outcome.SKIPPED, Outcome.CARRIED,
)  # fmt: skip
"""Outcomes without a fresh read, most important first."""
_SHARPE: Final = next(at for at, figure in enumerate(FIGURES) if figure.key == "sharpe")


@dataclass(frozen=True)
class Item:
    """One backtest in a list of the index."""

    row: Row
    project: str
    page: str
    """Page of its project, below `site/`."""


@dataclass
class Shortlist:
    """The first backtests of a kind, and how many there are."""

    count: int = 0
    items: list[Item] = field(default_factory=list)

    def add(self, item: Item) -> None:
        """Count a backtest, and keep it while there is room."""
        self.count += 1
        if len(self.items) < _SHOWN:
            self.items.append(item)

    @property
    def more(self) -> int:
        """Number of backtests that are counted but not shown."""
        return self.count - len(self.items)


@dataclass
class Missed:
    """Backtests that were not read in this run, all for one reason."""

    outcome: str
    reason: str
    found: Shortlist = field(default_factory=Shortlist)


@dataclass
class ProjectSummary:
    """A project's line on the index."""

    project_id: int
    name: str
    page: str
    archived: int = 0
    fresh: int = 0
    """Reports that are new or changed."""
    gone: int = 0
    missing: int = 0
    """Backtests that were wanted and have no archived report."""
    payload_bytes: int = 0
    sharpe: float | None = None
    """The best Sharpe ratio of its archived backtests."""
    newest: str = ""

    def add(self, entry: InventoryEntry, row: Row) -> None:
        """Count a backtest of the project."""
        self.archived += entry.archived
        self.gone += bool(entry.gone_since)
        self.fresh += row.state in {"new", "changed"}
        self.missing += row.state in {"lost", "failed", "pending", "unavailable"} and not entry.archived
        self.payload_bytes += entry.payload_bytes
        self.newest = max(self.newest, row.created)
        sharpe = row.values[_SHARPE]
        if sharpe is not None and entry.archived:
            self.sharpe = sharpe if self.sharpe is None else max(self.sharpe, sharpe)


class Summary:
    """Everything that the index lists."""

    def __init__(self, snapshot: str) -> None:
        self._snapshot = snapshot
        self.projects: list[ProjectSummary] = []
        self.fresh = Shortlist()
        self.changed = Shortlist()
        self.gone = Shortlist()
        """Backtests that this Snapshot is the first to record as deleted."""
        self._missed: dict[tuple[Outcome, str], Missed] = {}

    @property
    def archived(self) -> int:
        """Number of reports in the Snapshot."""
        return sum(project.archived for project in self.projects)

    @property
    def missed(self) -> list[Missed]:
        """What was not read: most important Outcome first, then most frequent reason."""
        found = sorted(
            self._missed.items(), key=lambda item: (_MISSED.index(item[0][0]), -item[1].found.count)
        )
        return [missed for _, missed in found]

    def add(self, entry: InventoryEntry, row: Row, project: ProjectSummary, page: str) -> None:
        """Count a backtest, for its project and for the lists of the index; `page` is the page it is on."""
        project.add(entry, row)
        item = Item(row, entry.project, page)
        if entry.outcome is Outcome.LOST:
            self._missed_for(entry.outcome, reason_of(entry)).add(item)
        elif entry.gone_since:
            if entry.gone_since == self._snapshot:
                self.gone.add(item)
        elif entry.outcome is Outcome.SAVED:
            self.fresh.add(item)
        elif entry.outcome is Outcome.UPDATED:
            self.changed.add(item)
        elif entry.listed and entry.outcome in _MISSED and reason_of(entry):
            self._missed_for(entry.outcome, reason_of(entry)).add(item)

    def _missed_for(self, outcome: Outcome, reason: str) -> Shortlist:
        key = (outcome, _AMOUNT.sub("0", reason))
        if key not in self._missed and len(self._missed) >= _REASONS:
            key, reason = (outcome, ""), "for other reasons"
        return self._missed.setdefault(key, Missed(outcome.value, reason)).found
