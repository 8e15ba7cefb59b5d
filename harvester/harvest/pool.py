"""Requests reports with several workers, and reports a fact about each; `settle` decides its Outcome.

What an answer means for its report:

| answer                                     | what follows                                             |
|--------------------------------------------|----------------------------------------------------------|
| the report                                 | archived; fact `Archived`                                |
| "generating", before the deadline          | polled later; earlier failures are forgotten             |
| "generating", at the deadline              | fact `GENERATING`                                        |
| an error, with calls and time left         | called again in `retry_after`, doubled for each failure  |
| an error, without                          | fact `NOT_FOUND` if the last one said so, else `FAILED`  |
| none: a stop was requested                 | fact `UNREACHED`                                         |
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import anyio

from harvester.api import ByteBudget, Pending, Room, StopSignal
from harvester.config import ReportSettings
from harvester.errors import (
    ApiError,
    NotFoundError,
    ProtocolError,
    RefusedError,
    TransportError,
)
from harvester.harvest.decision import FetchReport
from harvester.harvest.events import Rescheduled, RunObserver, Settled
from harvester.harvest.outage import Authenticator, Outage
from harvester.harvest.queue import ReportJob, ReportQueue
from harvester.harvest.settle import Archived, Miss, NoReport, Result
from harvester.harvest.workers import Workers


class Reader(Authenticator, Protocol):
    """Where reports come from."""

    budget: ByteBudget

    async def fetch_report(
        self, project_id: int, backtest_id: str, *, on_request: Callable[[], None], room: Room
    ) -> str | Pending:
        """The report's HTML, or `Pending`; `on_request` is called for every request that is sent.

        `room` is memory of its `budget`, which is given back when the report is archived.
        """


class Feed(Protocol):
    """Where decisions come from, a few at a time, so that memory does not grow with the account."""

    async def more(self) -> list[FetchReport]:
        """The next decisions that need a request; empty at the end."""


class Pool:
    """Requests all reports of a feed, until the end or until a stop is requested."""

    def __init__(  # noqa: PLR0913 -- each is another thing that a pool works with, all by keyword
        self,
        queue: ReportQueue,
        *,
        reader: Reader,
        feed: Feed,
        keep: Callable[[ReportJob, str], Awaitable[Archived]],
        observer: RunObserver,
        stop: StopSignal,
        settings: ReportSettings,
    ) -> None:
        """Keep what the pool works with.

        Args:
            queue: Empty.
            reader: Sends the requests.
            feed: Gives what is to be requested.
            keep: Archives a report; called once for each.
            observer: Receives an event for each answer and each fact.
            stop: Ends the pool.
            settings: How long and how often one report is tried.
        """
        self._queue = queue
        self._reader = reader
        self._feed = feed
        self._keep = keep
        self._observer = observer
        self._stop = stop
        self._settings = settings
        self._feeding = anyio.Lock()
        self._fed = False
        outage = Outage(settings.retry_after, settings.deadline)
        self._workers = Workers(queue, self, server=reader, outage=outage, stop=stop)
        self.results: dict[tuple[int, str], Result] = {}
        """The fact about each report that was in the queue."""

    async def run(self, workers: int) -> None:
        """Work until there is a fact about every report, or until a stop is requested.

        Raises:
            HarvesterError: the run cannot go on: credentials, disk, lock (in an ExceptionGroup).
        """
        await self._workers.run(workers)
        for job in self._queue.drain():
            self._record_unreached(job)

    async def refill(self) -> None:
        """Fetch further decisions when no first request waits; one worker at a time."""
        # Without the lock each idle worker would read a batch, and memory would grow with their number.
        async with self._feeding:
            while not self._fed and self._queue.ready == 0:
                decisions = await self._feed.more()
                self._fed = not decisions
                self._queue.add(ReportJob(decision) for decision in decisions)

    async def attempt(self, job: ReportJob) -> None:
        """Request one report, and archive it if it is ready."""
        project_id, backtest_id = job.decision.key
        with self._reader.budget.room() as room:
            answer = await self._reader.fetch_report(
                project_id,
                backtest_id,
                on_request=lambda: job.count_request(anyio.current_time()),
                room=room,
            )
            if isinstance(answer, Pending):
                self._poll_later(job)
                return
            if job.first_asked is not None:
                job.generation_s = round(anyio.current_time() - job.first_asked, 1)
            self._finish(job, await self._keep(job, answer))

    def fail(self, job: ReportJob, exc: ApiError) -> None:
        """Retry a report after a failed call, or give it up."""
        job.failed_calls += 1
        job.error, job.error_kind = str(exc), kind_of(exc)
        now = anyio.current_time()
        wait_s = self._settings.retry_after * 2.0 ** (job.failed_calls - 1)
        # A report's own time begins with its first request, and again after an outage.
        started_at = max(now if job.started_at is None else job.started_at, self._workers.back_at)
        late = now + wait_s > started_at + self._settings.deadline
        if job.failed_calls < self._settings.tries and not late:
            self._queue.retry(job, now + wait_s)
            self._report_call(job, job.error_kind, wait_s)
            return
        # A "not found" proves little while the listing has the backtest: reads lag behind creation.
        miss = Miss.NOT_FOUND if isinstance(exc, NotFoundError) else Miss.FAILED
        self._finish(job, NoReport(miss, job.error, job.error_kind, job.requests, _named_by(job.decision)))

    def report_outage(self, job: ReportJob, exc: TransportError, wait_s: float) -> None:
        """Tell that the report waits for the server; nothing is told when the run ends instead."""
        if wait_s:
            self._report_call(job, "server away", wait_s)

    def _poll_later(self, job: ReportJob) -> None:
        now = anyio.current_time()
        # The server renders it, so whatever failed before is over.
        job.error = job.error_kind = ""
        asked_for_s = 0.0 if job.first_asked is None else now - job.first_asked
        if asked_for_s >= self._settings.deadline:
            reason = f"still being generated {asked_for_s:.0f} s after it was first asked for"
            self._finish(job, NoReport(Miss.GENERATING, reason, "", job.requests))
            return
        self._queue.poll_later(job, now)
        self._report_call(job, "generating", self._queue.waits.wait_s(job.polls))

    def _finish(self, job: ReportJob, result: Result) -> None:
        self._queue.finish_report(job, anyio.current_time(), ready=isinstance(result, Archived))
        self._record(job, result)

    def _record_unreached(self, job: ReportJob) -> None:
        """Record a report that the run did not request, or not until there was a fact about it."""
        asked = "still being generated" if job.requests else "not asked for"
        state = f"{job.error}; not tried again before" if job.error else f"{asked} when"
        reason = f"{state} the run ended: {self._stop.reason}"
        self._record(job, NoReport(Miss.UNREACHED, reason, job.error_kind, job.requests))

    def _record(self, job: ReportJob, result: Result) -> None:
        decision = job.decision
        self.results[decision.key] = result
        self._observer.notify(
            Settled(
                project_id=decision.project.project_id,
                project=decision.project.name,
                backtest_id=decision.backtest.backtest_id,
                name=decision.name,
                outcome=result.outcome,
                requests=job.requests,
                generating=self._queue.generating,
                reason=result.error if isinstance(result, NoReport) else "",
                size_bytes=result.size_bytes if isinstance(result, Archived) else 0,
            )
        )

    def _report_call(self, job: ReportJob, answer: str, wait_s: float) -> None:
        project_id, backtest_id = job.decision.key
        self._observer.notify(
            Rescheduled(
                project_id=project_id,
                backtest_id=backtest_id,
                requests=job.requests,
                answer=answer,
                wait_s=wait_s,
                generating=self._queue.generating,
                error=job.error,
            )
        )


def _named_by(decision: FetchReport) -> str:
    """The optimization that alone names the backtest; empty if its project's listing has it."""
    backtest = decision.backtest
    return backtest.optimization_id if backtest.source else ""


def kind_of(exc: ApiError) -> str:
    """What makes two failures "the same way": the kind of error and its words, without their reference."""
    if isinstance(exc, RefusedError):
        words = exc.texts[0].split(" REF #")[0] if exc.texts else f"HTTP {exc.status}"
        return f"refused: {words}"
    if isinstance(exc, TransportError):
        return f"HTTP {exc.status}" if exc.status else "no answer"
    return "malformed" if isinstance(exc, ProtocolError) else "slow down"
