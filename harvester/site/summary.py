"""What the index says of a Snapshot, counted entry by entry: pure, and small however large the account is."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from harvester.model import InventoryEntry, Outcome
from harvester.site.rows import FIGURES, Row, reason_of

_SHOWN: Final = 100
"""Backtests in one list of the index."""
_REASONS: Final = 40
"""Reasons told apart; what comes after is counted together."""
_AMOUNT: Final = re.compile(r"\d+(?=\s*(?:s\b|%))")
"""What differs between reasons that are the same: seconds waited, progress made."""
_MISSED: Final = (
    Outcome.LOST, Outcome.FAILED, Outcome.UNAVAILABLE, Outcome.PENDING, Outcome.SKIPPED, Outcome.CARRIED,
)  # fmt: skip
"""In the order in which they matter."""
_SHARPE: Final = next(at for at, figure in enumerate(FIGURES) if figure.key == "sharpe")


@dataclass(frozen=True)
class Item:
    """One backtest in a list of the index."""

    row: Row
    project: str
    page: str
    """Of its project, below `site/`."""


@dataclass
class Shortlist:
    """The first backtests of a kind, and how many there are."""

    count: int = 0
    items: list[Item] = field(default_factory=list)

    def add(self, item: Item) -> None:
        """One more."""
        self.count += 1
        if len(self.items) < _SHOWN:
            self.items.append(item)

    @property
    def more(self) -> int:
        """How many are not shown."""
        return self.count - len(self.items)


@dataclass
class Missed:
    """Listed backtests that were not read this time, all for the same reason."""

    outcome: str
    reason: str
    found: Shortlist = field(default_factory=Shortlist)


@dataclass
class ProjectSummary:
    """One line of the index."""

    project_id: int
    name: str
    page: str
    archived: int = 0
    fresh: int = 0
    """New or changed."""
    gone: int = 0
    missing: int = 0
    """Listed, wanted, and without a report."""
    payload_bytes: int = 0
    sharpe: float | None = None
    """The best."""
    newest: str = ""

    def add(self, entry: InventoryEntry, row: Row) -> None:
        """One more backtest of it."""
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
        """Since the Snapshot before."""
        self._missed: dict[tuple[Outcome, str], Missed] = {}

    @property
    def archived(self) -> int:
        """Reports in the Snapshot."""
        return sum(project.archived for project in self.projects)

    @property
    def missed(self) -> list[Missed]:
        """What was not read, by what matters most and then by what is most frequent."""
        found = sorted(
            self._missed.items(), key=lambda item: (_MISSED.index(item[0][0]), -item[1].found.count)
        )
        return [missed for _, missed in found]

    def add(self, entry: InventoryEntry, row: Row, project: ProjectSummary, page: str) -> None:
        """One more backtest, of the project that it belongs to."""
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
