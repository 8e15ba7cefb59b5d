"""When each call is made: pure, with the time as an argument.

`DelayQueue` holds the calls of listings, `ReportQueue` those for reports. For both:

Rule 1: a call that failed returns at its due time, before any first call, and blocks nothing else.
Rule 2: `hold` delays everything while the server is away.

For reports also:

Rule 3: a first request makes the server render, so it goes before polls while few enough are rendering.
Rule 4: a report that has become due is requested at least once more before it is given up.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count, islice
from typing import Final, Generic, TypeVar

from harvester.harvest.decision import FetchReport

J = TypeVar("J")

_LATE_SHARE: Final = 0.05
"""The share of polls that may come too early: a higher one wastes requests, a lower one wastes time."""
_STEP: Final = 0.3
"""How far one answer moves the logarithm of a wait."""
_SHORTEST: Final = 0.1
"""No wait is learned that is shorter than this share of the initial one."""
_NEAR: Final = 1.25
"""A poll counts as evidence about its wait only if it was sent at most this much later than due."""
_LEVELS: Final = 10
"""Waits that are learned; the last one serves all later polls."""


class PollWaits:
    """How long to wait before each poll, learned from whether earlier polls found the report ready.

    A poll tells only "ready by now" or "not yet". Each wait follows the time at which 95 % are ready: it
    grows by a large step when a poll came too early and shrinks by a small one when it did not, and the
    two balance at that share (stochastic approximation of a quantile).
    """

    def __init__(self, start_s: float, learned: Iterable[float] = (), *, longest_s: float = math.inf) -> None:
        self._shortest_s = start_s * _SHORTEST
        self._longest_s = max(start_s, longest_s)
        self.waits_s = [self._within(wait_s) for wait_s in islice(learned, _LEVELS)] or [float(start_s)]
        """Seconds before the first poll, the second, and so on; the last one serves all later polls."""

    def wait_s(self, polls: int) -> float:
        """Seconds to wait after `polls` polls that did not find the report ready."""
        return self.waits_s[min(polls, len(self.waits_s) - 1)]

    def record_poll(self, polls: int, *, waited_s: float, ready: bool) -> None:
        """Learn from one poll that came after `polls` others and `waited_s` after the request before."""
        level = min(polls, _LEVELS - 1)
        if level >= len(self.waits_s):
            self.waits_s.append(self.waits_s[-1])
        wait_s = self.waits_s[level]
        if not ready:
            shown_s = max(wait_s, min(waited_s, wait_s * _NEAR))
            self.waits_s[level] = self._within(shown_s * math.exp(_STEP * (1 - _LATE_SHARE)))
        elif waited_s <= wait_s * _NEAR:
            self.waits_s[level] = self._within(wait_s * math.exp(-_STEP * _LATE_SHARE))

    def _within(self, wait_s: float) -> float:
        return min(self._longest_s, max(self._shortest_s, wait_s))


class DelayQueue(Generic[J]):
    """Jobs that wait for their first call or for a due time; returns one at a time and never waits."""

    def __init__(self) -> None:
        self._first: deque[J] = deque()
        self._later: list[tuple[float, int, J]] = []
        self._serial = count()
        """Keeps jobs with equal due times in order, and the heap from comparing jobs."""
        self._held_until = -math.inf
        self.in_flight = 0
        """Jobs that `next` has returned and that were neither retried nor finished yet."""

    def add(self, jobs: Iterable[J]) -> None:
        """Add jobs behind those that wait for their first call."""
        self._first.extend(jobs)

    @property
    def ready(self) -> int:
        """How many jobs wait for their first call."""
        return len(self._first)

    @property
    def idle(self) -> bool:
        """Whether no job waits and none is in flight."""
        return not (self._first or self._later or self.in_flight)

    def hold(self, until: float) -> None:
        """Return no job before `until`."""
        self._held_until = max(self._held_until, until)

    def next(self, now: float) -> J | None:
        """Return the job to call for now, which is in flight from then on; None if there is none."""
        job = self._pop(now) if now >= self._held_until else None
        if job is not None:
            self.in_flight += 1
        return job

    def wakes_at(self) -> float:
        """When `next` will return a job: in the past if it would now, infinity if only an answer helps."""
        return max(min(self._due_times(), default=math.inf), self._held_until)

    def retry(self, job: J, due: float) -> None:
        """Call for a job in flight again at `due`; infinity: only `drain` returns it."""
        self._land(job)
        heapq.heappush(self._later, (due, next(self._serial), job))

    def finish(self, job: J) -> None:
        """Remove a job in flight."""
        self._land(job)

    def drain(self) -> list[J]:
        """Remove and return every job that still waits."""
        left = [*self._first, *(job for _, _, job in self._later)]
        self._first.clear()
        self._later.clear()
        return left

    @property
    def _may_start(self) -> bool:
        """Whether a first call may be made."""
        return bool(self._first)

    def _land(self, job: J) -> None:
        self.in_flight -= 1

    def _pop(self, now: float) -> J | None:
        # Rule 1: what failed before goes first, since it waited for minutes already.
        if self._later and self._later[0][0] <= now:
            return heapq.heappop(self._later)[2]
        return self._first.popleft() if self._may_start else None

    def _due_times(self) -> list[float]:
        due = [due for due, _, _ in self._later[:1]]
        return [*due, self._held_until] if self._may_start else due


@dataclass(eq=False)
class ReportJob:
    """One report to be requested, and what its requests have met so far."""

    decision: FetchReport
    requests: int = 0
    """Requests that were sent for it, those that were repeated within one call included."""
    failed_calls: int = 0
    polls: int = 0
    started_at: float | None = None
    """When its first request was sent, on the event loop's clock."""
    first_asked: float | None = None
    """When the server first said that it is rendering; None: it never did."""
    last_asked: float = 0.0
    """When it last said so."""
    generation_s: float | None = None
    """Seconds from `first_asked` to the ready report, if it had to be generated."""
    error: str = ""
    """Of the last call, if it failed."""
    error_kind: str = ""

    def count_request(self, now: float) -> None:
        """Count a request that is sent now."""
        self.requests += 1
        self.started_at = now if self.started_at is None else self.started_at


class ReportQueue(DelayQueue[ReportJob]):
    """First requests, polls and retries for the reports of one run.

    A report that the server renders waits here for its next poll; at most `max_generating` do at a time.
    """

    def __init__(self, waits: PollWaits, max_generating: int) -> None:
        super().__init__()
        self.waits = waits
        self.max_generating = max_generating
        self.generating = 0
        """Reports that the server is rendering, those being polled at the moment included."""
        self._starting = 0
        """Jobs in flight that may make the server render."""
        self._generating: list[deque[ReportJob]] = []
        """By the number of polls they have had; each in the order of their last request."""

    @property
    def idle(self) -> bool:
        """Whether no job waits and none is in flight."""
        return super().idle and not self.generating

    def next(self, now: float) -> ReportJob | None:
        """Return the job to request now, which is in flight from then on; None if there is none."""
        job = super().next(now)
        if job is not None:
            self._starting += job.first_asked is None
        return job

    def poll_later(self, job: ReportJob, now: float) -> None:
        """Poll a job in flight again, because the answer was "still generating"."""
        self._land(job)
        if job.first_asked is None:
            job.first_asked = now
            self.generating += 1
        else:
            self.waits.record_poll(job.polls, waited_s=now - job.last_asked, ready=False)
            job.polls += 1
        job.last_asked = now
        while len(self._generating) <= job.polls:
            self._generating.append(deque())
        self._generating[job.polls].append(job)

    def finish_report(self, job: ReportJob, now: float, *, ready: bool) -> None:
        """Remove a job in flight; `ready`: its report was received."""
        self.finish(job)
        if job.first_asked is not None:
            self.generating -= 1
            if ready:
                self.waits.record_poll(job.polls, waited_s=now - job.last_asked, ready=True)

    def drain(self) -> list[ReportJob]:
        """Remove and return every job that still waits."""
        left = super().drain() + [job for jobs in self._generating for job in jobs]
        self._generating.clear()
        self.generating = 0
        return left

    @property
    def _may_start(self) -> bool:
        """Whether a first request may be made, which may make the server render one more report."""
        return super()._may_start and self.generating + self._starting < self.max_generating

    def _land(self, job: ReportJob) -> None:
        super()._land(job)
        self._starting -= job.first_asked is None

    def _pop(self, now: float) -> ReportJob | None:
        job = super()._pop(now)
        if job is not None:
            return job
        # Within one level jobs are in the order of their last request, so the first one is due first.
        due = [(self._due(polls), polls) for polls, jobs in enumerate(self._generating) if jobs]
        if due and min(due)[0] <= now:
            return self._generating[min(due)[1]].popleft()
        return None

    def _due_times(self) -> list[float]:
        polls = [self._due(polls) for polls, jobs in enumerate(self._generating) if jobs]
        return [*super()._due_times(), *polls]

    def _due(self, polls: int) -> float:
        return self._generating[polls][0].last_asked + self.waits.wait_s(polls)
