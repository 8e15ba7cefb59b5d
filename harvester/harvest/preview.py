"""What a run would do, found out by listing only: no report is requested and nothing is written."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import anyio.to_thread

from harvester.api import ApiClient
from harvester.archive import CheckedSnapshot
from harvester.config import Settings
from harvester.errors import ThrottledError
from harvester.harvest.decision import FetchReport
from harvester.harvest.discover import Discoverer
from harvester.harvest.events import RunObserver
from harvester.harvest.gone import GoneCount
from harvester.harvest.listings import ListReader
from harvester.harvest.optimizations import OptimizationReader, load_before
from harvester.harvest.place import previous_entries
from harvester.harvest.plan import Listing, Policy, plan_account
from harvester.harvest.spool import MemorySpool
from harvester.model import Outcome, UnreadOptimization, UnreadProject

_WHEN_GENERATED: Final = 2
"""Requests for a report that must be generated: one that starts it, one that fetches it."""
_EXAMPLES: Final = 20


@dataclass
class Preview:
    """What a run would do."""

    projects: int = 0
    listed: int = 0
    reports: int = 0
    """Reports that would be requested."""
    listing_requests: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    """Of the backtests that would not be requested."""
    reasons: Counter[str] = field(default_factory=Counter)
    gone: int = 0
    unread: tuple[UnreadProject, ...] = ()
    unread_optimizations: tuple[UnreadOptimization, ...] = ()
    doubts: list[str] = field(default_factory=list)
    """Why the run would be incomplete, beyond the unread projects."""
    examples: list[tuple[str, str, str]] = field(default_factory=list)
    """Project, backtest and id of the first reports that would be requested."""

    def requests(self) -> tuple[int, int]:
        """Requests of the run, listing included: when all reports are ready, and when none is."""
        return (
            self.listing_requests + self.reports,
            self.listing_requests + self.reports * _WHEN_GENERATED,
        )

    def minutes(self, rate_per_min: float) -> tuple[float, float]:
        """Minutes of the run at this rate, for the same two cases."""
        least, most = self.requests()
        return least / rate_per_min, most / rate_per_min


async def preview_run(
    client: ApiClient,
    previous: CheckedSnapshot | None,
    settings: Settings,
    policy: Policy,
    observer: RunObserver,
) -> Preview:
    """List the Account and plan, and stop there.

    Raises:
        ApiError: the projects cannot be listed.
        ThrottledError: the server keeps saying slow down.
    """
    await client.authenticate()
    spool = MemorySpool()
    stop = client.limiter.stop
    before = await anyio.to_thread.run_sync(load_before, previous, policy)
    lists = ListReader(client, stop, first_wait_s=0.0, longest_s=0.0)  # nobody waits for a preview
    reader = OptimizationReader(
        client, lists=lists, spool=spool, observer=observer, policy=policy, before=before
    )
    discoverer = Discoverer(
        client,
        lists=lists,
        spool=spool,
        observer=observer,
        optimizations=reader,
        expected=before.holding,
    )
    found = await discoverer.discover(settings.pace.workers)
    if isinstance(stop.cause, ThrottledError):
        raise stop.cause
    result = Preview(
        projects=found.projects,
        listing_requests=client.requests,
        unread=tuple(found.unread.values()),
        unread_optimizations=reader.unread(),
    )
    result.doubts = [
        doubt for doubt in (found.unproven, found.bad_projects, *found.bad_backtests.values()) if doubt
    ][:_EXAMPLES]
    await anyio.to_thread.run_sync(_count, result, found.listing(spool), previous, policy)
    return result


def _count(result: Preview, listing: Listing, previous: CheckedSnapshot | None, policy: Policy) -> None:
    missing = GoneCount()
    for _, decisions in plan_account(listing, previous_entries(previous), policy):
        for decision in decisions:
            missing.add(decision)
            if decision.gone:
                result.gone += 1
                continue
            result.listed += decision.listed
            if not isinstance(decision, FetchReport):
                result.outcomes[decision.outcome] += 1
                result.reasons[decision.reason or "already archived"] += 1
                continue
            result.reports += 1
            if len(result.examples) < _EXAMPLES:
                result.examples.append((decision.project.name, decision.name, decision.backtest.backtest_id))
    if missing.withholds(policy):
        result.gone -= missing.gone
        result.doubts.append(missing.reason)
