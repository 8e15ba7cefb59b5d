"""From a decision and what came of it to a line of the Inventory."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.values import (
    make_backtest,
    make_decision,
    make_entry,
    make_missing,
    make_no_request,
    make_project,
)

from harvester.harvest.decision import AsBefore, Decision, Gone, Orphan
from harvester.harvest.settle import Archived, Miss, NoReport, Result, confirm_missing, count, settle
from harvester.model import InventoryEntry, Outcome

NOT_FOUND = "refused: Backtest not found"
TONIGHT = "2026-11-22"
AT = "2026-11-22T03:30:00Z"
FRESH = Archived(Outcome.SAVED, 2, 1000, "2026-11-22T03:10:00Z", "k2")


def settled(decision: Decision, result: Result | None = None) -> InventoryEntry:
    return settle(decision, result, snapshot=TONIGHT, now=AT)


def test_a_saved_report_has_its_line() -> None:
    line = settled(make_decision(), FRESH)
    assert (line.outcome, line.tries, line.read_at) == (Outcome.SAVED, 2, "2026-11-22T03:10:00Z")
    assert (line.saved_in, line.change_key, line.error) == (TONIGHT, "k2", "")
    assert (line.project, line.name, line.listed) == ("P1", "a", True)


def test_an_updated_one_is_saved_anew_and_an_unchanged_one_where_it_was() -> None:
    decision = make_decision(earlier=make_entry())
    updated = settled(decision, Archived(Outcome.UPDATED, 1, 9, AT, "k2"))
    unchanged = settled(decision, Archived(Outcome.UNCHANGED, 1, 9, AT, "k2"))
    assert (updated.saved_in, unchanged.saved_in) == (TONIGHT, "2026-11-21")
    assert updated.read_at == unchanged.read_at == AT


def test_what_the_listing_says_is_taken_over_also_when_nothing_is_asked_for() -> None:
    backtest = make_backtest(
        backtest_id="a",
        name="New",
        tags=("t",),
        statistics={"sharpeRatio": 1.0},
        optimization_id="O-1",
        status="Done",
    )
    project = make_project(name="Renamed", organization_id="o")
    line = settled(make_no_request(project=project, backtest=backtest, earlier=make_entry()))
    assert (line.outcome, line.name, line.project, line.status) == (Outcome.CARRIED, "New", "Renamed", "Done")
    assert (line.tags, line.statistics, line.optimization_id) == (("t",), {"sharpeRatio": 1.0}, "O-1")
    assert (line.organization_id, line.tries, line.path) == ("o", 0, "data/p1_1/a")


def test_a_carried_line_forgets_earlier_failures_and_a_skipped_one_keeps_them() -> None:
    failed = {
        "error": "HTTP 500",
        "error_kind": "HTTP 500",
        "failures": 2,
        "tried_at": "2026-11-21T03:00:00Z",
    }
    carried = settled(make_no_request(earlier=make_entry(**failed)))
    assert (carried.error, carried.failures) == ("", 0)
    skipped = make_no_request(earlier=make_missing(**failed), outcome=Outcome.SKIPPED, reason="x")
    assert (settled(skipped).failures, settled(skipped).reason) == (2, "x")


def test_what_was_never_reached_is_pending_or_carried() -> None:
    new, known = settled(make_decision()), settled(make_decision(earlier=make_entry()))
    assert (new.outcome, known.outcome) == (Outcome.PENDING, Outcome.CARRIED)
    assert new.reason == known.reason == "not asked for before the run ended"
    assert (new.tries, new.tried_at) == (0, "")


# -- no report came of it ------------------------------------------------------------------------


def missed(miss: Miss = Miss.FAILED, *, kind: str = "HTTP 500", requests: int = 3) -> NoReport:
    return NoReport(miss, "the words", kind, requests)


def test_a_failure_keeps_its_last_error_and_the_count_of_tries() -> None:
    line = settled(make_decision(), missed())
    assert (line.outcome, line.error, line.error_kind) == (Outcome.FAILED, "the words", "HTTP 500")
    assert (line.tries, line.failures, line.tried_at, line.reason) == (3, 1, AT, "")


def test_the_third_failure_in_the_same_way_makes_it_unavailable() -> None:
    line: InventoryEntry | None = None
    seen = []
    for _ in range(4):
        line = settled(make_decision(earlier=line), missed())
        seen.append((line.outcome, line.failures))
    assert seen == [
        (Outcome.FAILED, 1),
        (Outcome.FAILED, 2),
        (Outcome.UNAVAILABLE, 3),
        (Outcome.UNAVAILABLE, 4),
    ]
    assert line is not None
    assert (line.reason, line.error) == ("failed the same way in 4 runs", "the words")


def test_another_way_of_failing_counts_anew() -> None:
    first = settled(make_decision(), missed())
    second = settled(make_decision(earlier=first), missed(kind="no answer"))
    assert (second.failures, second.error_kind) == (1, "no answer")


def test_what_is_not_found_while_it_is_listed_has_failed() -> None:
    line = settled(make_decision(), missed(Miss.NOT_FOUND, kind=NOT_FOUND))
    assert (line.outcome, line.error, line.failures) == (Outcome.FAILED, "the words", 1)
    third = make_missing(outcome=Outcome.FAILED, error_kind=NOT_FOUND, failures=2)
    assert settled(make_decision(earlier=third), missed(Miss.NOT_FOUND, kind=NOT_FOUND)).outcome is (
        Outcome.UNAVAILABLE
    )


def test_what_is_neither_found_nor_listed_any_more_is_unavailable_at_once() -> None:
    line = settled(make_decision(), missed(Miss.DELISTED, kind=NOT_FOUND))
    assert (line.outcome, line.error, line.listed) == (Outcome.UNAVAILABLE, "the words", True)
    assert line.reason == "reported missing, and a listing read again no longer has it"


def test_what_was_archived_and_is_neither_found_nor_listed_any_more_is_gone() -> None:
    earlier = make_entry(change_key="k0", error_kind=NOT_FOUND, failures=1)
    line = settled(make_decision(earlier=earlier), missed(Miss.DELISTED, kind=NOT_FOUND))
    assert (line.outcome, line.reason) == (Outcome.CARRIED, "no longer listed")
    assert (line.listed, line.gone_since, line.tries) == (False, TONIGHT, 3)
    assert (line.path, line.change_key, line.error, line.failures) == ("data/p1_1/a", "k0", "", 0)


def test_only_what_was_not_found_can_be_confirmed_missing() -> None:
    results: dict[tuple[int, str], Result] = {
        (1, "deleted"): missed(Miss.NOT_FOUND),
        (1, "listed"): missed(Miss.NOT_FOUND),
        (1, "failed"): missed(Miss.FAILED),
        (1, "saved"): FRESH,
        (2, "deleted"): missed(Miss.NOT_FOUND),
        (1, "child"): replace(missed(Miss.NOT_FOUND), optimization_id="O-1"),
    }
    assert confirm_missing(results, {(1, ""): {"listed"}}) == {(1, "deleted"): missed(Miss.DELISTED)}
    named = confirm_missing(results, {(1, "O-1"): {"child"}})
    deleted = confirm_missing(results, {(1, "O-1"): set()})
    assert (named, list(deleted)) == ({}, [(1, "child")])


def test_a_report_that_is_still_generated_is_pending_with_no_error() -> None:
    earlier = make_missing(outcome=Outcome.FAILED, error="e", error_kind="HTTP 500", failures=2)
    line = settled(make_decision(earlier=earlier), missed(Miss.GENERATING, kind=""))
    assert (line.outcome, line.reason, line.error, line.failures) == (Outcome.PENDING, "the words", "", 0)
    assert line.tried_at == AT


def test_a_failure_whose_tries_were_cut_off_counts_without_being_one() -> None:
    earlier = make_missing(outcome=Outcome.FAILED, failures=1, error_kind="HTTP 500")
    line = settled(make_decision(earlier=earlier), missed(Miss.UNREACHED, kind="HTTP 500"))
    assert (line.outcome, line.failures, line.error_kind) == (Outcome.PENDING, 2, "HTTP 500")


def test_a_run_that_did_not_ask_forgets_no_failure() -> None:
    earlier = make_missing(outcome=Outcome.FAILED, failures=2, error_kind="HTTP 500")
    line = settled(make_decision(earlier=earlier), missed(Miss.UNREACHED, kind="", requests=0))
    assert (line.outcome, line.failures, line.error_kind) == (Outcome.PENDING, 2, "HTTP 500")


def test_what_was_archived_and_not_asked_for_is_carried() -> None:
    decision = make_decision(earlier=make_entry())
    line = settled(decision, missed(Miss.UNREACHED, kind="", requests=0))
    assert (line.outcome, line.reason, line.tried_at) == (Outcome.CARRIED, "the words", "")


def test_what_was_archived_and_is_generated_anew_is_pending_and_stays() -> None:
    line = settled(make_decision(earlier=make_entry()), missed(Miss.GENERATING, kind=""))
    assert (line.outcome, line.path) == (Outcome.PENDING, "data/p1_1/a")


def test_a_failed_refresh_keeps_what_was_archived() -> None:
    line = settled(make_decision(earlier=make_entry()), missed())
    assert (line.outcome, line.path, line.saved_in) == (Outcome.FAILED, "data/p1_1/a", "2026-11-21")
    assert line.change_key == "k1"


# -- not listed ----------------------------------------------------------------------------------


def unlisted(entry: InventoryEntry | None, *, gone: bool) -> Decision:
    project = make_project()
    if entry is None:
        return Orphan(project, make_backtest(), None, reason="why", gone=gone)
    return Gone(project, entry, Outcome.CARRIED) if gone else AsBefore(project, entry, Outcome.CARRIED, "why")


def test_gone_since_is_the_first_snapshot_that_missed_it() -> None:
    assert settled(unlisted(make_entry(), gone=True)).gone_since == TONIGHT
    again = make_entry(listed=False, gone_since="2026-11-01")
    assert settled(unlisted(again, gone=True)).gone_since == "2026-11-01"
    assert not settled(unlisted(make_entry(), gone=True)).listed


def test_a_project_that_could_not_be_listed_changes_nothing() -> None:
    line = settled(unlisted(make_entry(), gone=False))
    assert (line.outcome, line.gone_since, line.listed) == (Outcome.CARRIED, "", False)
    assert settled(unlisted(make_entry(gone_since="2026-11-01"), gone=False)).gone_since == "2026-11-01"


def test_what_comes_back_is_no_longer_gone() -> None:
    earlier = make_entry(listed=False, gone_since="2026-11-01")
    line = settled(make_no_request(earlier=earlier))
    assert (line.listed, line.gone_since) == (True, "")


@pytest.mark.parametrize(("gone", "since"), [(True, TONIGHT), (False, "")])
def test_what_a_cut_off_attempt_has_read_keeps_its_report(gone: bool, since: str) -> None:
    line = settled(unlisted(None, gone=gone), FRESH)
    assert (line.outcome, line.listed, line.gone_since) == (Outcome.SAVED, False, since)


def test_every_outcome_is_counted_also_those_that_did_not_occur() -> None:
    counts = count({Outcome.SAVED: 3})
    assert counts["saved"] == sum(counts.values()) == 3
    assert list(counts) == [outcome.value for outcome in Outcome]
