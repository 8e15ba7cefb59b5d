"""What a page shows of one backtest: pure, from its line in the Inventory and the names of its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from harvester.model import InventoryEntry, Outcome

_FIGURES: Final = {
    "sharpe": "sharpeRatio",
    "cagr": "compoundingAnnualReturn",
    "drawdown": "drawdown",
    "profit": "netProfit",
    "psr": "psr",
    "trades": "trades",
}
"""Names on the page and in its filter, and those of the listing."""
_MOODS: Final = {
    Outcome.SAVED: "good",
    Outcome.UPDATED: "good",
    Outcome.PENDING: "warn",
    Outcome.UNAVAILABLE: "warn",
    Outcome.FAILED: "bad",
}
_STATES: Final = {Outcome.SAVED: "new", Outcome.UPDATED: "changed"}


@dataclass(frozen=True)
class Row:
    """One backtest of a project's page."""

    backtest_id: str
    name: str
    created: str
    state: str
    """`new`, `changed`, `gone`, or the Outcome."""
    mood: str
    path: str
    tags: tuple[str, ...]
    figures: dict[str, float | None]
    reason: str
    text: str
    """What the filter looks for words in."""
    thumbnail: str
    gallery: int | None
    """Which of the page's lists of image names is its own."""


def row_of(entry: InventoryEntry, images: Sequence[str], gallery: int | None) -> Row:
    """The row of a backtest."""
    state = "gone" if entry.gone_since else _STATES.get(entry.outcome, entry.outcome.value)
    return Row(
        backtest_id=entry.backtest_id,
        name=entry.name,
        created=entry.created,
        state=state,
        mood=_MOODS.get(entry.outcome, "") if not entry.gone_since else "warn",
        path=entry.path,
        tags=entry.tags,
        figures={name: entry.statistics.get(field) for name, field in _FIGURES.items()},
        reason=entry.error or entry.reason,
        text=f"{entry.name} {entry.backtest_id} {entry.status} {state}".lower(),
        thumbnail=thumbnail_of(images),
        gallery=gallery,
    )


def thumbnail_of(images: Sequence[str]) -> str:
    """The image that stands for a report: its cumulative returns, or else its first."""
    return next((name for name in images if "cumulative-return" in name), images[0] if images else "")


def page_name(project_id: int, number: int) -> str:
    """The file of a project's page; a large project has several."""
    return f"{project_id}.html" if number == 1 else f"{project_id}-{number}.html"
