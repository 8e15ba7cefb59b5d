"""One run: discover, plan, ask, fill, commit."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import anyio
import anyio.to_thread
import msgspec

from harvester import __version__
from harvester.api import ApiClient
from harvester.archive import Archive, CheckedSnapshot, PartialSnapshot
from harvester.config import Settings
from harvester.errors import StoppedError, TransportError
from harvester.format import JOURNAL
from harvester.harvest.discover import Discoverer, Discovery
from harvester.harvest.events import Committed, Doubted, Planned, RunObserver, Started
from harvester.harvest.optimizations import OptimizationReader, load_before
from harvester.harvest.outage import Outage
from harvester.harvest.place import Filler, previous_entries
from harvester.harvest.plan import Decision, GoneCount, Listing, Policy, plan_account
from harvester.harvest.pool import GRACE_S, Limits, Pool, Work
from harvester.harvest.queue import Job, JobQueue, PollWaits
from harvester.harvest.salvage import Salvage
from harvester.harvest.save import Keeper, archived
from harvester.harvest.settle import Archived, Miss, Missed, Result, confirm_missing
from harvester.harvest.threads import ThreadFeed, in_thread
from harvester.model import Ending, Learned, OptimizationsRecord, Project, SnapshotRecord
from harvester.text import render_moment

_KEEPING: Final = 2
"""Threads that unpack and write: one writes while another unpacks. A third costs 8 % of CPU for nothing."""
_LEAST_POLLS: Final = 4
"""So often at least a report is polled before its deadline, whatever was learned."""


@dataclass(frozen=True)
class Parts:
    """What a run is built of."""

    client: ApiClient
    archive: Archive
    settings: Settings
    policy: Policy
    observer: RunObserver
    pages: Callable[[Path], None] | None = None
    """Writes `index.html` and `site/` into the partial Snapshot."""
    journal: Callable[[Path], AbstractAsyncContextManager[None]] = lambda _: nullcontext()
    """Is entered while the run lists and asks, with the file it may write; closed before the commit."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    run_id: str = ""


@dataclass(frozen=True)
class RunResult:
    """How a run came out."""

    path: Path
    """The Snapshot, or the partial one when the run was interrupted."""
    record: SnapshotRecord | None
    """None: interrupted; the partial Snapshot waits for the next run."""
    notes: tuple[str, ...] = ()
    """What was found and set aside in the Archive, for the user."""


@dataclass
class _Survey:
    """What the plan comes to, before anything is asked for."""

    listed: int = 0
    requests: int = 0
    urgent: list[Decision] = field(default_factory=list)
    lost: list[Decision] = field(default_factory=list)
    """Reports that an earlier run has found lost."""
    missing: GoneCount = field(default_factory=GoneCount)


class Run:
    """One run over one Archive, which the caller has locked."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._pool: Pool | None = None
        self._discoverer: Discoverer | None = None
        self._stopped = ""
        self._ending: Ending | None = None
        self._interrupted = False
        self._stage = anyio.CancelScope()
        self._notes: tuple[str, ...] = ()
        self._results: dict[tuple[int, str], Result] = {}

    def interrupt(self, reason: str) -> None:
        """Stop for a signal: nothing new is begun, the partial Snapshot is kept and not committed."""
        self._interrupted = True
        self._stop(reason, None)

    async def execute(self) -> RunResult:
        """Make one Snapshot.

        Raises:
            HarvesterError: the run cannot go on; the partial Snapshot is kept for the next run.
        """
        parts = self._parts
        ends_at = self._ends_at()
        with self._until_stopped(), suppress(StoppedError):
            await parts.client.authenticate()
        started = parts.now()
        partial = await in_thread(lambda: self._begin(started))
        try:
            return await self._execute(partial, ends_at)
        finally:
            await in_thread(partial.close)

    def _begin(self, started: datetime) -> PartialSnapshot:
        parts = self._parts
        date = started.astimezone(ZoneInfo(parts.settings.archive.timezone)).date().isoformat()
        return parts.archive.begin(date=date, run_id=parts.run_id, started=render_moment(started))

    async def _execute(self, partial: PartialSnapshot, ends_at: float) -> RunResult:
        parts = self._parts
        keeper = Keeper(partial, stamp=self._stamp)
        self._salvage = Salvage(partial, keeper, self._results)
        record = None
        async with parts.journal(partial.path / JOURNAL):
            orphans = await self._take_up(partial)
            found = await self._discover(partial, ends_at)
            listing = found.listing(partial, orphans)
            if not self._interrupted:
                survey = await in_thread(lambda: self._survey(partial, listing))
                if self._withholds(found, survey):
                    listing = found.listing(partial, orphans)
                restored = await in_thread(lambda: self._salvage.restore_lost(survey.lost))
                survey.requests -= sum(decision.request for decision in restored)
                waits = await self._ask(partial, listing, survey, ends_at)
                record = await self._fill(partial, listing, found, waits, ends_at)
        if record is None:
            return RunResult(partial.path, None, partial.notes + self._notes)
        await in_thread(lambda: self._save_optimizations(partial, found))
        return await self._commit(partial, record)

    async def _fill(
        self, partial: PartialSnapshot, listing: Listing, found: Discovery, waits: list[float], ends_at: float
    ) -> SnapshotRecord | None:
        """Put every backtest in its place; returns the record, None when the run was interrupted.

        Archived files that are damaged show when they are to be carried. Then copies of them are looked for,
        what has none is asked for, and everything is put in its place once more.
        """
        parts, salvage = self._parts, self._salvage
        while not self._interrupted:
            filler = Filler(partial, self._results, parts.observer, self._stamp, salvage.copies)
            draft, plan = self._draft(partial, found, waits), self._plan(partial, listing)
            record = await anyio.to_thread.run_sync(filler.fill, plan, draft)
            if not filler.damaged:
                return record
            await in_thread(partial.refill)
            plan = self._plan(partial, listing)
            for event in await anyio.to_thread.run_sync(salvage.handle, filler.damaged, plan):
                parts.observer.notify(event)
            survey = await in_thread(lambda: self._survey(partial, listing))
            if survey.requests:
                await self._ask(partial, listing, survey, ends_at)
        return None

    def _stamp(self) -> str:
        return render_moment(self._parts.now())

    async def _commit(self, partial: PartialSnapshot, record: SnapshotRecord) -> RunResult:
        snapshot, record = await in_thread(lambda: partial.commit(record, pages=self._parts.pages))
        self._parts.observer.notify(Committed(record=record))
        return RunResult(snapshot.path, record, partial.notes + self._notes)

    def _save_optimizations(self, partial: PartialSnapshot, found: Discovery) -> None:
        finished = not (self._stopped or (self._pool and self._pool.stopped))
        if found.optimizations is not None:
            digests = found.optimizations.digests({*found.listed, *found.unread}, finished=finished)
            partial.save_optimizations(OptimizationsRecord(digests))

    async def _take_up(self, partial: PartialSnapshot) -> dict[int, list[tuple[Project, Any]]]:
        """Count what a cut-off attempt has finished as done; gives it by project."""
        finished = await in_thread(partial.finished)
        self._salvage.resume(finished.values())
        orphans: dict[int, list[tuple[Project, Any]]] = {}
        for (project_id, backtest_id), record in finished.items():
            self._results[project_id, backtest_id] = archived(record)
            backtest = msgspec.structs.replace(record.backtest, row={})  # nobody needs it, and it is large
            orphans.setdefault(project_id, []).append((record.project, backtest))
        self._parts.observer.notify(
            Started(
                snapshot=partial.name,
                run_id=partial.run_id,
                previous=partial.previous.name if partial.previous else "",
                resumed_reports=len(finished),
            )
        )
        return orphans

    async def _discover(self, partial: PartialSnapshot, ends_at: float) -> Discovery:
        parts, reports = self._parts, self._parts.settings.reports
        outage = Outage(float(reports.retry_after), float(reports.deadline), suspicious=1)
        before = await in_thread(lambda: load_before(partial.previous, parts.policy))
        self._notes += (before.note,) if before.note else ()
        discoverer = Discoverer(
            parts.client,
            partial,
            parts.observer,
            outage,
            stopped=lambda: self._stopped,
            optimizations=OptimizationReader(parts.client, partial, parts.observer, parts.policy, before),
        )
        self._discoverer = discoverer
        with self._until_stopped():
            await self._timed(lambda: discoverer.discover(parts.settings.pace.workers), ends_at)
        if discoverer.found.throttled:
            self._stop(str(discoverer.found.throttled), Ending.THROTTLED)
        if not (discoverer.found.known or self._interrupted):
            raise TransportError(
                f"the projects could not be listed any more: {self._stopped}", endpoint="projects/read"
            )
        return discoverer.found

    def _withholds(self, found: Discovery, survey: _Survey) -> bool:
        """Let nothing become gone when too much would at once; gives whether that is so."""
        if not survey.missing.withholds(self._parts.policy):
            return False
        found.withheld_gone = survey.missing.gone
        self._parts.observer.notify(Doubted(reason=survey.missing.reason))
        return True

    async def _ask(
        self, partial: PartialSnapshot, listing: Listing, survey: _Survey, ends_at: float
    ) -> list[float]:
        """Ask for every report that the plan wants; gives the poll waits as learned."""
        parts, reports = self._parts, self._parts.settings.reports
        learned = await in_thread(lambda: _learned(partial.previous))
        parts.observer.notify(
            Planned(listed=survey.listed, requests=survey.requests, kept=survey.listed - survey.requests)
        )
        threads = anyio.CapacityLimiter(_KEEPING)

        async def keep(job: Job, html: str) -> Archived:
            return await anyio.to_thread.run_sync(self._salvage.keeper.keep, job, html, limiter=threads)

        longest_s = float(reports.deadline) / _LEAST_POLLS
        waits = PollWaits(float(reports.first_poll), learned.poll_after_s, longest_s=longest_s)
        self._pool = Pool(
            JobQueue(waits, reports.max_generating),
            Work(parts.client, ThreadFeed(self._wanted(partial, listing, survey)), keep, parts.observer),
            Limits(float(reports.deadline), float(reports.retry_after), reports.tries),
        )
        if self._stopped:
            self._pool.stop(self._stopped, ending=self._ending)
        pool = self._pool
        await self._timed(lambda: pool.run(parts.settings.pace.workers), ends_at)
        self._results.update(self._pool.results)
        self._ending = self._ending or self._pool.ending
        for event in self._salvage.take_rewritten():
            parts.observer.notify(event)
        await self._confirm_missing(pool, ends_at)
        return waits.waits_s

    async def _confirm_missing(self, pool: Pool, ends_at: float) -> None:
        """List the projects of reports that were not found once more: only that shows what was deleted."""
        results, discoverer = pool.results, self._discoverer
        places = {
            (project_id, result.optimization_id)
            for (project_id, _), result in results.items()
            if isinstance(result, Missed) and result.miss is Miss.NOT_FOUND
        }
        if not places or discoverer is None or pool.stopped:
            return

        async def relist() -> None:
            relisted = await discoverer.relist(places, self._parts.settings.pace.workers)
            self._results.update(confirm_missing(results, relisted))

        with self._until_stopped():
            await self._timed(relist, ends_at)
        if discoverer.found.throttled:
            self._stop(str(discoverer.found.throttled), Ending.THROTTLED)

    def _plan(self, partial: PartialSnapshot, listing: Listing) -> Iterator[tuple[int, list[Decision]]]:
        entries = self._salvage.entries(previous_entries(partial.previous))
        return plan_account(listing, entries, self._parts.policy)

    def _survey(self, partial: PartialSnapshot, listing: Listing) -> _Survey:
        survey = _Survey()
        for _, decisions in self._plan(partial, listing):
            for decision in decisions:
                survey.missing.add(decision)
                survey.listed += decision.listed
                if decision.earlier is not None and decision.earlier.lost_since:
                    survey.lost.append(decision)
                if decision.request and decision.key not in self._results:
                    survey.requests += 1
                    if decision.urgent:
                        survey.urgent.append(decision)
        return survey

    def _wanted(self, partial: PartialSnapshot, listing: Listing, survey: _Survey) -> Iterator[Decision]:
        """What is to be asked for, the urgent first; from disk, project by project."""
        done = set(self._results)
        yield from survey.urgent
        for _, decisions in self._plan(partial, listing):
            for decision in decisions:
                if decision.request and not decision.urgent and decision.key not in done:
                    yield decision

    def _draft(self, partial: PartialSnapshot, found: Discovery, waits_s: list[float]) -> SnapshotRecord:
        """The record of the run as far as it is known before the Snapshot is filled."""
        parts = self._parts
        ending = self._ending or Ending.OK
        if self._salvage.has_met_damage:
            ending = Ending.DAMAGED
        elif found.partial and ending is not Ending.THROTTLED:
            ending = Ending.PARTIAL
        return SnapshotRecord(
            name=partial.name,
            run_id=partial.run_id,
            account=parts.archive.account,
            version=__version__,
            started=partial.started,
            finished="",
            complete=False,
            ending=ending,
            listed=0,
            counts={},
            projects=found.projects,
            unread_projects=tuple(found.unread.values()),
            unread_optimizations=found.optimizations.unread() if found.optimizations else (),
            unproven=found.unproven,
            bad_rows=found.bad_rows,
            bad_row_examples=tuple(found.bad_row_examples),
            withheld_gone=found.withheld_gone,
            requests=parts.client.requests,
            throttled=parts.client.limiter.throttled_count,
            settings=_deciding(parts.settings),
            learned=Learned(
                rate_per_min=parts.client.limiter.limit_per_min,
                poll_after_s=tuple(round(s, 3) for s in waits_s),
            ),
        )

    def _stop(self, reason: str, ending: Ending | None) -> None:
        self._stopped = self._stopped or reason
        self._ending = self._ending or ending
        self._parts.client.limiter.stop.request(reason)
        self._stage.deadline = anyio.current_time() + GRACE_S
        if self._pool is not None:
            self._pool.stop(reason, ending=ending)

    def _until_stopped(self) -> anyio.CancelScope:
        """A stage that is cut off when it has not ended some time after a stop."""
        self._stage = anyio.CancelScope()
        if self._stopped:
            self._stage.deadline = anyio.current_time()
        return self._stage

    async def _timed(self, stage: Callable[[], Awaitable[object]], ends_at: float) -> None:
        """A stage of the run that is told to stop when the run's time is up."""

        async def watch() -> None:
            await anyio.sleep_until(ends_at)
            self._stop("the time for this run is up", Ending.TIME)

        async with anyio.create_task_group() as group:
            if ends_at < math.inf:
                group.start_soon(watch)
            with suppress(StoppedError):
                await stage()
            group.cancel_scope.cancel()

    def _ends_at(self) -> float:
        bound_s = float(self._parts.settings.run.max_duration)
        ends_at = anyio.current_time() + bound_s if bound_s else math.inf
        self._parts.client.limiter.stop.ends_at = ends_at
        return ends_at


def _learned(previous: CheckedSnapshot | None) -> Learned:
    return previous.record().learned if previous else Learned()


def _deciding(settings: Settings) -> dict[str, Any]:
    """The settings that decide what is in a Snapshot; none of them is secret."""
    built: dict[str, Any] = msgspec.to_builtins(
        {"filters": settings.filters, "reports": settings.reports, "pace": settings.pace}, enc_hook=float
    )
    return built
