"""Which report is asked for next, and when: pure, with the time as an argument.

Rule 1: a first request makes the server render, so it goes before polls while few enough are rendering.
Rule 2: what has become due is asked for at least once more before anybody gives it up.
Rule 3: a call that failed comes back after minutes, before any first request, and holds up nobody.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Final

from harvester.harvest.plan import Decision

_LATE_SHARE: Final = 0.05
"""The share of polls that may come too early: more waste requests, fewer waste time."""
_STEP: Final = 0.3
"""How far one answer moves the logarithm of a wait."""
_SHORTEST: Final = 0.1
"""No wait is learned that is below this share of the one to start with."""
_NEAR: Final = 1.25
"""A poll counts as evidence against its wait only when it was not much later than due."""
_LEVELS: Final = 10
"""Waits that are learned; the last one serves all later polls."""


class PollWaits:
    """How long to wait before each poll, learned from whether the polls before found the report ready.

    A poll tells only "ready by now" or "not yet". Each wait follows the time at which 95 % are ready: it
    grows by a large step when a poll came too early and shrinks by a small one when it did not, and the
    two balance at that share (stochastic approximation of a quantile).
    """

    def __init__(self, start_s: float, learned: Iterable[float] = (), *, longest_s: float = math.inf) -> None:
        self._shortest_s = start_s * _SHORTEST
        self._longest_s = max(start_s, longest_s)
        self.waits_s = [self._within(wait_s) for wait_s in islice(learned, _LEVELS)] or [start_s]
        """Before the first poll, the second, and so on; the last one serves all later polls."""

    def wait_s(self, polls: int) -> float:
        """Seconds to wait after `polls` polls that found nothing."""
        return self.waits_s[min(polls, len(self.waits_s) - 1)]

    def polled(self, polls: int, *, waited_s: float, ready: bool) -> None:
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


@dataclass
class Job:
    """One report to be asked for, and how often that was tried."""

    decision: Decision
    requests: int = 0
    """Requests for it, those that were repeated within one call included."""
    failed_calls: int = 0
    polls: int = 0
    begun: float | None = None
    """When its first request was sent, on the pool's clock."""
    first_asked: float | None = None
    """When its first request was answered, on the queue's clock."""
    last_asked: float = 0.0
    generation_s: float | None = None
    """Seconds from its first request to the ready answer, if it had to be generated."""
    error: str = ""
    error_kind: str = ""

    def requested(self, now: float) -> None:
        """One more request was sent for it."""
        self.requests += 1
        self.begun = now if self.begun is None else self.begun


@dataclass
class JobQueue:
    """First requests, polls and repeats of one run; gives one job at a time and never waits."""

    waits: PollWaits
    max_generating: int
    _first: deque[Job] = field(default_factory=deque)
    _generating: list[deque[Job]] = field(default_factory=list)
    """By the number of polls they have had; each in the order of their last request."""
    _later: list[tuple[float, int, Job]] = field(default_factory=list)
    _serial: count[int] = field(default_factory=count)
    in_flight: int = 0
    _asking: int = 0
    """Of those in flight, the ones that may start a rendering."""
    generating: int = 0
    """Jobs that the server is rendering, those being polled at the moment included."""
    _held_until: float = -math.inf

    def add(self, jobs: Iterable[Job]) -> None:
        """New jobs, behind those that wait for their first request."""
        self._first.extend(jobs)

    @property
    def ready(self) -> int:
        """Jobs that wait for their first request."""
        return len(self._first)

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is under way."""
        return not (self._first or self._later or self.generating or self.in_flight)

    def hold(self, until: float) -> None:
        """Give nothing before `until`."""
        self._held_until = max(self._held_until, until)

    def next(self, now: float) -> Job | None:
        """The job to be asked for now, if there is one; it is in flight from then on."""
        job = self._pop(now) if now >= self._held_until else None
        if job is not None:
            self.in_flight += 1
            self._asking += job.first_asked is None
        return job

    def wakes_at(self) -> float:
        """When `next` has a job to give: past when it has one now, infinity when only an answer helps."""
        due = [self._due(polls) for polls, jobs in enumerate(self._generating) if jobs]
        due += [due for due, _, _ in self._later[:1]]
        if self._room:
            due.append(self._held_until)
        return max(min(due, default=math.inf), self._held_until)

    def pending(self, job: Job, now: float) -> None:
        """The answer was "still generating": it will be polled."""
        self._landed(job)
        if job.first_asked is None:
            job.first_asked = now
            self.generating += 1
        else:
            self.waits.polled(job.polls, waited_s=now - job.last_asked, ready=False)
            job.polls += 1
        job.last_asked = now
        while len(self._generating) <= job.polls:
            self._generating.append(deque())
        self._generating[job.polls].append(job)

    def again(self, job: Job, due: float) -> None:
        """The call failed: it comes back at `due`."""
        self._landed(job)
        heapq.heappush(self._later, (due, next(self._serial), job))

    def done(self, job: Job, now: float, *, ready: bool) -> None:
        """The job has come to its end; `ready` says whether a report came of it."""
        self._landed(job)
        if job.first_asked is not None:
            self.generating -= 1
            if ready:
                self.waits.polled(job.polls, waited_s=now - job.last_asked, ready=True)

    def drain(self) -> list[Job]:
        """Everything that still waits, when no more is to be asked for."""
        left = [*self._first, *(job for jobs in self._generating for job in jobs)]
        left += [job for _, _, job in self._later]
        self._first.clear()
        self._generating.clear()
        self._later.clear()
        self.generating = 0
        return left

    @property
    def _room(self) -> bool:
        """Whether there is a first request that may be made."""
        return bool(self._first) and self.generating + self._asking < self.max_generating

    def _landed(self, job: Job) -> None:
        self.in_flight -= 1
        self._asking -= job.first_asked is None

    def _pop(self, now: float) -> Job | None:
        if self._later and self._later[0][0] <= now:
            return heapq.heappop(self._later)[2]
        if self._room:
            return self._first.popleft()
        due = [(self._due(polls), polls) for polls, jobs in enumerate(self._generating) if jobs]
        if due and min(due)[0] <= now:
            return self._generating[min(due)[1]].popleft()
        return None

    def _due(self, polls: int) -> float:
        return self._generating[polls][0].last_asked + self.waits.wait_s(polls)
