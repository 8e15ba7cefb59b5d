from __future__ import annotations

import datetime as dt

import pytest

from harvester.audit.retention import Retention, date_of, plan_retention

TODAY = dt.date(2026, 11, 22)
EVERY_DAY = [str(TODAY - dt.timedelta(days=n)) for n in range(800)]


def kept(retention: Retention, names: list[str] = EVERY_DAY) -> list[str]:
    return [name for name, why in plan_retention(names, TODAY, retention).items() if why]


def test_without_a_rule_nothing_goes() -> None:
    assert kept(Retention()) == EVERY_DAY


def test_no_snapshots_no_plan() -> None:
    assert plan_retention([], TODAY, Retention(daily=3)) == {}


def test_within_keeps_the_last_days() -> None:
    assert kept(Retention(within=dt.timedelta(days=3))) == [
        "2026-11-22",
        "2026-11-21",
        "2026-11-20",
        "2026-11-19",
    ]


def test_daily_keeps_the_newest_of_each_day() -> None:
    names = ["2026-11-20", "2026-11-20.2", "2026-11-20.10", "2026-11-18", "2026-11-17"]
    assert kept(Retention(daily=2), names) == ["2026-11-20.10", "2026-11-18"]


def test_weekly_keeps_sundays() -> None:
    assert kept(Retention(weekly=3)) == ["2026-11-22", "2026-11-15", "2026-11-08"]


def test_weeks_over_new_year_are_one() -> None:
    names = ["2026-12-31", "2027-01-01", "2026-12-28", "2026-12-27"]
    assert kept(Retention(weekly=2), names) == ["2027-01-01", "2026-12-27"]


def test_monthly_keeps_ends_of_months() -> None:
    assert kept(Retention(monthly=3)) == ["2026-11-22", "2026-10-31", "2026-09-30"]


def test_yearly_keeps_ends_of_years() -> None:
    assert kept(Retention(yearly=9)) == ["2026-11-22", "2025-12-31", "2024-12-31"]


def test_rules_add_up_and_are_named() -> None:
    plan = plan_retention(EVERY_DAY, TODAY, Retention(within=dt.timedelta(days=1), weekly=1, monthly=2))
    assert {name: why for name, why in plan.items() if why} == {
        "2026-11-22": ("newest", "within", "weekly", "monthly"),
        "2026-11-21": ("within",),
        "2026-10-31": ("monthly",),
    }


def test_a_year_without_runs_does_not_use_up_the_counts() -> None:
    assert kept(Retention(daily=2), ["2026-11-22", "2020-01-01", "2019-01-01"]) == [
        "2026-11-22",
        "2020-01-01",
    ]


@pytest.mark.parametrize("name", ["2026-02-31", "9999-99-99"])
def test_a_date_that_no_calendar_has_is_the_oldest(name: str) -> None:
    assert date_of(name) == dt.date.min
    assert kept(Retention(daily=1), [name, "2000-01-01"])[-1] == ("2000-01-01" if name < "2000" else name)
