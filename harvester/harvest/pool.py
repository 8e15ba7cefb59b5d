"""The workers: each takes a job, makes one call, and puts the job where its answer says.

No worker sleeps while it holds a report: what has to wait goes back into the queue. Only what ends the run
leaves the pool as an exception; everything else becomes the Outcome of one backtest. A server that nobody can
reach is waited for, and no report is blamed for it.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

import anyio

from harvester.api import ByteBudget, Pending, Room
from harvester.errors import (
    ApiError,
    AuthenticationError,
    NotFoundError,
    ProtocolError,
    RefusedError,
    StoppedError,
    ThrottledError,
    TransportError,
)
from harvester.harvest.events import Asked, RunObserver, Settled, Stopping
from harvester.harvest.outage import Authenticator, Outage
from harvester.harvest.plan import Decision
from harvester.harvest.queue import Job, JobQueue
from harvester.harvest.settle import Archived, Miss, Missed, Result
from harvester.model import Ending

GRACE_S: Final = 20.0
"""How long what is in flight may take after a stop."""


class Reader(Authenticator, Protocol):
    """Where reports come from."""

    budget: ByteBudget

    async def fetch_report(
        self, project_id: int, backtest_id: str, *, on_request: Callable[[], None], room: Room
    ) -> str | Pending:
        """The report's HTML, or `Pending`; `on_request` is called for every request that it takes.

        `room` is memory of its `budget`, which is given back when the report is archived.
        """


class Feed(Protocol):
    """Where jobs come from, a few at a time, so that memory does not grow with the account."""

    async def more(self) -> list[Decision]:
        """The next decisions that ask for a request; empty at the end."""


@dataclass(frozen=True)
class Limits:
    """How long and how often one report is tried."""

    deadline_s: float
    """From the first request until a report ends as `pending`, or as `failed` when it was a call that failed.

    A server that is away for longer than this ends the run.
    """
    retry_after_s: float
    """Before the second call for a report whose first one failed; doubled for each further one."""
    tries: int
    """Calls that may fail."""


@dataclass(frozen=True)
class Work:
    """What a pool works with."""

    reader: Reader
    feed: Feed
    keep: Callable[[Job, str], Awaitable[Archived]]
    """Archives a report; called once for each that is ready."""
    observer: RunObserver


class Pool:
    """Runs a queue of jobs to its end, or until it is told to stop."""

    def __init__(self, queue: JobQueue, work: Work, limits: Limits) -> None:
        self._queue = queue
        self._work = work
        self._limits = limits
        self._changed = anyio.Event()
        self._feeding = anyio.Lock()
        self._fed = False
        self._scope = anyio.CancelScope()
        self._outage = Outage(limits.retry_after_s, limits.deadline_s)
        self._back_at = -math.inf
        """Until when everybody waited for the server; no report's own time runs before."""
        self.results: dict[tuple[int, str], Result] = {}
        """What became of every job that has come to an end."""
        self.ending: Ending | None = None
        """Why the pool stopped before its end, when that is no failure."""
        self.stopped = ""
        """Why it took no more work, whatever was left; empty when it came to its end."""

    async def run(self, workers: int) -> None:
        """Work until everything is settled, or until told to stop.

        Raises:
            HarvesterError: the run cannot go on: credentials, disk, lock (in an ExceptionGroup).
        """
        with self._scope:
            async with anyio.create_task_group() as group:
                for _ in range(workers):
                    group.start_soon(self._worker)
        for job in self._queue.drain():
            self._left_over(job)

    def stop(self, reason: str, *, ending: Ending | None = None) -> None:
        """Take no more work; what is in flight may finish within the grace time."""
        if self.stopped:
            return
        self.stopped = reason
        self.ending = ending
        self._scope.deadline = anyio.current_time() + GRACE_S
        self._work.observer.notify(Stopping(reason=reason))
        self._wake()

    async def _worker(self) -> None:
        while (job := await self._take()) is not None:
            try:
                await self._ask(job)
            except anyio.get_cancelled_exc_class():
                self._queue.again(job, math.inf)
                raise
            except StoppedError:
                self._queue.again(job, math.inf)
            self._wake()

    async def _take(self) -> Job | None:
        while not self.stopped:
            await self._refill()
            now = anyio.current_time()
            job = self._queue.next(now)
            if job is not None:
                return job
            if self._fed and self._queue.idle:
                self._wake()
                return None
            changed, wakes_at = self._changed, self._queue.wakes_at()
            with anyio.move_on_after(max(0.0, wakes_at - now)):
                await changed.wait()
        return None

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def _refill(self) -> None:
        async with self._feeding:
            while not self._fed and self._queue.ready == 0:
                decisions = await self._work.feed.more()
                self._fed = not decisions
                self._queue.add(Job(decision) for decision in decisions)

    async def _ask(self, job: Job) -> None:
        try:
            with self._work.reader.budget.room() as room:
                await self._read(job, room)
        except ThrottledError as exc:
            self._throttled(job, exc)
        except AuthenticationError:
            raise
        except TransportError as exc:
            await self._broke(job, exc)
        except ApiError as exc:
            self._outage.good()
            self._failed(job, exc)

    async def _read(self, job: Job, room: Room) -> None:
        """Ask for one report, and archive it when it is ready."""
        project_id, backtest_id = job.decision.key
        answer = await self._work.reader.fetch_report(
            project_id, backtest_id, on_request=lambda: job.requested(anyio.current_time()), room=room
        )
        self._outage.good()
        if isinstance(answer, Pending):
            self._pending(job)
        else:
            await self._keep(job, answer)

    def _throttled(self, job: Job, exc: ThrottledError) -> None:
        self._queue.again(job, math.inf)
        self.stop(str(exc), ending=Ending.THROTTLED)

    async def _broke(self, job: Job, exc: TransportError) -> None:
        """A call without a complete answer: the report's trouble, or everyone's."""
        try:
            pause_s = await self._outage.wait_s(self._work.reader)
        except ThrottledError as throttled:
            self._throttled(job, throttled)
            return
        if pause_s is None:
            self._queue.again(job, math.inf)
            self.stop(f"the server was away for too long ({exc})", ending=Ending.PARTIAL)
        elif pause_s:
            self._back_at = anyio.current_time() + pause_s
            self._queue.hold(self._back_at)
            self._queue.again(job, self._back_at)
            self._asked(job, "server away", pause_s)
        else:
            self._failed(job, exc)

    async def _keep(self, job: Job, html: str) -> None:
        if job.first_asked is not None:
            job.generation_s = round(anyio.current_time() - job.first_asked, 1)
        self._settle(job, await self._work.keep(job, html), ready=True)

    def _pending(self, job: Job) -> None:
        now = anyio.current_time()
        job.error = job.error_kind = ""
        if job.first_asked is not None and now - job.first_asked >= self._limits.deadline_s:
            reason = f"still being generated {now - job.first_asked:.0f} s after it was first asked for"
            self._settle(job, Missed(Miss.GENERATING, reason, "", job.requests))
            return
        self._queue.pending(job, now)
        self._asked(job, "generating", self._queue.waits.wait_s(job.polls))

    def _failed(self, job: Job, exc: ApiError) -> None:
        job.failed_calls += 1
        job.error, job.error_kind = str(exc), kind_of(exc)
        now = anyio.current_time()
        wait_s = self._limits.retry_after_s * 2.0 ** (job.failed_calls - 1)
        begun = max(now if job.begun is None else job.begun, self._back_at)
        late = now + wait_s > begun + self._limits.deadline_s
        if job.failed_calls >= self._limits.tries or late:
            # A "not found" proves little while the listing has the backtest: reads lag behind creation.
            miss = Miss.NOT_FOUND if isinstance(exc, NotFoundError) else Miss.FAILED
            named_by = _named_by(job.decision)
            self._settle(job, Missed(miss, job.error, job.error_kind, job.requests, named_by))
        else:
            self._queue.again(job, now + wait_s)
            self._asked(job, job.error_kind, wait_s)

    def _settle(self, job: Job, result: Result, *, ready: bool = False) -> None:
        self._queue.done(job, anyio.current_time(), ready=ready)
        self._record(job, result)

    def _left_over(self, job: Job) -> None:
        """A job that the run did not get to, or not to its end."""
        asked = "still being generated" if job.requests else "not asked for"
        met = f"{job.error}; not tried again before" if job.error else f"{asked} when"
        reason = f"{met} the run ended: {self.stopped}"
        self._record(job, Missed(Miss.UNREACHED, reason, job.error_kind, job.requests))

    def _record(self, job: Job, result: Result) -> None:
        decision = job.decision
        self.results[decision.key] = result
        self._work.observer.notify(
            Settled(
                project_id=decision.project.project_id,
                project=decision.project.name,
                backtest_id=decision.backtest_id,
                name=decision.name,
                outcome=result.outcome,
                requests=job.requests,
                generating=self._queue.generating,
                reason=result.error if isinstance(result, Missed) else "",
                size_bytes=result.size_bytes if isinstance(result, Archived) else 0,
            )
        )

    def _asked(self, job: Job, answer: str, wait_s: float) -> None:
        project_id, backtest_id = job.decision.key
        self._work.observer.notify(
            Asked(
                project_id=project_id,
                backtest_id=backtest_id,
                requests=job.requests,
                answer=answer,
                wait_s=wait_s,
                generating=self._queue.generating,
                error=job.error,
            )
        )


def _named_by(decision: Decision) -> str:
    """The optimization that alone names the backtest; empty when its project's listing has it."""
    backtest = decision.backtest
    return backtest.optimization_id if backtest is not None and backtest.source else ""


def kind_of(exc: ApiError) -> str:
    """What makes two failures "the same way": the sort of error and the words, without their reference."""
    if isinstance(exc, RefusedError):
        words = exc.texts[0].split(" REF #")[0] if exc.texts else f"HTTP {exc.status}"
        return f"refused: {words}"
    if isinstance(exc, TransportError):
        return f"HTTP {exc.status}" if exc.status else "no answer"
    return "malformed" if isinstance(exc, ProtocolError) else "slow down"
