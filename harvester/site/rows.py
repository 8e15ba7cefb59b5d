"""What a page shows about one backtest: pure, from its line in the Inventory and the names of its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from harvester.format import IMAGES, OFFLINE_HTML
from harvester.model import InventoryEntry, Outcome


@dataclass(frozen=True)
class Figure:
    """A statistic of the API's listing, and how pages show it."""

    key: str
    """Its name in a filter, as in `sharpe>1`."""
    field: str
    """Its name in the API."""
    label: str
    unit: str = ""
    digits: int = 2

    def text(self, value: float | None) -> str:
        """Format a value with its unit; empty when there is no value."""
        return "" if value is None else f"{value:,.{self.digits}f}{self.unit}"


COLUMNS: Final = (
    Figure("sharpe", "sharpeRatio", "Sharpe"),
    Figure("cagr", "compoundingAnnualReturn", "CAGR", "%", 1),
    Figure("drawdown", "drawdown", "Drawdown", "%", 1),
    Figure("profit", "netProfit", "Net profit", "%", 1),
    Figure("psr", "psr", "PSR", "%", 0),
    Figure("trades", "trades", "Trades", "", 0),
)
"""The figures that have a column in the table."""

FIGURES: Final = (
    *COLUMNS,
    Figure("sortino", "sortinoRatio", "Sortino"),
    Figure("treynor", "treynorRatio", "Treynor"),
    Figure("alpha", "alpha", "Alpha", "", 3),
    Figure("beta", "beta", "Beta", "", 3),
    Figure("winrate", "winRate", "Win rate", "%", 0),
    Figure("lossrate", "lossRate", "Loss rate", "%", 0),
    Figure("days", "tradeableDates", "Trading days", "", 0),
    Figure("parameters", "parameters", "Parameters", "", 0),
)
"""The figures that can be filtered and sorted by; those with a column come first."""

_FINISHED: Final = "Completed."
_STATES: Final = {
    Outcome.SAVED: ("new", "good"),
    Outcome.UPDATED: ("changed", "info"),
    Outcome.UNCHANGED: ("kept", "quiet"),
    Outcome.CARRIED: ("kept", "quiet"),
    Outcome.SKIPPED: ("skipped", "quiet"),
    Outcome.PENDING: ("pending", "warn"),
    Outcome.UNAVAILABLE: ("unavailable", "warn"),
    Outcome.FAILED: ("failed", "bad"),
    Outcome.LOST: ("lost", "bad"),
}
"""State and mood of a row by Outcome; see `Row`."""


@dataclass(frozen=True)
class Row:
    """One backtest on a page."""

    backtest_id: str
    name: str
    created: str
    """Day as `2026-11-22`, or empty."""
    read: str
    """Day on which the API last confirmed the archived bytes, or empty."""
    state: str
    """`new`, `changed`, `kept`, `gone`, or another Outcome."""
    mood: str
    """CSS class of the state: `good`, `info`, `quiet`, `warn` or `bad`."""
    outcome: str
    status: str
    """Status in the API; empty when it only says that the backtest is completed."""
    reason: str
    tags: tuple[str, ...]
    directory: str
    """Directory of its files below the Snapshot; empty when nothing is archived."""
    thumbnail: str
    images: tuple[str, ...]
    values: tuple[float | None, ...]
    """In the order of `FIGURES`."""

    @property
    def anchor(self) -> str:
        """The id of the row's element on its page."""
        return f"b-{self.backtest_id}"

    @property
    def report(self) -> str:
        """Path below the Snapshot of the page that works offline; empty when nothing is archived."""
        return f"{self.directory}/{OFFLINE_HTML}" if self.directory else ""

    @property
    def columns(self) -> list[str]:
        """The figures that have columns, as text."""
        return [figure.text(value) for figure, value in zip(COLUMNS, self.values, strict=False)]


def row_of(entry: InventoryEntry, images: Sequence[str]) -> Row:
    """Return the row of a backtest; `images` are the names of its images."""
    is_gone = bool(entry.gone_since) and entry.outcome is not Outcome.LOST
    state, mood = ("gone", "warn") if is_gone else _STATES[entry.outcome]
    return Row(
        backtest_id=entry.backtest_id,
        name=entry.name,
        created=entry.created[:10],
        read=entry.read_at[:10] if entry.archived else "",
        state=state,
        mood=mood,
        outcome=entry.outcome.value,
        status="" if entry.status == _FINISHED else entry.status,
        reason=reason_of(entry),
        tags=entry.tags,
        directory=entry.path,
        thumbnail=f"{entry.path}/{IMAGES}/{thumbnail_of(images)}" if images else "",
        images=tuple(images),
        values=tuple(entry.statistics.get(figure.field) for figure in FIGURES),
    )


def reason_of(entry: InventoryEntry) -> str:
    """Return why the backtest has its Outcome: the run's reason, then the API's error."""
    return ": ".join(text for text in (entry.reason, entry.error) if text)


def thumbnail_of(images: Sequence[str]) -> str:
    """Return the image that represents a report: its cumulative returns if there, else the first."""
    return next((name for name in images if "cumulative-return" in name), images[0])


_PART_ROWS: Final = 1000
"""Backtests on a full page; bounds its size."""


def parts_of(count: int) -> list[range]:
    """Return which backtests of a project, numbered from 0 for the oldest, are on which of its pages.

    The last page has the newest ones, and is the one that links lead to. The pages before it are full, so
    they do not change when backtests are added.
    """
    full = max(0, count // _PART_ROWS - 1)
    pages = [range(n * _PART_ROWS, (n + 1) * _PART_ROWS) for n in range(full)]
    return [*pages, range(full * _PART_ROWS, count)]


def page_name(project_id: int, part: int, parts: int) -> str:
    """Return the file name of a project's page; `part` counts from 1, which has the oldest backtests."""
    return f"{project_id}.html" if part == parts else f"{project_id}-{part}.html"
