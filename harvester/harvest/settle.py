"""From a Decision and the fact about its request to a line of the Inventory: pure.

All Outcomes of requests are decided here. The first case that applies:

| decision and fact                                                | Outcome                           |
|------------------------------------------------------------------|-----------------------------------|
| no request, no fact                                              | the decision's own                |
| `Archived`: saved, updated, unchanged, or restored (`carried`)   | the one of the fact               |
| `DELISTED`, and archived or lost before                          | carried, gone                     |
| any other fact, and lost before                                  | lost                              |
| `UNREACHED` without a request, and archived before               | carried                           |
| `UNREACHED`, `GENERATING`                                        | pending                           |
| `DELISTED`, and never archived                                   | unavailable                       |
| `FAILED`, `NOT_FOUND`: as in the two runs before                 | unavailable                       |
| `FAILED`, `NOT_FOUND`: otherwise                                 | failed                            |

A failure counts as the same as the one before if their `error_kind` is equal; a run without a request
changes neither count nor kind.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

import msgspec

from harvester.harvest.decision import NO_LONGER_LISTED, AsBefore, Decision, FetchReport, Gone
from harvester.harvest.plan import SAME_WAY, is_kept
from harvester.model import InventoryEntry, Outcome


@dataclass(frozen=True)
class Archived:
    """A report was read, or restored, and is in the partial Snapshot."""

    outcome: Outcome
    requests: int
    size_bytes: int
    read_at: str
    """When the API answered, UTC."""
    change_key: str
    """Of the row that the report belongs to."""


class Miss(Enum):
    """Why there is no report after a request was wanted: a fact, and not yet an Outcome."""

    UNREACHED = "unreached"
    """The run ended before the report was requested, or before there was any other fact about it."""
    GENERATING = "generating"
    """The server was still rendering it at the deadline."""
    FAILED = "failed"
    """All calls failed, and the last one for another reason than the next."""
    NOT_FOUND = "not found"
    """All calls failed, and the last one because the server knows no such backtest."""
    DELISTED = "delisted"
    """`NOT_FOUND`, and a listing that was read again afterwards does not have the backtest either."""


@dataclass(frozen=True)
class NoReport:
    """No report was read."""

    miss: Miss
    error: str
    """The last error, or what happened instead of one."""
    error_kind: str
    """What makes two failures "the same way"; empty: no call failed."""
    requests: int
    optimization_id: str = ""
    """The optimization that alone names the backtest; empty: its project's listing has it."""

    @property
    def outcome(self) -> Outcome:
        """The Outcome as far as this run alone decides it; `settle` also knows the runs before."""
        return _OUTCOMES[self.miss]


_OUTCOMES: Final = {
    Miss.UNREACHED: Outcome.PENDING,
    Miss.GENERATING: Outcome.PENDING,
    Miss.FAILED: Outcome.FAILED,
    Miss.NOT_FOUND: Outcome.FAILED,
    Miss.DELISTED: Outcome.UNAVAILABLE,
}

Result = Archived | NoReport

_NOT_REACHED: Final = NoReport(Miss.UNREACHED, "not asked for before the run ended", "", 0)


def settle(decision: Decision, result: Result | None, *, snapshot: str, now: str) -> InventoryEntry:
    """The Inventory's line for one backtest.

    Args:
        decision: What the plan said.
        result: The fact about its request, or about a restored report; None if there is neither.
        snapshot: The Snapshot's name.
        now: UTC, for when it was last tried.

    Returns:
        An entry with the path and sizes of the previous Snapshot, or without any. For a report that was read
        in this run they are filled in from its own record.
    """
    entry = _settled(decision, result, snapshot, now)
    if entry.lost_since and decision.earlier is not None:
        # There is still no report, whatever the fact is; the error says why it was not read again.
        return msgspec.structs.replace(entry, outcome=Outcome.LOST, reason=decision.earlier.reason)
    return entry


def _settled(decision: Decision, result: Result | None, snapshot: str, now: str) -> InventoryEntry:
    entry = _listing_part(decision, snapshot)
    reason = "" if isinstance(decision, FetchReport) else decision.reason
    if isinstance(result, Archived):
        # The bytes are those of an earlier Snapshot, so `saved_in` goes on naming that one.
        kept = result.outcome in (Outcome.UNCHANGED, Outcome.CARRIED)
        entry = msgspec.structs.replace(
            entry,
            outcome=result.outcome,
            tries=result.requests,
            reason=reason,
            read_at=result.read_at,
            change_key=result.change_key,
            saved_in=entry.saved_in if kept else snapshot,
            lost_since="",
        )
        return _without_failure(entry)
    if result is None and not isinstance(decision, FetchReport):
        entry = msgspec.structs.replace(entry, outcome=decision.outcome, reason=reason)
        return entry if decision.outcome is not Outcome.CARRIED else _without_failure(entry)
    result = result or _NOT_REACHED
    if result.miss is Miss.DELISTED and is_kept(entry):
        return _gone(entry, result, snapshot)
    return _missed(entry, decision, result, now)


def confirm_missing(
    results: Mapping[tuple[int, str], Result], relisted: Mapping[tuple[int, str], Collection[str]]
) -> dict[tuple[int, str], NoReport]:
    """The facts that a listing read again has changed: the backtest is neither found nor listed any more.

    Args:
        results: Facts of this run, by project and backtest id.
        relisted: The backtest ids of what was listed again after the last attempt, by project and
            optimization id; an empty one means the project's own listing.
    """
    return {
        (project_id, backtest_id): replace(result, miss=Miss.DELISTED)
        for (project_id, backtest_id), result in results.items()
        if isinstance(result, NoReport)
        and result.miss is Miss.NOT_FOUND
        and (project_id, result.optimization_id) in relisted
        and backtest_id not in relisted[project_id, result.optimization_id]
    }


def count(outcomes: Mapping[Outcome, int]) -> dict[str, int]:
    """Every Outcome's number, also those that did not occur, so that the sum is plain to see."""
    return {outcome.value: outcomes.get(outcome, 0) for outcome in Outcome}


def _listing_part(decision: Decision, snapshot: str) -> InventoryEntry:
    """The line as far as the listing decides it; all else is from the line before."""
    if isinstance(decision, AsBefore | Gone):
        earlier = decision.earlier
        since = (earlier.gone_since or snapshot) if decision.gone else earlier.gone_since
        return msgspec.structs.replace(
            earlier, listed=decision.listed, gone_since=since, project=decision.project.name, tries=0
        )
    backtest, project = decision.backtest, decision.project
    entry = decision.earlier or InventoryEntry(
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
        source=backtest.source,
        tags=backtest.tags,
        statistics=backtest.statistics,
        tries=0,
    )


def _gone(entry: InventoryEntry, result: NoReport, snapshot: str) -> InventoryEntry:
    """Return the line of a report that was archived before, for a backtest deleted during this run."""
    return msgspec.structs.replace(
        _without_failure(entry),
        outcome=Outcome.CARRIED,
        reason=NO_LONGER_LISTED,
        listed=False,
        gone_since=snapshot,
        tries=result.requests,
    )


def _without_failure(entry: InventoryEntry) -> InventoryEntry:
    return msgspec.structs.replace(entry, error="", error_kind="", failures=0, tried_at="")


def _missed(entry: InventoryEntry, decision: Decision, result: NoReport, now: str) -> InventoryEntry:
    """The line of a backtest without a report, with the failures that are counted for it."""
    kind, failures = result.error_kind, 0
    if kind:
        failures = 1 + (entry.failures if kind == entry.error_kind else 0)
    # A run that has not asked has learned nothing.
    if not result.requests:
        kind, failures = entry.error_kind, entry.failures
    outcome, reason = _outcome(decision, result, failures)
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


def _outcome(decision: Decision, result: NoReport, failures: int) -> tuple[Outcome, str]:
    """The Outcome of a report that was not read, and the reason for it.

    Args:
        decision: What the plan said.
        result: The facts of this run.
        failures: Runs in a row that failed the same way, this one included.
    """
    archived = decision.earlier is not None and decision.earlier.archived
    if result.outcome is Outcome.PENDING and not result.requests and archived:
        return Outcome.CARRIED, result.error
    if result.outcome is Outcome.PENDING:
        return Outcome.PENDING, result.error
    if result.miss is Miss.DELISTED:
        return Outcome.UNAVAILABLE, "reported missing, and a listing read again no longer has it"
    if failures >= SAME_WAY:
        return Outcome.UNAVAILABLE, f"failed the same way in {failures} runs"
    return Outcome.FAILED, ""
