"""The queue over whole nights: no job lost, few requests for a report, and the allowed rate used."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.values import make_decision

from harvester.harvest.queue import PollWaits, ReportJob, ReportQueue

seconds = st.floats(0, 40)


class QueueMachine(RuleBasedStateMachine):
    """A queue under any interleaving of what can happen to it: no job is ever lost or given twice."""

    @initialize(most=st.integers(1, 6))
    def start(self, most: int) -> None:
        self.queue = ReportQueue(PollWaits(10.0), most)
        self.now = 0.0
        self.added = 0
        self.flying: list[ReportJob] = []
        self.ended: list[ReportJob] = []

    @rule(count=st.integers(1, 4))
    def add(self, count: int) -> None:
        self.queue.add(ReportJob(make_decision(str(self.added + n))) for n in range(count))
        self.added += count

    @rule(after_s=seconds)
    def next(self, after_s: float) -> None:
        self.now += after_s
        wakes_at, job = self.queue.wakes_at(), self.queue.next(self.now)
        assert (job is not None) == (wakes_at <= self.now)
        if job is not None:
            assert job not in [*self.flying, *self.ended]
            self.flying.append(job)

    @rule(after_s=seconds)
    def hold(self, after_s: float) -> None:
        self.queue.hold(self.now + after_s)

    @precondition(lambda self: self.flying)
    @rule(after_s=seconds, came=st.sampled_from(["pending", "again", "ready", "given up"]))
    def land(self, after_s: float, came: str) -> None:
        job = self.flying.pop(0)
        if came == "pending":
            self.queue.poll_later(job, self.now)
        elif came == "again":
            self.queue.retry(job, self.now + after_s)
        else:
            self.ended.append(job)
            self.queue.finish_report(job, self.now, ready=came == "ready")

    @invariant()
    def books_agree(self) -> None:
        if hasattr(self, "queue"):
            assert self.queue.in_flight == len(self.flying)
            assert self.queue.idle == (len(self.ended) == self.added)
            assert 0 <= self.queue.generating <= self.added

    def teardown(self) -> None:
        if hasattr(self, "queue"):
            left = [*self.queue.drain(), *self.flying, *self.ended]
            assert len({id(job) for job in left}) == len(left) == self.added


TestQueue = QueueMachine.TestCase


@dataclass(frozen=True)
class Night:
    """How a simulated night came out."""

    per_report: float
    use: float
    """(requests needed / allowed rate) / time."""
    most_generating: int


def simulate_night(times_s: list[float], *, per_min: float, max_generating: int, waits: PollWaits) -> Night:
    """Reports that take `times_s` to generate, asked for one request at a time at the allowed rate."""
    queue = ReportQueue(waits, max_generating)
    queue.add(ReportJob(make_decision(str(n))) for n in range(len(times_s)))
    ready_at: dict[str, float] = {}
    now = free_at = 0.0
    requests = most = 0
    while not queue.idle:
        now = max(now, free_at)
        job = queue.next(now)
        if job is None:
            assert queue.wakes_at() < math.inf
            now = max(math.nextafter(now, math.inf), queue.wakes_at())
            continue
        requests, free_at = requests + 1, now + 60 / per_min
        name = job.decision.name
        if now >= ready_at.setdefault(name, now + times_s[int(name)]):
            queue.finish_report(job, now, ready=True)
        else:
            queue.poll_later(job, now)
        most = max(most, queue.generating)
    needed = len(times_s) + sum(time_s > 0 for time_s in times_s)
    return Night(requests / len(times_s), needed * 60 / per_min / now, most)


def generation_times(count: int, seed: int) -> list[float]:
    """10 to 60 seconds, and for one in twenty three minutes."""
    dice = random.Random(seed)
    return [180.0 if dice.random() < 0.05 else dice.uniform(10, 60) for _ in range(count)]


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("per_min", "max_generating"), [(30, 100), (240, 1000)])
def test_a_thousand_reports_to_generate_take_two_requests_each_and_the_whole_rate(
    per_min: float, max_generating: int, seed: int
) -> None:
    waits = PollWaits(10.0)
    for night_seed in (seed, seed + 10):
        times_s = generation_times(1000, night_seed)
        night = simulate_night(times_s, per_min=per_min, max_generating=max_generating, waits=waits)
        assert night.per_report <= 2.1
        assert night.use >= 0.95
        assert night.most_generating <= max_generating
        waits = PollWaits(10.0, waits.waits_s)


@pytest.mark.parametrize("count", [50, 200])
def test_small_nights_learn_from_the_nights_before(count: int) -> None:
    waits = PollWaits(10.0)
    for seed in range(5):
        waits = PollWaits(10.0, waits.waits_s)
        night = simulate_night(generation_times(count, seed), per_min=240, max_generating=100, waits=waits)
    assert night.per_report <= 2.1


def test_ready_reports_are_never_asked_for_twice() -> None:
    night = simulate_night([0.0] * 300, per_min=30, max_generating=100, waits=PollWaits(10.0))
    assert (night.per_report, round(night.use, 2)) == (1.0, 1.0)
