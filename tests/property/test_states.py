"""Any row of a listing: what is not finished is never requested, and what is finished is."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.values import make_entry, make_missing, make_policy, make_project

from harvester.api.rows import parse_backtests
from harvester.api.wire import Answer
from harvester.harvest.decision import Decision, FetchReport
from harvester.harvest.plan import plan_project
from harvester.model import InventoryEntry, Outcome

OPEN = ("in progress", "running", "in queue")
KNOWN = ["In Progress...", "Running: 42%", "In Queue...", "Completed.", "Runtime Error", "Stopped.", "", None]
statuses = st.one_of(st.sampled_from(KNOWN), st.text(max_size=12), st.integers())
progress = st.one_of(st.none(), st.booleans(), st.floats(0, 1), st.integers(-1, 2), st.text(max_size=3))
errors = st.sampled_from([None, "", "Division by zero"])
earlier = st.sampled_from(
    [None, make_entry(), make_entry(change_key="other"), *map(make_missing, ["a"] * 2, Outcome)]
)


def decide(row: dict[str, Any], entry: InventoryEntry | None) -> Decision:
    answer = Answer(backtests=[{"backtestId": "a", "name": "a"} | row])
    backtests = parse_backtests(answer, 1, endpoint="backtests/list")
    policy = make_policy(include_broken=True)
    (decision,) = plan_project(make_project(), backtests, [entry] if entry else [], policy)
    return decision


def assert_not_requested(row: dict[str, Any], entry: InventoryEntry | None) -> None:
    decision = decide(row, entry)
    kept = entry is not None and entry.archived
    assert not isinstance(decision, FetchReport)
    assert decision.outcome is (Outcome.CARRIED if kept else Outcome.SKIPPED)
    assert decision.reason.startswith("not finished: ")


@given(statuses, progress, earlier)
def test_what_is_not_completed_and_met_no_error_is_never_requested(
    status: Any, progress: Any, entry: InventoryEntry | None
) -> None:
    for error in (None, "", " "):
        row = {"status": status, "completed": False, "progress": progress, "error": error}
        assert_not_requested(row, entry)


@given(st.sampled_from(OPEN), st.text(max_size=5), st.booleans() | st.none(), progress, errors, earlier)
def test_what_is_called_running_or_queued_is_never_requested(
    words: str, rest: str, completed: Any, progress: Any, error: Any, entry: InventoryEntry | None
) -> None:
    for status in (words + rest, words.title() + rest, f"  {words.upper()}{rest}"):
        row = {"status": status, "completed": completed, "progress": progress, "error": error}
        assert_not_requested(row, entry)


@given(statuses, progress, errors)
def test_what_is_completed_and_not_called_running_or_queued_is_requested(
    status: Any, progress: Any, error: Any
) -> None:
    words = str(status).lower().strip(". ")
    if words.replace(" ", "").startswith(("inprogress", "running", "inqueue", "queued")):
        return
    row = {"status": status, "completed": True, "progress": progress, "error": error}
    assert isinstance(decide(row, None), FetchReport)
    assert not isinstance(
        decide(row, make_entry(change_key=decide(row, None).backtest.change_key)), FetchReport
    )  # type: ignore[union-attr]
