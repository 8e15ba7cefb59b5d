"""However Snapshots lie in time, a retention keeps the newest and never more than it says."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from harvester.audit.retention import Retention, date_of, plan_retention
from harvester.format.layout import snapshot_order

DATES = st.dates(dt.date(2015, 1, 1), dt.date(2030, 1, 1))
NAMES = st.lists(
    st.builds(lambda date, n: str(date) if n < 2 else f"{date}.{n}", DATES, st.integers(0, 5)),
    unique=True,
    min_size=1,
    max_size=60,
)
RULES = st.builds(
    Retention,
    within=st.none() | st.timedeltas(dt.timedelta(), dt.timedelta(days=4000)),
    daily=st.integers(0, 20),
    weekly=st.integers(0, 20),
    monthly=st.integers(0, 20),
    yearly=st.integers(0, 5),
)


@given(NAMES, DATES, RULES)
def test_every_snapshot_is_decided_and_the_newest_stays(
    names: list[str], today: dt.date, rules: Retention
) -> None:
    plan = plan_retention(names, today, rules)
    assert set(plan) == set(names)
    assert plan[max(names, key=snapshot_order)]


@given(NAMES, DATES, RULES)
def test_no_rule_keeps_more_than_its_number(names: list[str], today: dt.date, rules: Retention) -> None:
    plan = plan_retention(names, today, rules)
    for rule in ("daily", "weekly", "monthly", "yearly"):
        assert sum(rule in why for why in plan.values()) <= getattr(rules, rule)


@given(NAMES, DATES, RULES, RULES)
def test_more_rules_never_keep_less(
    names: list[str], today: dt.date, rules: Retention, more: Retention
) -> None:
    both = Retention(
        within=max((r.within for r in (rules, more) if r.within is not None), default=None),
        daily=max(rules.daily, more.daily),
        weekly=max(rules.weekly, more.weekly),
        monthly=max(rules.monthly, more.monthly),
        yearly=max(rules.yearly, more.yearly),
    )
    if rules.empty:
        return
    less, greater = (plan_retention(names, today, retention) for retention in (rules, both))
    assert all(greater[name] for name in names if less[name])


@given(NAMES, DATES, st.timedeltas(dt.timedelta(), dt.timedelta(days=4000)))
def test_within_keeps_all_that_is_younger(names: list[str], today: dt.date, within: dt.timedelta) -> None:
    plan = plan_retention(names, today, Retention(within=within))
    for name in names:
        if date_of(name) >= today - within:
            assert plan[name]


@given(NAMES, DATES, RULES)
def test_pruning_again_the_same_day_removes_nothing_more(
    names: list[str], today: dt.date, rules: Retention
) -> None:
    kept = [name for name, why in plan_retention(names, today, rules).items() if why]
    assert all(plan_retention(kept, today, rules).values())
