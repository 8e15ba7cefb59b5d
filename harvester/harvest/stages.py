"""What a run does with its partial Snapshot, stage by stage, up to the commit.

1. Resume: reports that an interrupted run has written count as done.
2. List: projects, their backtests, the optimizations of projects that have changed.
3. Survey: what is to be requested, and whether so much is missing that the listing is doubted.
4. Request: reports, with several workers; then the projects of reports that were not found are listed again.
5. Fill: every backtest in its place. Archived files that turn out to be damaged are looked for elsewhere,
   what has no copy is requested (4), and everything is placed once more.

A stop ends 2 and 4 early; 3 and 5 follow all the same, so that what was read is committed, unless the run
was interrupted by a signal.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import msgspec

from harvester.api import ApiClient
from harvester.archive import PartialSnapshot
from harvester.config import Settings
from harvester.errors import StoppedError
from harvester.format import JOURNAL
from harvester.harvest.decision import FetchReport
from harvester.harvest.discover import Discoverer, Discovery
from harvester.harvest.events import Doubted, Planned, RunObserver, Started
from harvester.harvest.listings import ListReader
from harvester.harvest.optimizations import OptimizationReader, load_before
from harvester.harvest.place import Filler, draft_record, previous_entries
from harvester.harvest.plan import Listing, Policy
from harvester.harvest.pool import Pool
from harvester.harvest.queue import PollWaits, ReportJob, ReportQueue
from harvester.harvest.salvage import Salvage
from harvester.harvest.save import Keeper, archived
from harvester.harvest.settle import Archived, Miss, NoReport, Result, confirm_missing
from harvester.harvest.survey import Entries, RunPlan, Survey
from harvester.harvest.threads import ThreadFeed, in_thread
from harvester.model import Backtest, Ending, Learned, OptimizationsRecord, Project, SnapshotRecord

_KEEPING: Final = 2
"""Threads that unpack and write: one writes while another unpacks. A third costs 8 % of CPU for nothing."""
_LEAST_POLLS: Final = 4
"""A report is polled at least so often before its deadline, whatever was learned."""


class Stages:
    """The stages of one run."""

    def __init__(
        self,
        partial: PartialSnapshot,
        *,
        client: ApiClient,
        settings: Settings,
        policy: Policy,
        observer: RunObserver,
        stamp: Callable[[], str],
    ) -> None:
        """Keep what the stages work with; `stamp` returns the time of now as it is stored."""
        self._partial = partial
        self._client = client
        self._settings = settings
        self._policy = policy
        self._observer = observer
        self._stamp = stamp
        self._stop = client.limiter.stop
        self._results: dict[tuple[int, str], Result] = {}
        self._salvage = Salvage(partial, Keeper(partial, stamp=stamp), self._results)
        self._poll_waits_s: list[float] = []
        self.notes: tuple[str, ...] = ()
        """What the user should know and no file says."""

    async def run(
        self, journal: Callable[[Path], AbstractAsyncContextManager[None]]
    ) -> SnapshotRecord | None:
        """Run all stages; returns the record to commit, None if the run was interrupted.

        Raises:
            StoppedError: the time was up before the projects were listed.
            HarvesterError: the run cannot go on.
        """
        async with journal(self._partial.path / JOURNAL):
            orphans = await self._resume()
            discoverer = await self._discover(set(orphans))
            if self._stop.interrupted:
                return None
            record = await self._harvest(discoverer, orphans)
        if record is not None:
            await in_thread(lambda: self._save_optimizations(discoverer.found))
        return record

    async def _resume(self) -> dict[int, list[tuple[Project, Backtest]]]:
        """Count what an interrupted run has written as done; returns it by project."""
        partial = self._partial
        finished = await in_thread(partial.finished)
        self._salvage.resume(finished.values())
        orphans: dict[int, list[tuple[Project, Backtest]]] = {}
        for (project_id, backtest_id), record in finished.items():
            self._results[project_id, backtest_id] = archived(record)
            # Only the plan needs these, and it needs no row.
            backtest = msgspec.structs.replace(record.backtest, row={})  # large, and needed by nobody
            orphans.setdefault(project_id, []).append((record.project, backtest))
        self._observer.notify(
            Started(
                snapshot=partial.name,
                run_id=partial.run_id,
                previous=partial.previous.name if partial.previous else "",
                resumed_reports=len(finished),
            )
        )
        return orphans

    async def _discover(self, resumed: set[int]) -> Discoverer:
        partial, reports = self._partial, self._settings.reports
        before = await in_thread(lambda: load_before(partial.previous, self._policy))
        self.notes += (before.note,) if before.note else ()
        lists = ListReader(
            self._client, self._stop, first_wait_s=reports.retry_after, longest_s=reports.deadline
        )
        optimizations = OptimizationReader(
            self._client,
            lists=lists,
            spool=partial,
            observer=self._observer,
            policy=self._policy,
            before=before,
        )
        discoverer = Discoverer(
            self._client,
            lists=lists,
            spool=partial,
            observer=self._observer,
            optimizations=optimizations,
            expected=before.holding | resumed,
        )
        async with self._stop.stage():
            await discoverer.discover(self._settings.pace.workers)
        # Without the list of projects everything archived would look gone, so nothing is committed.
        if not (discoverer.found.known or self._stop.interrupted):
            raise StoppedError(
                f"{self._stop.reason} before the projects were listed; nothing was committed. "
                "See whether the API answers (`harvester doctor`), or raise run.max_duration"
            )
        return discoverer

    async def _harvest(
        self, discoverer: Discoverer, orphans: dict[int, list[tuple[Project, Backtest]]]
    ) -> SnapshotRecord | None:
        """Survey, request and fill; returns the record, None if the run was interrupted."""
        found = discoverer.found
        plan = self._plan(found.listing(self._partial, orphans))
        survey = await in_thread(plan.survey)
        if survey.missing.withholds(self._policy):
            found.withheld_gone = survey.missing.gone
            self._observer.notify(Doubted(reason=survey.missing.reason))
            plan = self._plan(found.listing(self._partial, orphans))
        restored = await in_thread(lambda: self._salvage.restore_lost(survey.lost))
        survey.requests -= sum(isinstance(decision, FetchReport) for decision in restored)
        await self._request(plan, survey, discoverer)
        return await self._fill(plan, discoverer)

    def _plan(self, listing: Listing) -> RunPlan:
        def entries() -> Entries:
            return self._salvage.entries(previous_entries(self._partial.previous))

        return RunPlan(listing, entries, self._policy, self._results)

    async def _request(self, plan: RunPlan, survey: Survey, discoverer: Discoverer) -> None:
        """Request every report that the plan wants, and learn how long to wait before a poll."""
        partial, reports, workers = self._partial, self._settings.reports, self._settings.pace.workers
        self._observer.notify(
            Planned(listed=survey.listed, requests=survey.requests, kept=survey.listed - survey.requests)
        )
        learned = await in_thread(
            lambda: partial.previous.record().learned if partial.previous else Learned()
        )
        waits = PollWaits(reports.first_poll, learned.poll_after_s, longest_s=reports.deadline / _LEAST_POLLS)
        threads = anyio.CapacityLimiter(_KEEPING)

        async def keep(job: ReportJob, html: str) -> Archived:
            return await anyio.to_thread.run_sync(self._salvage.keeper.keep, job, html, limiter=threads)

        pool = Pool(
            ReportQueue(waits, reports.max_generating),
            reader=self._client,
            feed=ThreadFeed(plan.requests(survey.urgent)),
            keep=keep,
            observer=self._observer,
            stop=self._stop,
            settings=reports,
        )
        await pool.run(workers)
        self._results.update(pool.results)
        self._poll_waits_s = waits.waits_s
        for event in self._salvage.take_rewritten():
            self._observer.notify(event)
        await self._confirm_missing(pool.results, discoverer)

    async def _confirm_missing(self, results: dict[tuple[int, str], Result], discoverer: Discoverer) -> None:
        """List the projects of reports that were not found again: only that shows what was deleted."""
        places = {
            (project_id, result.optimization_id)
            for (project_id, _), result in results.items()
            if isinstance(result, NoReport) and result.miss is Miss.NOT_FOUND
        }
        # One listing for a project, however many of its reports were not found.
        if places and not self._stop.is_requested:
            relisted = await discoverer.relist(places, self._settings.pace.workers)
            self._results.update(confirm_missing(results, relisted))

    async def _fill(self, plan: RunPlan, discoverer: Discoverer) -> SnapshotRecord | None:
        """Put every backtest in its place; returns the record, None if the run was interrupted."""
        salvage = self._salvage
        while not self._stop.interrupted:
            filler = Filler(self._partial, self._results, self._observer, self._stamp, salvage.copies)
            draft = self._draft(discoverer.found)
            record = await anyio.to_thread.run_sync(filler.fill, plan.decisions(), draft)
            if not filler.damaged:
                return record
            # What was placed so far is void: a report that cannot be carried changes the lists.
            await in_thread(self._partial.refill)
            for event in await anyio.to_thread.run_sync(salvage.handle, filler.damaged, plan.decisions()):
                self._observer.notify(event)
            survey = await in_thread(plan.survey)
            if survey.requests:
                await self._request(plan, survey, discoverer)
        return None

    def _draft(self, found: Discovery) -> SnapshotRecord:
        """The record as far as it is known before the Snapshot is filled."""
        ending = self._stop.ending or Ending.OK
        # The worst wins: damage, then throttled, then whatever else is missing.
        if self._salvage.has_met_damage:
            ending = Ending.DAMAGED
        elif found.partial and ending is not Ending.THROTTLED:
            ending = Ending.PARTIAL
        record = draft_record(self._partial, found, ending, self._settings)
        limiter = self._client.limiter
        return msgspec.structs.replace(
            record,
            requests=self._client.requests,
            throttled=limiter.throttled_count,
            learned=Learned(
                rate_per_min=limiter.limit_per_min,
                poll_after_s=tuple(round(wait_s, 3) for wait_s in self._poll_waits_s),
            ),
        )

    def _save_optimizations(self, found: Discovery) -> None:
        if found.optimizations is not None:
            finished = not self._stop.is_requested
            digests = found.optimizations.digests({*found.listed, *found.unread}, finished=finished)
            self._partial.save_optimizations(OptimizationsRecord(digests))
