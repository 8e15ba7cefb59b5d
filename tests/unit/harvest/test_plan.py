"""What to do about each backtest: every branch of the plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.values import make_backtest, make_entry, make_missing, make_policy, make_project

from harvester.config.settings import FilterSettings
from harvester.harvest.decision import Decision, FetchReport
from harvester.harvest.gone import GoneCount
from harvester.harvest.plan import (
    Listing,
    Policy,
    plan_account,
    plan_missing_project,
    plan_project,
    plan_unread_project,
)
from harvester.model import BacktestState, InventoryEntry, Outcome


def decide(backtest: Any, *earlier: InventoryEntry, policy: Policy | None = None, **project: Any) -> Decision:
    """The one decision about a backtest and its line in the Inventory before."""
    (decision,) = plan_project(make_project(**project), [backtest], earlier, policy or make_policy())
    return decision


# -- one listed backtest -------------------------------------------------------------------------


def test_a_new_backtest_is_asked_for() -> None:
    decision = decide(make_backtest())
    assert (isinstance(decision, FetchReport), decision.urgent, decision.earlier) == (True, False, None)
    assert (decision.listed, decision.gone) == (True, False)
    assert decision.key == (1, "a")


def test_an_archived_one_that_has_not_changed_is_carried() -> None:
    decision = decide(make_backtest(), make_entry())
    assert (isinstance(decision, FetchReport), decision.outcome, decision.reason) == (
        False,
        Outcome.CARRIED,
        "",
    )


def test_another_name_is_no_change() -> None:
    assert not isinstance(decide(make_backtest(name="Renamed", backtest_id="a"), make_entry()), FetchReport)


def test_a_changed_one_is_read_again() -> None:
    assert isinstance(decide(make_backtest(change_key="k2"), make_entry()), FetchReport)


@pytest.mark.parametrize(("days", "request_"), [(None, False), (0, True), (1, True), (2, False)])
def test_a_refresh_reads_again_what_is_at_least_so_old(days: float | None, request_: bool) -> None:
    refresh_after = None if days is None else timedelta(days=days)
    decision = decide(make_backtest(), make_entry(), policy=make_policy(refresh_after=refresh_after))
    assert isinstance(decision, FetchReport) is request_


@pytest.mark.parametrize("read_at", ["", "yesterday", "2026-11-21"])
def test_a_time_that_cannot_be_read_counts_as_old(read_at: str) -> None:
    policy = make_policy(refresh_after=timedelta(days=9))
    assert isinstance(decide(make_backtest(), make_entry(read_at=read_at), policy=policy), FetchReport)


def test_what_was_pending_is_first_in_line() -> None:
    assert decide(make_backtest(), make_missing()).urgent
    changed = decide(make_backtest(change_key="k2"), make_entry(outcome=Outcome.PENDING))
    assert (isinstance(changed, FetchReport), changed.urgent) == (True, True)
    assert not decide(make_backtest(), make_missing(outcome=Outcome.FAILED)).urgent
    poison = make_missing(outcome=Outcome.PENDING, error_kind="no answer")
    assert not decide(make_backtest(), poison).urgent, "what fails every night holds nobody up"


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.SKIPPED, Outcome.PENDING])
def test_what_was_never_archived_is_asked_for_again(outcome: Outcome) -> None:
    assert isinstance(decide(make_backtest(), make_missing(outcome=outcome)), FetchReport)


@pytest.mark.parametrize(
    ("tried_at", "request_"),
    [("2026-11-16T03:00:01Z", False), ("2026-11-15T03:00:00Z", True), ("", True)],
)
def test_an_unavailable_one_is_left_alone_for_some_days(tried_at: str, request_: bool) -> None:
    earlier = make_missing(outcome=Outcome.UNAVAILABLE, tried_at=tried_at, reason="refused for good")
    decision = decide(make_backtest(), earlier)
    assert isinstance(decision, FetchReport) is request_
    if not request_:
        assert (decision.outcome, decision.reason) == (Outcome.UNAVAILABLE, "refused for good")


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (BacktestState.RUNNING, "not finished: Running: 42%"),
        (BacktestState.QUEUED, "not finished: Running: 42%"),
        (BacktestState.BROKEN, "no report is made of a failed backtest: Running: 42%"),
    ],
)
def test_what_has_no_report_is_skipped_or_carried(state: BacktestState, reason: str) -> None:
    backtest = make_backtest(state=state, status="Running: 42%")
    new, known = decide(backtest), decide(backtest, make_entry())
    assert (isinstance(new, FetchReport), new.outcome, new.reason) == (False, Outcome.SKIPPED, reason)
    assert (isinstance(known, FetchReport), known.outcome, known.reason) == (False, Outcome.CARRIED, reason)


@pytest.mark.parametrize(
    ("status", "row", "reason"),
    [
        ("In Progress...", {"completed": False, "progress": 0.45}, "not finished: In Progress..."),
        ("Completed.", {"completed": False}, "not finished: Completed. (completed: false)"),
        ("", {"completed": False, "progress": 0}, "not finished: no status (completed: false, progress: 0)"),
    ],
)
def test_the_reason_says_what_shows_that_it_is_not_finished(
    status: str, row: dict[str, Any], reason: str
) -> None:
    assert decide(make_backtest(state=BacktestState.RUNNING, status=status, row=row)).reason == reason


def test_a_status_that_nobody_knows_is_worth_a_try() -> None:
    assert isinstance(decide(make_backtest(state=BacktestState.UNKNOWN, status="Stopped")), FetchReport)


def test_failed_backtests_are_asked_for_on_demand() -> None:
    policy = make_policy(include_broken=True)
    assert isinstance(decide(make_backtest(state=BacktestState.BROKEN), policy=policy), FetchReport)


def test_filters_skip_what_is_new_and_carry_what_is_archived() -> None:
    by_name = make_policy(FilterSettings(names=("x*",)))
    by_project = make_policy(FilterSettings(exclude_projects=("P1",)))
    for policy, words in ((by_name, "its name"), (by_project, "its project is excluded")):
        new, known = (
            decide(make_backtest(), policy=policy),
            decide(make_backtest(), make_entry(), policy=policy),
        )
        assert (new.outcome, known.outcome) == (Outcome.SKIPPED, Outcome.CARRIED)
        assert new.reason == known.reason
        assert words in new.reason


def test_a_filter_does_not_forget_what_the_api_refuses() -> None:
    refused = make_missing(
        outcome=Outcome.UNAVAILABLE, reason="refused for good", tried_at="2020-01-01T00:00:00Z"
    )
    filtered = decide(make_backtest(), refused, policy=make_policy(FilterSettings(names=("x*",))))
    assert (isinstance(filtered, FetchReport), filtered.outcome) == (False, Outcome.UNAVAILABLE)
    assert filtered.reason == "refused for good"
    changed = make_entry(outcome=Outcome.UNAVAILABLE, change_key="k0")
    kept = decide(make_backtest(), changed, policy=make_policy(FilterSettings(names=("x*",))))
    assert (isinstance(kept, FetchReport), kept.outcome) == (False, Outcome.UNAVAILABLE)


def test_the_recycle_bin_is_skipped_unless_wanted() -> None:
    assert decide(make_backtest(), name="Recycle Bin/Old").reason == "its project is in the recycle bin"
    wanted = make_policy(FilterSettings(recycle_bin=True))
    assert isinstance(decide(make_backtest(), policy=wanted, name="Recycle Bin/Old"), FetchReport)


# -- what is not listed --------------------------------------------------------------------------


def test_an_archived_one_that_is_no_longer_listed_is_gone_and_carried() -> None:
    (decision,) = plan_project(make_project(), [], [make_entry()], make_policy())
    assert (decision.gone, decision.listed, decision.outcome) == (True, False, Outcome.CARRIED)
    assert (decision.key[1], decision.name, decision.reason) == ("a", "a", "no longer listed")


def test_what_was_never_archived_and_is_no_longer_listed_is_forgotten() -> None:
    assert plan_project(make_project(), [], [make_missing()], make_policy()) == []
    assert plan_missing_project([make_missing()]) == []


def test_what_is_missing_while_that_proves_nothing_stays_as_it_was() -> None:
    entries = [
        make_entry(),
        make_missing("b", outcome=Outcome.FAILED, failures=2),
        make_entry("c", gone_since="2026-11-20"),
    ]
    for decisions in (
        plan_missing_project(entries, "a doubt"),
        plan_project(make_project(), [], entries, make_policy(), doubt="a doubt"),
    ):
        archived, missing, gone = sorted(decisions, key=lambda decision: decision.key[1])
        assert (archived.outcome, missing.outcome) == (Outcome.CARRIED, Outcome.FAILED)
        for decision in (archived, missing):
            assert (decision.listed, decision.gone, isinstance(decision, FetchReport)) == (
                False,
                False,
                False,
            )
            assert decision.reason == "not listed, which proves nothing: a doubt"
        assert (gone.gone, gone.reason) == (True, "no longer listed")


def test_a_gone_project_keeps_its_former_name() -> None:
    (decision,) = plan_missing_project([make_entry(project="Old", organization_id="o")])
    assert (decision.project.name, decision.project.organization_id) == ("Old", "o")
    assert decision.gone


def test_a_project_that_could_not_be_listed_stays_as_it_was() -> None:
    entries = [make_entry(), make_missing("b", outcome=Outcome.FAILED)]
    archived, missing = plan_unread_project(entries, "HTTP 500")
    assert (archived.outcome, missing.outcome) == (Outcome.CARRIED, Outcome.FAILED)
    for decision in (archived, missing):
        assert (decision.listed, decision.gone, isinstance(decision, FetchReport)) == (False, False, False)
        assert decision.reason == "its project could not be listed: HTTP 500"


def test_why_a_report_is_unavailable_outlives_a_project_that_could_not_be_listed() -> None:
    entry = make_missing(outcome=Outcome.UNAVAILABLE, reason="refused for good")
    (decision,) = plan_unread_project([entry], "HTTP 500")
    assert (decision.outcome, decision.reason) == (Outcome.UNAVAILABLE, "refused for good")


def test_decisions_stand_in_the_order_of_the_inventory() -> None:
    listed = [make_backtest("c"), make_backtest("a"), make_backtest("b", created="2023-01-01T00:00:00Z")]
    gone = make_entry("bb", created="2024-01-01T00:00:00Z")
    decisions = plan_project(make_project(), listed, [gone], make_policy())
    assert [decision.key[1] for decision in decisions] == ["b", "bb", "a", "c"]


# -- the account as a whole ----------------------------------------------------------------------


def make_listing(
    listed: dict[int, list[str]] | None = None,
    unread: dict[int, str] | None = None,
    orphans: dict[int, list[str]] | None = None,
) -> Listing:
    """A listing whose backtests are given by their ids."""

    def of(project_id: int, names: list[str]) -> list[Any]:
        return [make_backtest(name, project_id=project_id) for name in names]

    found = listed or {}
    return Listing(
        projects=set(found),
        load=lambda project_id: (make_project(project_id), of(project_id, found[project_id])),
        unread=unread or {},
        orphans={
            project_id: [(make_project(project_id), backtest) for backtest in of(project_id, names)]
            for project_id, names in (orphans or {}).items()
        },
    )


def test_nothing_is_gone_that_a_doubt_is_about() -> None:
    before = [(n, [make_entry("old", project_id=n)]) for n in (1, 2, 3)]

    def gone(**doubts: Any) -> list[int]:
        listing = replace(make_listing({1: ["a"], 2: ["b"]}, orphans={3: ["new"]}), **doubts)
        return [n for n, each in planned(listing, *before).items() for d in each if d.gone]

    assert gone() == [1, 2, 3, 3]
    assert gone(unproven="cut short") == [1, 2]
    assert gone(bad_rows={2: "a row"}) == [1, 3, 3]
    assert gone(withheld="too much") == []


@pytest.mark.parametrize(
    ("left", "gone", "withheld"), [(4, 0, False), (3, 1, False), (2, 2, False), (1, 3, True), (0, 4, True)]
)
def test_more_than_half_gone_at_once_is_withheld_until_it_is_accepted(
    left: int, gone: int, withheld: bool
) -> None:
    missing = GoneCount()
    before = [(n, [make_entry("a", project_id=n)]) for n in range(1, 5)]
    before.append((9, [make_entry("gone before", project_id=9, gone_since="2026-11-20")] * 9))
    for decisions in planned(make_listing({n: ["a"] for n in range(1, left + 1)}), *before).values():
        for decision in decisions:
            missing.add(decision)
    assert (missing.archived, missing.gone) == (4, gone)
    assert missing.withholds(make_policy()) is withheld
    assert not missing.withholds(make_policy(accept_gone=True))


def planned(listing: Listing, *before: tuple[int, list[InventoryEntry]]) -> dict[int, list[Decision]]:
    return dict(plan_account(listing, before, make_policy()))


def test_projects_come_in_id_order_with_the_gone_ones_between() -> None:
    listing = make_listing({5: ["e"], 1: ["a"]}, unread={3: "HTTP 500"})
    before = [(n, [make_entry(f"old{n}", project_id=n)]) for n in (0, 2, 3, 4, 9)]
    plan = planned(listing, *before)
    assert list(plan) == [0, 1, 2, 3, 4, 5, 9]
    assert [decision.gone for n in (0, 2, 4, 9) for decision in plan[n]] == [True] * 4
    assert [decision.gone for decision in plan[3]] == [False]
    assert [isinstance(decision, FetchReport) for n in (1, 5) for decision in plan[n]] == [True, True]


def test_a_project_is_merged_with_its_own_entries() -> None:
    (decision,) = planned(make_listing({1: ["a"]}), (1, [make_entry("a")]))[1]
    assert (isinstance(decision, FetchReport), decision.outcome) == (False, Outcome.CARRIED)


def test_an_empty_account_has_an_empty_plan() -> None:
    assert planned(make_listing()) == {}
    assert planned(make_listing({1: []})) == {1: []}


def test_what_a_cut_off_attempt_has_read_is_kept_when_it_has_vanished_since() -> None:
    vanished = planned(make_listing({1: ["a"]}, orphans={1: ["a", "b"]}))[1]
    assert [(decision.key[1], decision.listed, decision.gone) for decision in vanished] == [
        ("a", True, False),
        ("b", False, True),
    ]
    assert (vanished[1].outcome, vanished[1].reason) == (Outcome.SAVED, "no longer listed")
    (with_project,) = planned(make_listing(orphans={7: ["b"]}))[7]
    assert with_project.gone


def test_what_a_cut_off_attempt_has_read_is_not_gone_when_its_project_cannot_be_listed() -> None:
    (decision,) = planned(make_listing(unread={1: "HTTP 500"}, orphans={1: ["b"]}))[1]
    assert (decision.listed, decision.gone) == (False, False)
    assert decision.reason == "its project could not be listed: HTTP 500"


def test_what_is_known_to_the_inventory_is_no_orphan() -> None:
    listing = make_listing(unread={1: "x"}, orphans={1: ["a"]})
    (decision,) = planned(listing, (1, [make_entry("a")]))[1]
    assert decision.earlier is not None
