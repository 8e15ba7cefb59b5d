"""What is decided and written down about reports whose files are lost."""

from __future__ import annotations

from typing import Any

import pytest
from support.values import make_backtest, make_decision, make_missing, make_policy, make_project

from harvester.config.settings import FilterSettings
from harvester.harvest.decision import FetchReport
from harvester.harvest.plan import plan_missing_project, plan_project, plan_unread_project
from harvester.harvest.settle import Archived, Miss, NoReport, settle
from harvester.model import InventoryEntry, Outcome

TODAY = "2026-11-22"
REASON = "2026-11-20/data/p1_1/a/report.html is missing; no other copy of these bytes was found"


def make_lost(**fields: Any) -> InventoryEntry:
    """The line for a report that was found lost two days ago."""
    given = {
        "lost_since": "2026-11-20", "report_sha256": "f" * 64, "saved_in": "2026-11-01", "reason": REASON,
    }  # fmt: skip
    return make_missing(outcome=Outcome.LOST, **(given | fields))


@pytest.mark.parametrize(
    ("given_up", "requested"),
    [
        ({}, True),
        ({"failures": 2, "error_kind": "HTTP 500", "tried_at": "2026-11-21T03:00:00Z"}, True),
        ({"failures": 3, "error_kind": "HTTP 500", "tried_at": "2026-11-21T03:00:00Z"}, False),
        ({"failures": 3, "error_kind": "HTTP 500", "tried_at": "2026-11-14T03:00:00Z"}, True),
    ],
)
def test_a_lost_report_is_requested_each_night_until_it_was_refused_three_times(
    given_up: dict[str, Any], requested: bool
) -> None:
    (decision,) = plan_project(make_project(), [make_backtest()], [make_lost(**given_up)], make_policy())
    assert isinstance(decision, FetchReport) is requested


def test_a_lost_report_stays_in_the_inventory_whatever_is_listed() -> None:
    lost = make_lost()
    filtered = make_policy(FilterSettings(names=("x*",)))
    (unwanted,) = plan_project(make_project(), [make_backtest()], [lost], filtered)
    (gone,) = plan_missing_project([lost])
    (unread,) = plan_unread_project([lost], "HTTP 500")
    for decision in (unwanted, gone, unread):
        entry = settle(decision, None, snapshot=TODAY, now="")
        assert (entry.outcome, entry.reason, entry.report_sha256) == (Outcome.LOST, REASON, "f" * 64)
        assert (entry.lost_since, entry.saved_in) == ("2026-11-20", "2026-11-01")
    assert settle(gone, None, snapshot=TODAY, now="").gone_since == TODAY


@pytest.mark.parametrize("miss", list(Miss))
def test_a_lost_report_that_is_not_read_again_is_lost_for_whatever_reason(miss: Miss) -> None:
    decision = make_decision(earlier=make_lost())
    result = NoReport(miss, "words", "HTTP 500", 1)
    entry = settle(decision, result, snapshot=TODAY, now="2026-11-22T03:00:00Z")
    assert (entry.outcome, entry.reason, entry.tries) == (Outcome.LOST, REASON, 1)
    assert (entry.listed, entry.gone_since) == ((False, TODAY) if miss is Miss.DELISTED else (True, ""))


@pytest.mark.parametrize(
    ("outcome", "saved_in"),
    [(Outcome.CARRIED, "2026-11-01"), (Outcome.UNCHANGED, "2026-11-01"), (Outcome.UPDATED, TODAY)],
)
def test_a_lost_report_that_is_there_again_is_healthy(outcome: Outcome, saved_in: str) -> None:
    result = Archived(outcome, 1, 10, "2026-11-22T03:00:00Z", "k1")
    entry = settle(make_decision(earlier=make_lost()), result, snapshot=TODAY, now="")
    assert (entry.outcome, entry.lost_since, entry.saved_in) == (outcome, "", saved_in)
