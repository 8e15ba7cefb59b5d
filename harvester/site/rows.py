"""What a page shows of one backtest: pure, from its line in the Inventory and the names of its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from harvester.format import IMAGES, OFFLINE_HTML
from harvester.model import InventoryEntry, Outcome


@dataclass(frozen=True)
class Figure:
    """One figure of the listing as pages have it."""

    key: str
    """What a filter calls it: `sharpe>1`."""
    field: str
    """What the API calls it."""
    label: str
    unit: str = ""
    digits: int = 2

    def text(self, value: float | None) -> str:
        """The figure for people; empty when there is none."""
        return "" if value is None else f"{value:,.{self.digits}f}{self.unit}"


COLUMNS: Final = (
    Figure("sharpe", "sharpeRatio", "Sharpe"),
    Figure("cagr", "compoundingAnnualReturn", "CAGR", "%", 1),
    Figure("drawdown", "drawdown", "Drawdown", "%", 1),
    Figure("profit", "netProfit", "Net profit", "%", 1),
    Figure("psr", "psr", "PSR", "%", 0),
    Figure("trades", "trades", "Trades", "", 0),
)
"""What has a column of its own."""

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
"""What can be filtered and sorted by; the columns come first."""

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
"""What became of it in one word, and how that looks."""


@dataclass(frozen=True)
class Row:
    """One backtest on a page."""

    backtest_id: str
    name: str
    created: str
    """`2026-11-22`, or empty."""
    read: str
    """When the API last confirmed the archived bytes, likewise."""
    state: str
    """`new`, `changed`, `kept`, `gone`, or another Outcome."""
    mood: str
    """How the state looks: `good`, `info`, `quiet`, `warn` or `bad`."""
    outcome: str
    status: str
    """The API's own, where it says more than that the backtest is finished."""
    reason: str
    tags: tuple[str, ...]
    directory: str
    """Its files, below the Snapshot; empty when nothing is archived."""
    thumbnail: str
    images: tuple[str, ...]
    values: tuple[float | None, ...]
    """In the order of `FIGURES`."""

    @property
    def anchor(self) -> str:
        """The row's name on its page."""
        return f"b-{self.backtest_id}"

    @property
    def report(self) -> str:
        """The page that opens without network, below the Snapshot."""
        return f"{self.directory}/{OFFLINE_HTML}" if self.directory else ""

    @property
    def columns(self) -> list[str]:
        """The figures that have columns, as text."""
        return [figure.text(value) for figure, value in zip(COLUMNS, self.values, strict=False)]


def row_of(entry: InventoryEntry, images: Sequence[str]) -> Row:
    """The row of a backtest."""
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
    """Why it is as it is, in the words of the run and of the API."""
    return ": ".join(text for text in (entry.reason, entry.error) if text)


def thumbnail_of(images: Sequence[str]) -> str:
    """The image that stands for a report: its cumulative returns, or else its first."""
    return next((name for name in images if "cumulative-return" in name), images[0])


_PART_ROWS: Final = 1000


def parts_of(count: int) -> list[range]:
    """Which backtests of a project, oldest first, stand on which of its pages.

    The last page has the newest and is the one that links lead to. Those before it are full, so that they
    stay as they are when backtests are added.
    """
    full = max(0, count // _PART_ROWS - 1)
    pages = [range(n * _PART_ROWS, (n + 1) * _PART_ROWS) for n in range(full)]
    return [*pages, range(full * _PART_ROWS, count)]


def page_name(project_id: int, part: int, parts: int) -> str:
    """The file of a project's page; `part` counts from 1, the oldest."""
    return f"{project_id}.html" if part == parts else f"{project_id}-{part}.html"
