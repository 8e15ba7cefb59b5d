"""The queue over whole nights: no job lost, few requests for a report, and the allowed rate used."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from values import make_decision

from harvester.harvest.queue import Job, JobQueue, PollWaits

jobs = st.integers(0, 12)
acts = st.lists(
    st.tuples(st.sampled_from(["next", "pending", "again", "done", "lost", "add"]), st.floats(0, 40)),
    max_size=120,
)


@given(acts, jobs, st.integers(1, 6))
def test_no_job_is_ever_lost_or_given_twice(script: list[tuple[str, float]], count: int, most: int) -> None:
    queue, now, added = JobQueue(PollWaits(10.0), most), 0.0, count
    queue.add(Job(make_decision(str(n))) for n in range(count))
    flying: list[Job] = []
    ended: list[Job] = []
    for word, value in script:
        now += value
        if word == "add":
            queue.add([Job(make_decision(str(added)))])
            added += 1
        elif word == "next":
            job = queue.next(now)
            if job is not None:
                assert job not in flying
                assert job not in ended
                flying.append(job)
        elif flying and word == "pending":
            queue.pending(flying.pop(0), now)
        elif flying and word == "again":
            queue.again(flying.pop(0), now + value)
        elif flying:
            ended.append(flying.pop(0))
            queue.done(ended[-1], now, ready=word == "done")
        assert queue.in_flight == len(flying)
        assert queue.wakes_at() >= 0
    assert queue.idle == (len(ended) == added)
    left = queue.drain()
    assert len({id(job) for job in [*left, *flying, *ended]}) == added


@dataclass(frozen=True)
class Night:
    """How a simulated night came out."""

    per_report: float
    use: float
    """(requests needed / allowed rate) / time."""
    most_generating: int


def simulate_night(times_s: list[float], *, per_min: float, max_generating: int, waits: PollWaits) -> Night:
    """Reports that take `times_s` to generate, asked for one request at a time at the allowed rate."""
    queue = JobQueue(waits, max_generating)
    queue.add(Job(make_decision(str(n))) for n in range(len(times_s)))
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
            queue.done(job, now, ready=True)
        else:
            queue.pending(job, now)
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


def test_ready_reports_take_one_request_each() -> None:
    night = simulate_night([0.0] * 300, per_min=30, max_generating=100, waits=PollWaits(10.0))
    assert (night.per_report, round(night.use, 2)) == (1.0, 1.0)
