"""The plan is a merge that loses nothing and doubles nothing."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.values import make_backtest, make_entry, make_missing, make_policy, make_project

from harvester.config.settings import FilterSettings
from harvester.harvest.decision import Decision, FetchReport
from harvester.harvest.plan import Listing, plan_account
from harvester.harvest.settle import Archived, Miss, NoReport, settle
from harvester.model import BacktestState, InventoryEntry, Outcome

ids = st.sampled_from("abcde")
dates = st.sampled_from(["", "2023-01-01T00:00:00Z", "2024-01-01T00:00:00Z"])
project_ids = st.integers(0, 4)
MISSING = {Outcome.SKIPPED, Outcome.PENDING, Outcome.UNAVAILABLE, Outcome.FAILED}
"""The Outcomes of what was never archived."""
listed = st.dictionaries(
    ids,
    st.fixed_dictionaries(
        {
            "created": dates,
            "state": st.sampled_from(BacktestState),
            "change_key": st.sampled_from(["k1", "k2"]),
        }
    ),
)
earlier = st.dictionaries(
    ids,
    st.tuples(st.booleans(), st.sampled_from(Outcome), dates, st.sampled_from(["", "2026-11-20T00:00:00Z"])),
)


@st.composite
def accounts(draw: st.DrawFn) -> tuple[Listing, list[tuple[int, list[InventoryEntry]]]]:
    found = draw(st.dictionaries(project_ids, listed))
    unread = dict.fromkeys(draw(st.sets(project_ids)) - found.keys(), "HTTP 500")
    orphans = draw(st.dictionaries(project_ids, st.sets(ids)))
    before: list[tuple[int, list[InventoryEntry]]] = []
    for n, rows in sorted(draw(st.dictionaries(project_ids, earlier)).items()):
        entries = [_entry(n, name, *row) for name, row in rows.items()]
        before.append((n, sorted(entries, key=lambda entry: entry.key)))
    doubt = st.sampled_from(["", "", "a doubt"])
    listing = Listing(
        unproven=draw(doubt),
        withheld=draw(doubt),
        bad_rows=dict.fromkeys(draw(st.sets(project_ids)) & found.keys(), "a bad row"),
        projects=set(found),
        load=lambda n: (
            make_project(n),
            sorted(
                (make_backtest(name, project_id=n, **fields) for name, fields in found[n].items()),
                key=lambda backtest: (backtest.created, backtest.backtest_id),
            ),
        ),
        unread=unread,
        orphans={
            n: [(make_project(n), make_backtest(name, project_id=n)) for name in s]
            for n, s in orphans.items()
        },
    )
    return listing, before


def _entry(
    n: int, name: str, archived: bool, outcome: Outcome, created: str, tried_at: str
) -> InventoryEntry:
    fields: dict[str, Any] = {"project_id": n, "created": created, "outcome": outcome, "tried_at": tried_at}
    if archived:
        return make_entry(name, **fields)
    never = outcome if outcome in MISSING else Outcome.SKIPPED
    return make_missing(name, **(fields | {"outcome": never}))


def everything(
    listing: Listing, before: list[tuple[int, list[InventoryEntry]]], names: tuple[str, ...]
) -> Any:
    policy = make_policy(FilterSettings(names=names))
    return list(plan_account(listing, before, policy))


filters = st.sampled_from([(), ("a",), ("[a-d]",)])


@given(accounts(), filters)
def test_each_listed_backtest_has_exactly_one_decision_and_nothing_archived_is_dropped(
    account: tuple[Listing, list[tuple[int, list[InventoryEntry]]]], names: tuple[str, ...]
) -> None:
    listing, before = account
    plan = everything(listing, before, names)
    assert [n for n, _ in plan] == sorted({n for n, _ in plan})
    decided = [decision.key for _, decisions in plan for decision in decisions]
    assert len(decided) == len(set(decided))
    found = listing.projects
    in_listing = {(n, backtest.backtest_id) for n in listing.projects for backtest in listing.load(n)[1]}
    assert {d.key for _, decisions in plan for d in decisions if d.listed} == in_listing
    archived = {(n, entry.backtest_id) for n, entries in before for entry in entries if entry.archived}
    read = {(n, backtest.backtest_id) for n, pairs in listing.orphans.items() for _, backtest in pairs}
    assert archived | read | in_listing <= set(decided)
    for n, decisions in plan:
        assert decisions == sorted(decisions, key=lambda d: d.order)
        assert not any(d.gone for d in decisions if n in listing.unread)
        doubted = listing.withheld or (n in listing.bad_rows or (n not in found and listing.unproven))
        new_gone = [d for d in decisions if d.gone and not (d.earlier and d.earlier.gone_since)]
        assert not (doubted and new_gone)


@given(accounts(), filters, st.integers(1, 4))
def test_a_project_in_portions_is_planned_as_it_is_at_once(
    account: tuple[Listing, list[tuple[int, list[InventoryEntry]]]], names: tuple[str, ...], at_once: int
) -> None:
    listing, before = account
    policy = make_policy(FilterSettings(names=names))
    together: dict[int, list[Decision]] = {}
    for n, decisions in plan_account(listing, before, policy, at_once=at_once):
        assert len(decisions) <= at_once + 3, "a place has a row, a line and an orphan at most"
        together.setdefault(n, []).extend(decisions)
    assert together == dict(everything(listing, before, names))


archived = st.builds(
    Archived,
    st.sampled_from([Outcome.SAVED, Outcome.UPDATED, Outcome.UNCHANGED]),
    st.integers(1, 5),
    st.just(10),
    st.just("2026-11-22T03:00:00Z"),
    st.just("k2"),
)
results = st.one_of(
    st.none(),
    archived,
    st.builds(
        NoReport,
        st.sampled_from(Miss),
        st.just("words"),
        st.sampled_from(["", "HTTP 500"]),
        st.integers(0, 5),
    ),
)


@given(accounts(), st.data())
def test_whatever_came_of_it_each_decision_is_settled_in_one_line_in_order(
    account: tuple[Listing, list[tuple[int, list[InventoryEntry]]]], data: st.DataObject
) -> None:
    listing, before = account
    for _, decisions in everything(listing, before, ()):
        lines = [_settled(decision, data) for decision in decisions]
        keys = [line.key for line in lines]
        assert keys == sorted(set(keys))


def _settled(decision: Decision, data: st.DataObject) -> InventoryEntry:
    orphan = decision.earlier is None and not decision.listed
    result = (
        data.draw(archived if orphan else results) if isinstance(decision, FetchReport) or orphan else None
    )
    line = settle(decision, result, snapshot="2026-11-22", now="2026-11-22T03:30:00Z")
    earlier = decision.earlier
    assert (line.project_id, line.backtest_id) == decision.key
    deleted = isinstance(result, NoReport) and result.miss is Miss.DELISTED and line.archived
    assert line.listed == (decision.listed and not deleted)
    assert bool(line.gone_since) >= (decision.gone or deleted)
    assert not (line.listed and line.gone_since)
    if earlier is not None and earlier.archived and not isinstance(result, Archived):
        assert (line.path, line.saved_in, line.read_at) == (earlier.path, earlier.saved_in, earlier.read_at)
    if isinstance(result, Archived):
        assert (line.outcome, line.error, line.failures) == (result.outcome, "", 0)
    if line.outcome is Outcome.CARRIED:
        assert line.archived
    if line.outcome is Outcome.FAILED and result is not None:
        assert line.error
    return line
