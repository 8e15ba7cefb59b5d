"""Decides which Snapshots the rules of a retention keep. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harvester.format import snapshot_order


@dataclass(frozen=True)
class Retention:
    """Rules. A Snapshot is kept if any of them keeps it; the newest is always kept."""

    within: dt.timedelta | None = None
    """Keep everything that is not older than this."""
    daily: int = 0
    """Keep the newest Snapshot of each of the last N days that have one."""
    weekly: int = 0
    """As `daily`, for ISO weeks."""
    monthly: int = 0
    """As `daily`, for calendar months."""
    yearly: int = 0
    """As `daily`, for calendar years."""

    @property
    def empty(self) -> bool:
        """Whether there is no rule; then every Snapshot is kept."""
        return self == Retention()


def plan_retention(names: Sequence[str], today: dt.date, retention: Retention) -> dict[str, tuple[str, ...]]:
    """Return the rules that keep each Snapshot, newest first; those without any may be removed.

    Args:
        names: All Snapshots, in any order.
        today: The date, by the calendar that names Snapshots.
        retention: The rules.
    """
    newest_first = sorted(names, key=snapshot_order, reverse=True)
    reasons: dict[str, list[str]] = {name: [] for name in newest_first}
    if newest_first:
        reasons[newest_first[0]].append("newest")
    if retention.empty:
        return dict.fromkeys(newest_first, ("no rule was given",))
    if retention.within is not None:
        oldest = today - retention.within
        for name in newest_first:
            if date_of(name) >= oldest:
                reasons[name].append("within")
    for rule, count, period in _periods(retention):
        for name in _newest_of_each(newest_first, count, period):
            reasons[name].append(rule)
    return {name: tuple(why) for name, why in reasons.items()}


def date_of(name: str) -> dt.date:
    """Return the date in a Snapshot's name; `date.min` if there is no such date, such as 2026-02-30."""
    try:
        return dt.date.fromisoformat(snapshot_order(name)[0])
    except ValueError:
        return dt.date.min


_Period = Callable[[dt.date], tuple[int, ...]]


def _periods(retention: Retention) -> list[tuple[str, int, _Period]]:
    return [
        ("daily", retention.daily, lambda day: (day.toordinal(),)),
        ("weekly", retention.weekly, lambda day: tuple(day.isocalendar()[:2])),
        ("monthly", retention.monthly, lambda day: (day.year, day.month)),
        ("yearly", retention.yearly, lambda day: (day.year,)),
    ]


def _newest_of_each(newest_first: Sequence[str], count: int, period: _Period) -> list[str]:
    """Return the newest name in each of the newest `count` periods that have one."""
    found: dict[tuple[int, ...], str] = {}
    for name in newest_first:
        found.setdefault(period(date_of(name)), name)
    return list(found.values())[:count]
