"""The pace over hours: never above what is allowed, and near a hidden limit without swinging."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import combinations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import run_virtually
from support.hidden_limits import Asked, FixedWindows, HiddenLimit, throttled_per_1000, use_of

from harvester.api.pace import RateLimiter, TokenBucket, limiter_for
from harvester.api.rate import AdaptiveRate
from harvester.config.settings import PaceSettings
from harvester.text import Duration

HOUR = 3600.0

times = st.floats(0.0, 100.0, allow_nan=False)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), times),
        st.tuples(st.just("hold"), times),
        st.tuples(st.just("rate"), st.floats(0.01, 1.0)),
        st.tuples(st.just("spend"), st.just(0.0)),
    ),
    max_size=60,
)


def assert_within(starts: list[float], rate_per_s: float, burst: int) -> None:
    """No window of t seconds holds more than burst + rate * t starts."""
    for first, last in combinations(range(len(starts)), 2):
        span_s = starts[last] - starts[first]
        assert last - first + 1 <= burst + rate_per_s * span_s + 1e-6


@given(steps, st.floats(0.01, 100.0), st.integers(1, 20))
def test_no_window_holds_more_than_burst_and_rate_allow(
    script: list[tuple[str, float]], rate_per_s: float, burst: int
) -> None:
    bucket, now, starts, held_until = TokenBucket(rate_per_s, burst), 0.0, list[float](), 0.0
    for word, value in script:
        if word == "wait":
            now += value
        elif word == "hold":
            bucket.hold(now + value)
            held_until = max(held_until, now + value)
        elif word == "rate":
            bucket.rate_per_s = rate_per_s * value
        else:
            now = bucket.reserve(now).start
            assert now >= held_until - 1e-9
            starts.append(now)
    assert_within(starts, rate_per_s, burst)


@given(
    st.lists(st.tuples(times, st.booleans(), st.none() | st.floats(0.0, 60.0)), min_size=1, max_size=40),
    st.floats(0.05, 20.0),
    st.integers(1, 5),
)
def test_the_limiter_keeps_its_word_whatever_the_server_answers(
    answers: list[tuple[float, bool, float | None]], rate_per_s: float, burst: int
) -> None:
    async def main() -> list[float]:
        limiter = limiter_for(PaceSettings(rate_per_s * 60, burst, pause=Duration(0.5)))
        starts: list[float] = []
        script = iter(answers)

        async def work() -> None:
            for took_s, good, retry_after_s in script:
                begun = await limiter.acquire()
                starts.append(begun)
                await anyio.sleep(took_s / 10)
                assert 0 < limiter.rate_per_s <= rate_per_s * (1 + 1e-9)
                if good:
                    limiter.record_success()
                elif limiter.throttled_count < 15:
                    limiter.record_throttled(begun, retry_after_s=retry_after_s, endpoint="x")

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(work)
        return starts

    assert_within(run_virtually(main), rate_per_s, burst)


@given(st.lists(st.tuples(st.booleans(), st.floats(0.01, 100.0)), max_size=300), st.floats(0.1, 100.0))
def test_what_is_learned_stays_between_its_floor_and_the_configured_rate(
    answers: list[tuple[bool, float]], ceiling_per_s: float
) -> None:
    rate, now = AdaptiveRate(ceiling_per_s), 0.0
    for good, took_s in answers:
        begun, now = now, now + took_s
        if good:
            rate.record_success()
        else:
            rate.record_throttled(begun, now)
        assert ceiling_per_s / 65 <= rate.per_s <= ceiling_per_s * (1 + 1e-9)
        assert rate.limit_per_s is None or 0 < rate.limit_per_s <= ceiling_per_s * (1 + 1e-9)


# -- near a hidden limit -------------------------------------------------------------------------


def drive(
    admits: Callable[[float], bool], limiter: RateLimiter, *, until: float, workers: int = 4, seed: int = 1
) -> list[Asked]:
    """What a server sees of some workers that ask as fast as the limiter lets them."""
    dice = random.Random(seed)

    async def main() -> list[Asked]:
        seen: list[Asked] = []

        async def work() -> None:
            while anyio.current_time() < until:
                begun = await limiter.acquire()
                seen.append(Asked(begun, admits(begun)))
                asked = seen[-1]
                await anyio.sleep(dice.uniform(0.2, 1.0))
                if asked.good:
                    limiter.record_success()
                else:
                    limiter.record_throttled(begun, retry_after_s=None, endpoint="x")

        async with anyio.create_task_group() as group:
            for _ in range(workers):
                group.start_soon(work)
        return sorted(seen, key=lambda asked: asked.at)

    return run_virtually(main)


@pytest.mark.parametrize(("burst", "seed"), [(1, 1), (5, 2), (30, 3)])
def test_the_rate_settles_near_a_hidden_limit_that_steps_up_and_down(burst: int, seed: int) -> None:
    """30, 240 and again 30 a minute, two hours each, under a configured 240."""
    limit = HiddenLimit(((0, 30), (2 * HOUR, 240), (4 * HOUR, 30)), burst=burst)
    seen = drive(limit.admits, limiter_for(PaceSettings(rate_per_min=240)), until=6 * HOUR, seed=seed)
    settled_s = 0.25 * HOUR
    for number, per_min in enumerate((30, 240, 30)):
        start, end = 2 * HOUR * number + settled_s, 2 * HOUR * (number + 1)
        assert throttled_per_1000(seen, start, end) <= 10
        assert use_of(seen, per_min, start, end) >= 0.9
    for start in (0.0, 4 * HOUR):
        assert sum(not asked.good for asked in seen if start <= asked.at < start + settled_s) <= 12


def test_the_rate_lives_with_a_server_that_counts_by_the_minute() -> None:
    seen = drive(FixedWindows(30).admits, limiter_for(PaceSettings(rate_per_min=240)), until=4 * HOUR)
    assert throttled_per_1000(seen, 0.5 * HOUR, 4 * HOUR) <= 12
    assert use_of(seen, 30, 0.5 * HOUR, 4 * HOUR) >= 0.85


def test_a_learned_limit_spares_the_next_run_the_learning() -> None:
    limiter = limiter_for(PaceSettings(rate_per_min=240), limit_per_min=30)
    seen = drive(HiddenLimit(((0, 30),)).admits, limiter, until=0.5 * HOUR)
    assert sum(not asked.good for asked in seen) <= 10
    assert use_of(seen, 30, 0, 0.5 * HOUR) >= 0.9


def test_without_a_hidden_limit_the_configured_rate_is_fully_used() -> None:
    seen = drive(lambda _: True, limiter_for(PaceSettings(rate_per_min=240)), until=HOUR)
    assert 0.999 <= use_of(seen, 240, 0, HOUR) <= 1.001
