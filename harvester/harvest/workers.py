"""The workers of listings and reports: each takes a job, makes one call, and the answer says what follows.

No worker sleeps while it holds a job: what has to wait goes back into the queue. What follows one call:

| the call                                     | what follows                                       |
|----------------------------------------------|----------------------------------------------------|
| returns                                      | `Work.attempt` has finished it or scheduled a poll |
| `AuthenticationError`, disk or lock errors   | leaves the workers and ends the run                |
| `ThrottledError`: slow down, for long        | a stop is requested, ending `throttled`            |
| `TransportError`, the server is away         | everything is held, the job is retried afterwards  |
| the same, away for too long                  | a stop is requested, ending `partial`              |
| `TransportError`, the server answers         | `Work.fail` decides: retry the job or give it up   |
| any other `ApiError`                         | `Work.fail` decides                                |
| `StoppedError`, or cancelled after the grace | the job stays in the queue, for `drain`            |
"""

from __future__ import annotations

import math
from typing import Generic, Protocol, TypeVar

import anyio

from harvester.api import StopSignal
from harvester.errors import ApiError, AuthenticationError, StoppedError, ThrottledError, TransportError
from harvester.harvest.outage import Authenticator, Outage
from harvester.harvest.queue import DelayQueue
from harvester.model import Ending

J = TypeVar("J")
J_contra = TypeVar("J_contra", contravariant=True)


class Work(Protocol[J_contra]):
    """What the workers do; decides what follows a failure that is the job's own."""

    async def refill(self) -> None:
        """Add further jobs to the queue if it runs out of them and there are any."""

    async def attempt(self, job: J_contra) -> None:
        """Make one call for a job, and finish it in the queue or schedule its next call."""

    def fail(self, job: J_contra, exc: ApiError) -> None:
        """Record that a call failed, and retry or finish the job."""

    def report_outage(self, job: J_contra, exc: TransportError, wait_s: float) -> None:
        """Record that the server is away and the job is retried in `wait_s`; 0: the run ends instead."""


class Workers(Generic[J]):
    """Workers over one queue."""

    def __init__(
        self, queue: DelayQueue[J], work: Work[J], *, server: Authenticator, outage: Outage, stop: StopSignal
    ) -> None:
        self._queue = queue
        self._work = work
        self._server = server
        self._outage = outage
        self._stop = stop
        self._changed = anyio.Event()
        self.back_at = -math.inf
        """Until when everything was held for the server; no job's own time runs before."""

    async def run(self, count: int) -> None:
        """Work until the queue is idle or a stop is requested; what is left stays in the queue.

        Raises:
            HarvesterError: the run cannot go on: credentials, disk, lock (in an ExceptionGroup).
        """
        async with self._stop.stage(self._wake), anyio.create_task_group() as group:
            for _ in range(count):
                group.start_soon(self._run_one)

    async def _run_one(self) -> None:
        while (job := await self._take()) is not None:
            try:
                await self._attempt(job)
            # The job goes back first, so that `drain` finds it and no report is without a fact.
            except anyio.get_cancelled_exc_class():
                self._queue.retry(job, math.inf)
                raise
            except StoppedError:
                self._queue.retry(job, math.inf)
            self._wake()

    async def _take(self) -> J | None:
        while not self._stop.is_requested:
            await self._work.refill()
            now = anyio.current_time()
            job = self._queue.next(now)
            if job is not None:
                return job
            # The others may wait for a job that this worker had; wake them, so that they end too.
            if self._queue.idle:
                self._wake()
                return None
            # Taken before the wait: `_wake` replaces the event, so a change in between is not missed.
            changed, wakes_at = self._changed, self._queue.wakes_at()
            with anyio.move_on_after(max(0.0, wakes_at - now)):
                await changed.wait()
        return None

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def _attempt(self, job: J) -> None:
        try:
            await self._work.attempt(job)
        except ThrottledError as exc:
            self._end_throttled(job, exc)
        except AuthenticationError:
            raise
        except TransportError as exc:
            await self._check_server(job, exc)
        except ApiError as exc:
            self._outage.record_answer()
            self._work.fail(job, exc)
        else:
            self._outage.record_answer()

    def _end_throttled(self, job: J, exc: ThrottledError) -> None:
        self._queue.retry(job, math.inf)
        self._stop.request(str(exc), ending=Ending.THROTTLED, cause=exc)

    async def _check_server(self, job: J, exc: TransportError) -> None:
        """Find out whether a call without a complete answer failed for its job only, or for everyone."""
        try:
            pause_s = await self._outage.wait_s(self._server)
        except ThrottledError as throttled:
            self._end_throttled(job, throttled)
            return
        if pause_s is None:
            self._queue.retry(job, math.inf)
            self._work.report_outage(job, exc, 0.0)
            self._stop.request(f"the server was away for too long ({exc})", ending=Ending.PARTIAL)
        elif pause_s:
            self.back_at = anyio.current_time() + pause_s
            self._queue.hold(self.back_at)
            self._queue.retry(job, self.back_at)
            self._work.report_outage(job, exc, pause_s)
        else:
            self._work.fail(job, exc)
