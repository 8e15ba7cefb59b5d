"""Reads lists with several workers, whatever they are lists of.

A list that could not be read is read once more, after all others. A server that is away is waited for, and
no list is blamed for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import anyio.lowlevel

from harvester.api import StopSignal
from harvester.errors import ApiError, TransportError
from harvester.harvest.outage import Authenticator, Outage
from harvester.harvest.queue import DelayQueue
from harvester.harvest.workers import Workers

_MAX_CALLS: Final = 2
"""For one list, when they fail though the server is there; `api` has made several attempts in each."""


@dataclass(eq=False)
class ListingJob:
    """One list to be read."""

    read: Callable[[], Awaitable[None]]
    """Makes the call and stores what it returns; may add further jobs."""
    record_failure: Callable[[ApiError, float], None]
    """Receives each error, and the seconds that are waited because the server is away; 0: it is not."""
    failed_calls: int = 0


class ListReader:
    """Reads lists until none is left or a stop is requested."""

    def __init__(
        self, server: Authenticator, stop: StopSignal, *, first_wait_s: float, longest_s: float
    ) -> None:
        """Keep what the workers need.

        Args:
            server: Is asked whether it is there after each call that got no complete answer.
            stop: Ends the reading.
            first_wait_s: Pause while the server is away; doubled for each further one.
            longest_s: A stop is requested when it was away for longer than this.
        """
        self._queue = DelayQueue[ListingJob]()
        outage = Outage(first_wait_s, longest_s, suspicious=1)
        self._workers = Workers(self._queue, self, server=server, outage=outage, stop=stop)

    def add(self, *jobs: ListingJob) -> None:
        """Add lists, to be read after all that were added before."""
        self._queue.add(jobs)

    async def run(self, workers: int) -> None:
        """Read all lists, also those that are added meanwhile; what a stop leaves unread is dropped.

        Raises:
            AuthenticationError: no further call has a point (in an ExceptionGroup).
        """
        await self._workers.run(workers)
        self._queue.drain()

    async def refill(self) -> None:
        """Add nothing: jobs are added by those that were read."""
        await anyio.lowlevel.checkpoint()

    async def attempt(self, job: ListingJob) -> None:
        """Read one list."""
        await job.read()
        self._queue.finish(job)

    def fail(self, job: ListingJob, exc: ApiError) -> None:
        """Record a failure; the list is read once more, after all others."""
        job.failed_calls += 1
        job.record_failure(exc, 0.0)
        # Behind all others and not at a due time: those that work must not wait for one that does not.
        self._queue.finish(job)
        if job.failed_calls < _MAX_CALLS:
            self._queue.add([job])

    def report_outage(self, job: ListingJob, exc: TransportError, wait_s: float) -> None:
        """Record that the list was not read because the server is away."""
        job.record_failure(exc, wait_s)
