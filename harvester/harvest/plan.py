"""Decides about each backtest: a pure merge of each project's listing with the previous Inventory.

What the previous Inventory has and no list of this run:

| case                                                                      | decision                   |
|---------------------------------------------------------------------------|----------------------------|
| its project could not be listed                                           | `AsBefore`                 |
| its optimization could not be read, or was not requested                  | `AsBefore`                 |
| the listing is not proven complete, or too much is missing at once        | `AsBefore`                 |
| it was gone before, and is archived or lost                               | `Gone`, since then         |
| the listing proves that it is deleted, and it is archived or lost         | `Gone`, since now          |
| the listing proves that it is deleted, and nothing of it is archived      | none: its line is dropped  |

`_decide` has the cases of what is listed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from harvester.config import Selection, Settings
from harvester.format import AT_ONCE
from harvester.harvest.decision import (
    NO_LONGER_LISTED,
    AsBefore,
    Decision,
    FetchReport,
    Gone,
    NoRequest,
    Orphan,
)
from harvester.harvest.portions import Portion, cut
from harvester.model import Backtest, BacktestState, InventoryEntry, Outcome, Project

SAME_WAY: Final = 3
"""Runs in a row that must fail the same way before a report counts as unavailable."""
_UNREAD: Final = "its project could not be listed: {}"
_DOUBTED: Final = "not listed, which proves nothing: {}"
_UNREAD_OPTIMIZATION: Final = "its optimization could not be read: {}"
_NOT_ASKED: Final = "only its optimization names it, and that was not asked for"


@dataclass(frozen=True)
class Policy:
    """The settings that decide what a run requests."""

    selection: Selection
    now: datetime
    """Start of the run, UTC."""
    refresh_after: timedelta | None = None
    """Read again what was last read longer ago than this; None: never."""
    include_broken: bool = False
    retry_unavailable: timedelta = timedelta(days=7)
    accept_gone: bool = False
    """Accept a listing that lacks more than half of what is archived."""
    optimizations: bool = True
    """Ask for optimizations, which may name backtests that no listing has."""

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        *,
        now: datetime,
        refresh_days: float | None = None,
        accept_gone: bool = False,
    ) -> Policy:
        """What these settings and the options of one run want, as of `now`."""
        reports = settings.reports
        return cls(
            selection=Selection(settings.filters),
            now=now,
            refresh_after=None if refresh_days is None else timedelta(days=refresh_days),
            include_broken=reports.include_broken,
            retry_unavailable=timedelta(days=reports.retry_unavailable_days),
            accept_gone=accept_gone,
            optimizations=reports.optimizations,
        )


@dataclass(frozen=True)
class Optimizations:
    """How far the optimizations of one project are known in this run."""

    asked: bool = True
    """False: they are as they were read last, since the project's listing has not changed or is filtered."""
    off: bool = False
    """The settings do not want them to be requested."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """Errors by optimization id; an empty id means the list of the project's optimizations."""

    def are_as_before(self, entry: InventoryEntry) -> bool:
        """Whether a backtest that no list of this run has counts as listed, as it was before."""
        return bool(entry.source) and not (self.asked or self.off or entry.gone_since)

    def doubt(self, optimization_id: str, source: str) -> str:
        """Why a backtest that no list has may exist all the same; empty when it does not."""
        if not optimization_id:
            return ""
        if source and not self.asked:
            return _NOT_ASKED
        error = self.unread.get(optimization_id) or self.unread.get("")
        return _UNREAD_OPTIMIZATION.format(error) if error else ""


@dataclass(frozen=True)
class Listing:
    """What discovery found, project by project, so that one project at a time is in memory."""

    projects: Set[int]
    """Ids of the projects for which backtests were listed."""
    load: Callable[[int], tuple[Project, Collection[Backtest]]]
    """A project and its backtests; many of them are in the Inventory's order."""
    unread: Mapping[int, str]
    """Projects for which backtests could not be listed, with the error."""
    orphans: Mapping[int, Sequence[tuple[Project, Backtest]]]
    """Reports that an interrupted attempt of this Snapshot has already read."""
    unproven: str = ""
    """Why a project that was not listed may exist all the same; empty: it does not."""
    bad_rows: Mapping[int, str] = field(default_factory=dict)
    """Listed projects with rows that may be any backtest, with what is wrong with them."""
    withheld: str = ""
    """Why nothing at all may become gone; empty: what the listing proves may."""
    optimizations: Callable[[int], Optimizations] = lambda _: Optimizations()
    """How far those of a project are known."""

    def doubt(self, project_id: int) -> str:
        """Why what is missing of a project is not gone; empty: it is."""
        listed = project_id in self.projects
        return self.withheld or (self.bad_rows.get(project_id, "") if listed else self.unproven)


def plan_account(
    listing: Listing,
    earlier: Iterable[tuple[int, Collection[InventoryEntry]]],
    policy: Policy,
    *,
    at_once: int = AT_ONCE,
) -> Iterator[tuple[int, list[Decision]]]:
    """Every project's decisions, by project id: the listing merged with the Inventory before it.

    Args:
        listing: Read project by project.
        earlier: The previous Inventory's entries, by project id ascending.
        policy: What is wanted.
        at_once: A larger project comes in several portions, one after the other.
    """
    before = iter(earlier)
    # A merge of two sorted streams, so that only one project is in memory.
    held = next(before, None)
    for project_id in sorted({*listing.projects, *listing.unread, *listing.orphans}):
        while held is not None and held[0] < project_id:
            yield from _plan_portions(listing, *held, policy, at_once)
            held = next(before, None)
        entries: Collection[InventoryEntry] = ()
        if held is not None and held[0] == project_id:
            entries, held = held[1], next(before, None)
        yield from _plan_portions(listing, project_id, entries, policy, at_once)
    while held is not None:
        yield from _plan_portions(listing, *held, policy, at_once)
        held = next(before, None)


def _plan_portions(
    listing: Listing, project_id: int, entries: Collection[InventoryEntry], policy: Policy, at_once: int
) -> Iterator[tuple[int, list[Decision]]]:
    project: Project | None = None
    rows: Collection[Backtest] = ()
    if project_id in listing.projects and project_id not in listing.unread:
        project, rows = listing.load(project_id)

    def decides(entry: InventoryEntry) -> bool:
        return bool(_plan_one(listing, (project_id, project), Portion(entries=[entry]), policy))

    for portion in cut((rows, entries, listing.orphans.get(project_id, ())), at_once, decides):
        yield project_id, _plan_one(listing, (project_id, project), portion, policy)


def _plan_one(
    listing: Listing, owner: tuple[int, Project | None], portion: Portion, policy: Policy
) -> list[Decision]:
    """The decisions about one portion; `owner`: the project's id, and the project if it was listed."""
    project_id, project = owner
    doubt = listing.doubt(project_id)
    optimizations = listing.optimizations(project_id)
    missing = _DOUBTED.format(doubt) if doubt else ""
    if project_id in listing.unread:
        decisions = plan_unread_project(portion.entries, listing.unread[project_id])
        missing = _UNREAD.format(listing.unread[project_id])
    elif project is not None:
        decisions = plan_project(
            project, portion.rows, portion.entries, policy, doubt=doubt, optimizations=optimizations
        )
    else:
        decisions = plan_missing_project(portion.entries, doubt)
    # A listed backtest has its decision already; its report on disk is found by the results.
    decided = {decision.key for decision in decisions}
    decisions += [
        _orphan(project, backtest, missing or optimizations.doubt(backtest.optimization_id, backtest.source))
        for project, backtest in portion.orphans
        if (project_id, backtest.backtest_id) not in decided
    ]
    return sorted(decisions, key=lambda decision: decision.order)


def _orphan(project: Project, backtest: Backtest, doubt: str) -> Orphan:
    return Orphan(project, backtest, None, doubt or NO_LONGER_LISTED, gone=not doubt)


def plan_project(
    project: Project,
    backtests: Sequence[Backtest],
    earlier: Sequence[InventoryEntry],
    policy: Policy,
    *,
    doubt: str = "",
    optimizations: Optimizations = Optimizations(),
) -> list[Decision]:
    """Return a decision for each backtest of a listed project, and for each archived one it no longer lists.

    Args:
        project: As listed.
        backtests: The listed backtests, and any that only an optimization names.
        earlier: The project's lines in the previous Snapshot.
        policy: What is wanted.
        doubt: Why a backtest that is not listed may exist all the same; empty: it does not.
        optimizations: How far they are known.

    Returns:
        In Inventory order. What was never archived and does not exist any more is left out.
    """
    before = {entry.backtest_id: entry for entry in earlier}
    filtered = policy.selection.project_reason(project.project_id, project.name, project.organization_id)
    decisions: list[Decision] = [
        _decide(project, backtest, before.pop(backtest.backtest_id, None), filtered, policy)
        for backtest in backtests
    ]
    decisions += [
        _as_before(project, entry, filtered or policy.selection.backtest_reason(entry))
        for entry in before.values()
        if optimizations.are_as_before(entry)
    ]
    missing = [entry for entry in before.values() if not optimizations.are_as_before(entry)]
    decisions += _missing(missing, doubt, project, optimizations)
    return sorted(decisions, key=lambda decision: decision.order)


def plan_missing_project(earlier: Sequence[InventoryEntry], doubt: str = "") -> list[Decision]:
    """The decisions for a project that was not listed; `doubt`: why it may exist all the same."""
    return _missing(earlier, doubt)


def _missing(
    earlier: Iterable[InventoryEntry],
    doubt: str,
    project: Project | None = None,
    optimizations: Optimizations = Optimizations(),
) -> list[Decision]:
    """What is not listed: gone or, while that is in doubt, as it was; what was gone before stays gone."""
    decisions: list[Decision] = []
    for entry in earlier:
        reason = optimizations.doubt(entry.optimization_id, entry.source)
        reason = reason or (_DOUBTED.format(doubt) if doubt else "")
        if reason and not entry.gone_since:
            decisions.append(_left(entry, reason))
        elif is_kept(entry):
            decisions.append(Gone(project or _former(entry), entry, _kept_outcome(entry)))
    return decisions


def _as_before(project: Project, entry: InventoryEntry, unwanted: str) -> AsBefore:
    """Nothing has changed since its optimization named it, so it counts as listed."""
    outcome, reason = entry.outcome, entry.reason
    if entry.archived:
        outcome, reason = Outcome.CARRIED, unwanted
    elif unwanted and outcome is not Outcome.UNAVAILABLE:
        outcome, reason = Outcome.SKIPPED, unwanted
    return AsBefore(project, entry, outcome, reason, listed=True)


def plan_unread_project(earlier: Sequence[InventoryEntry], error: str) -> list[Decision]:
    """Return the decisions for a project for which the listing failed: everything stays as it was."""
    reason = _UNREAD.format(error)
    return [_left(entry, reason) for entry in earlier]


def _left(entry: InventoryEntry, reason: str) -> AsBefore:
    outcome = entry.outcome
    if outcome is Outcome.UNAVAILABLE:
        reason = entry.reason  # is kept until it is tried again, which may be in days
    elif entry.archived:
        outcome = Outcome.CARRIED
    return AsBefore(_former(entry), entry, outcome, reason)


def _former(entry: InventoryEntry) -> Project:
    return Project(entry.project_id, entry.project, organization_id=entry.organization_id)


def is_kept(entry: InventoryEntry) -> bool:
    """Whether a backtest that is no longer listed stays in the Inventory."""
    return entry.archived or bool(entry.lost_since)


def _kept_outcome(entry: InventoryEntry) -> Outcome:
    """The Outcome of a backtest that was seen before, when nothing is requested."""
    if is_kept(entry):
        return Outcome.CARRIED if entry.archived else Outcome.LOST
    return Outcome.SKIPPED


def _decide(
    project: Project, backtest: Backtest, earlier: InventoryEntry | None, filtered: str, policy: Policy
) -> FetchReport | NoRequest:
    """Decide about one listed backtest.

    The first case that applies, in this order:

    | case                                                     | decision                              |
    |----------------------------------------------------------|---------------------------------------|
    | 1. unavailable before, and a filter excludes it          | stays unavailable                     |
    | 2. a filter excludes it, or it can have no report        | carried, lost, or skipped with reason |
    | 3. never seen                                            | request                               |
    | 4. lost, refused three times, and not due again          | stays lost                            |
    | 5. unavailable before, and not due again                 | stays unavailable                     |
    | 6. not archived, its row changed, or old enough to       | request; first in line if it was      |
    |    refresh                                               | still pending                         |
    | 7. archived and unchanged                                | carried                               |
    """
    filtered = filtered or policy.selection.backtest_reason(backtest)
    unwanted = filtered or _no_report(backtest, policy)
    settled = partial(NoRequest, project, backtest, earlier)
    if earlier is None:
        return settled(Outcome.SKIPPED, unwanted) if unwanted else FetchReport(project, backtest, None)
    unavailable = earlier.outcome is Outcome.UNAVAILABLE
    if unavailable and filtered:
        # The filter of one run must not make the next one request again all that the API refuses.
        return settled(Outcome.UNAVAILABLE, earlier.reason)
    if unwanted:
        return settled(_kept_outcome(earlier), unwanted)
    refused = unavailable or (bool(earlier.lost_since) and earlier.failures >= SAME_WAY)
    if refused and not _is_due(earlier, policy):
        return settled(Outcome.LOST if earlier.lost_since else Outcome.UNAVAILABLE, earlier.reason)
    if not _is_outdated(backtest, earlier, policy):
        return settled(Outcome.CARRIED)
    urgent = earlier.outcome is Outcome.PENDING and not earlier.error_kind
    return FetchReport(project, backtest, earlier, urgent)


def _is_outdated(backtest: Backtest, earlier: InventoryEntry, policy: Policy) -> bool:
    """Whether the report is not archived, its row has changed since, or it is old enough to refresh."""
    changed = not earlier.archived or earlier.change_key != backtest.change_key
    age = policy.refresh_after
    return changed or (age is not None and is_older(earlier.read_at, age, policy))


def _no_report(backtest: Backtest, policy: Policy) -> str:
    if backtest.state in (BacktestState.RUNNING, BacktestState.QUEUED):
        return f"not finished: {backtest.status or 'no status'}" + _contradiction(backtest)
    if backtest.state is BacktestState.BROKEN and not policy.include_broken:
        return f"no report is made of a failed backtest: {backtest.status}"
    return ""


def _contradiction(backtest: Backtest) -> str:
    """What a row says besides its status, if the status alone does not explain why it is not finished."""
    said = {name: backtest.row[name] for name in ("completed", "progress") if name in backtest.row}
    words = backtest.status.lower()
    if not said or any(word in words for word in ("progress", "running", "queue")):
        return ""
    return f" ({', '.join(f'{name}: {str(value).lower():.20}' for name, value in said.items())})"


def _is_due(entry: InventoryEntry, policy: Policy) -> bool:
    """Whether what the API has refused is to be requested again."""
    return is_older(entry.tried_at, policy.retry_unavailable, policy)


def is_older(stamp: str, age: timedelta, policy: Policy) -> bool:
    """Whether a stored moment is at least `age` ago; one that cannot be parsed is."""
    try:
        return policy.now - datetime.fromisoformat(stamp) >= age
    except (ValueError, TypeError):
        return True
