"""Which Snapshots a retention keeps: pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harvester.format import snapshot_order


@dataclass(frozen=True)
class Retention:
    """What to keep; a Snapshot stays when any rule wants it, and the newest stays always."""

    within: dt.timedelta | None = None
    """Everything not older than this."""
    daily: int = 0
    """The newest of each of the last so many days that have one; weeks, months and years likewise."""
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0

    @property
    def empty(self) -> bool:
        """Whether it has no rule at all; then nothing is removed."""
        return self == Retention()


def plan_retention(names: Sequence[str], today: dt.date, retention: Retention) -> dict[str, tuple[str, ...]]:
    """Why each Snapshot is kept; those without a reason may go. Newest first.

    Args:
        names: Of all Snapshots, in any order.
        today: By the calendar that names Snapshots.
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
    """The date in a Snapshot's name; one that no calendar has counts as the first day of all."""
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
    """The first name of each of the first `count` periods."""
    found: dict[tuple[int, ...], str] = {}
    for name in newest_first:
        found.setdefault(period(date_of(name)), name)
    return list(found.values())[:count]
