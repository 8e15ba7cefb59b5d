"""From a Decision and what came of it to a line of the Inventory: pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from harvester.harvest.plan import Decision
from harvester.model import InventoryEntry, Outcome

_SAME_WAY: Final = 3
"""Runs in a row that must fail the same way before a report counts as unavailable."""


@dataclass(frozen=True)
class Archived:
    """A report was read and stands in the partial Snapshot."""

    outcome: Outcome
    requests: int
    size_bytes: int
    read_at: str
    """When the API answered, UTC."""
    change_key: str
    """Of the row that the report belongs to."""


@dataclass(frozen=True)
class Missed:
    """No report came of it."""

    outcome: Outcome
    error: str
    error_kind: str
    requests: int


Result = Archived | Missed

GENERATING: Final = "generating"
"""The `error_kind` of what the server was still rendering: no failure."""

_NOT_REACHED: Final = Missed(Outcome.PENDING, "not asked for before the run ended", "", 0)


def settle(decision: Decision, result: Result | None, *, snapshot: str, now: str) -> InventoryEntry:
    """The Inventory's line for one backtest.

    Args:
        decision: What the plan said.
        result: What came of the request; None when none was made, also when the run did not get to it.
        snapshot: The Snapshot's name.
        now: UTC, for when it was last tried.

    Returns:
        An entry whose `path` and sizes are those of the Snapshot before, or empty. Of a report that was
        read in this run they are filled in from its own record.
    """
    entry = _listing_part(decision, snapshot)
    if result is None and decision.request:
        result = _NOT_REACHED
    if result is None:
        entry = msgspec.structs.replace(entry, outcome=decision.outcome, reason=decision.reason)
        return entry if decision.outcome is not Outcome.CARRIED else _without_failure(entry)
    if isinstance(result, Archived):
        kept = result.outcome is Outcome.UNCHANGED
        entry = msgspec.structs.replace(
            entry,
            outcome=result.outcome,
            tries=result.requests,
            reason=decision.reason,
            read_at=result.read_at,
            change_key=result.change_key,
            saved_in=entry.saved_in if kept else snapshot,
        )
        return _without_failure(entry)
    return _missed(entry, decision, result, now)


def count(outcomes: Mapping[Outcome, int]) -> dict[str, int]:
    """Every Outcome's number, also those that did not occur, so that the sum is plain to see."""
    return {outcome.value: outcomes.get(outcome, 0) for outcome in Outcome}


def _listing_part(decision: Decision, snapshot: str) -> InventoryEntry:
    backtest, project, earlier = decision.backtest, decision.project, decision.earlier
    if backtest is None:
        if earlier is None:
            raise ValueError("a decision without a listed backtest needs an earlier one")
        since = (earlier.gone_since or snapshot) if decision.gone else earlier.gone_since
        return msgspec.structs.replace(earlier, listed=False, gone_since=since, project=project.name, tries=0)
    entry = earlier or InventoryEntry(
        project_id=project.project_id,
        backtest_id=backtest.backtest_id,
        project=project.name,
        name=backtest.name,
        outcome=Outcome.PENDING,
    )
    return msgspec.structs.replace(
        entry,
        project=project.name,
        name=backtest.name,
        created=backtest.created,
        status=backtest.status,
        listed=decision.listed,
        gone_since=snapshot if decision.gone else "",
        organization_id=project.organization_id,
        optimization_id=backtest.optimization_id,
        tags=backtest.tags,
        statistics=backtest.statistics,
        tries=0,
    )


def _without_failure(entry: InventoryEntry) -> InventoryEntry:
    return msgspec.structs.replace(entry, error="", error_kind="", failures=0, tried_at="")


def _missed(entry: InventoryEntry, decision: Decision, result: Missed, now: str) -> InventoryEntry:
    kind = "" if result.error_kind == GENERATING else result.error_kind
    same = entry.failures if kind == entry.error_kind else 0
    failures = same + 1 if kind else 0
    if not result.requests:  # a run that did not ask has learned nothing
        kind, failures = entry.error_kind, entry.failures
    outcome, reason = result.outcome, ""
    if outcome is Outcome.PENDING and not result.requests and decision.earlier and decision.earlier.archived:
        outcome, reason = Outcome.CARRIED, result.error
    elif outcome is Outcome.PENDING:
        reason = result.error
    elif outcome is Outcome.FAILED and failures >= _SAME_WAY:
        outcome, reason = Outcome.UNAVAILABLE, f"failed the same way in {failures} runs"
    elif outcome is Outcome.UNAVAILABLE:
        reason = "the API refuses it for good"
    return msgspec.structs.replace(
        entry,
        outcome=outcome,
        reason=reason,
        tries=result.requests,
        error="" if outcome in (Outcome.PENDING, Outcome.CARRIED) else result.error,
        error_kind=kind,
        failures=failures,
        tried_at=now if result.requests else entry.tried_at,
    )
