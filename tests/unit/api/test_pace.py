"""The pace: what it never exceeds, what it learns, what it obeys. Hours pass in no time (`virtual`)."""

from __future__ import annotations

import anyio
import pytest
from support.clock import run_virtually

from harvester.api.pace import RateLimiter, TokenBucket, limiter_for
from harvester.config.settings import PaceSettings
from harvester.errors import ThrottledError
from harvester.text import Duration

HOUR = 3600.0


def make_limiter(
    per_min: float = 60.0, *, burst: int = 1, pause_s: float = 5.0, max_hold_s: float = HOUR
) -> RateLimiter:
    settings = PaceSettings(per_min, burst, pause=Duration(pause_s), max_hold=Duration(max_hold_s))
    return limiter_for(settings)


# -- the bucket ----------------------------------------------------------------------------------


def test_bucket_gives_its_burst_at_once_and_then_its_rate() -> None:
    bucket = TokenBucket(rate_per_s=2.0, burst=3)
    assert [bucket.reserve(10.0).start for _ in range(5)] == [10.0, 10.0, 10.0, 10.5, 11.0]


def test_bucket_fills_up_to_its_burst_and_no_further() -> None:
    bucket = TokenBucket(rate_per_s=1.0, burst=2)
    assert [bucket.reserve(1e6).start - 1e6 for _ in range(3)] == [0.0, 0.0, 1.0]


def test_hold_keeps_everything_back_and_lets_no_burst_follow() -> None:
    bucket = TokenBucket(rate_per_s=1.0, burst=5)
    bucket.hold(100.0)
    assert [bucket.reserve(40.0).start for _ in range(3)] == [100.0, 101.0, 102.0]


def test_a_shorter_hold_does_not_end_a_longer_one() -> None:
    bucket = TokenBucket(rate_per_s=1.0, burst=1)
    bucket.hold(100.0)
    bucket.hold(50.0)
    assert bucket.reserve(0.0).start == 100.0


# -- the limiter -----------------------------------------------------------------------------------


def test_what_an_earlier_run_has_learned_is_where_the_next_begins() -> None:
    limiter = limiter_for(PaceSettings(rate_per_min=240), limit_per_min=30)
    assert 0.9 * 0.5 < limiter.rate_per_s < 0.5
    assert limiter.limit_per_min == pytest.approx(30)
    assert limiter_for(PaceSettings(rate_per_min=20), limit_per_min=30).rate_per_s <= 20 / 60
    assert limiter_for(PaceSettings(rate_per_min=20)).limit_per_min is None


def test_first_come_first_served_at_the_rate() -> None:
    async def starts() -> list[tuple[int, float]]:
        limiter, order = make_limiter(per_min=30), []

        async def ask(number: int) -> None:
            order.append((number, await limiter.acquire()))

        async with anyio.create_task_group() as group:
            for number in range(4):
                group.start_soon(ask, number)
        return order

    assert run_virtually(starts) == [(0, 0.0), (1, 2.0), (2, 4.0), (3, 6.0)]


def test_a_cancelled_waiter_spends_nothing() -> None:
    async def starts() -> list[float]:
        limiter = make_limiter(per_min=1)
        found = [await limiter.acquire()]
        for _ in range(5):
            with anyio.move_on_after(1.0):
                await limiter.acquire()
        return [*found, await limiter.acquire()]

    assert run_virtually(starts) == [0.0, 60.0]


def test_a_hold_reaches_those_who_wait_already() -> None:
    async def start() -> float:
        limiter = make_limiter(per_min=60)
        await limiter.acquire()
        async with anyio.create_task_group() as group:
            group.start_soon(limiter.acquire)
            await anyio.sleep(0.5)
            limiter.record_throttled(0.0, retry_after_s=100.0, endpoint="x")
        return anyio.current_time()

    assert run_virtually(start) == pytest.approx(100.5)


@pytest.mark.parametrize("retry_after_s", [0.0, 1.0, 17.0, 3000.0])
def test_retry_after_is_obeyed_in_full_and_not_prolonged(retry_after_s: float) -> None:
    async def start() -> tuple[float, float]:
        limiter = make_limiter(per_min=6000)
        begun = await limiter.acquire()
        hold_s = limiter.record_throttled(begun, retry_after_s=retry_after_s, endpoint="x")
        return hold_s, await limiter.acquire()

    hold_s, start_at = run_virtually(start)
    assert hold_s == retry_after_s
    assert retry_after_s <= start_at <= retry_after_s + 0.1


def test_a_retry_after_that_proves_too_short_is_prolonged() -> None:
    async def holds() -> list[float]:
        limiter = make_limiter(pause_s=5.0)
        return [
            limiter.record_throttled(await limiter.acquire(), retry_after_s=0.0, endpoint="x")
            for _ in range(4)
        ]

    assert run_virtually(holds) == [0.0, 10.0, 20.0, 40.0]


def test_pauses_double_to_a_bound_until_a_good_answer_comes() -> None:
    async def holds() -> list[float]:
        limiter, found = make_limiter(pause_s=5.0), []
        for number in range(10):
            if number == 9:
                limiter.record_success()
            found.append(limiter.record_throttled(await limiter.acquire(), retry_after_s=None, endpoint="x"))
        return found

    assert run_virtually(holds) == [5, 10, 20, 40, 80, 160, 320, 320, 320, 5]


def test_a_pause_beyond_the_longest_hold_ends_the_run() -> None:
    async def ask() -> None:
        limiter = make_limiter(max_hold_s=60.0)
        limiter.record_throttled(await limiter.acquire(), retry_after_s=61.0, endpoint="x")

    with pytest.raises(ThrottledError, match="asks for a pause of 61 s"):
        run_virtually(ask)


def test_a_pause_that_ends_the_run_lets_nobody_else_start_or_wait() -> None:
    async def ask() -> float:
        limiter = make_limiter(max_hold_s=60.0)
        with pytest.raises(ThrottledError):
            limiter.record_throttled(await limiter.acquire(), retry_after_s=7200.0, endpoint="x")
        with pytest.raises(ThrottledError, match=r"asked for a pause until .*nothing was sent"):
            await limiter.acquire()
        return anyio.current_time()

    assert run_virtually(ask) == 0.0


def test_a_pause_beyond_the_end_of_the_run_ends_it_at_once() -> None:
    async def ask(retry_after_s: float | None) -> float:
        limiter = make_limiter()
        limiter.stop.ends_at = 30.0
        return limiter.record_throttled(await limiter.acquire(), retry_after_s=retry_after_s, endpoint="x")

    with pytest.raises(ThrottledError, match="longer than this run may wait"):
        run_virtually(ask, 31.0)
    assert run_virtually(ask, 29.0) == 29.0
    assert run_virtually(ask, None) == 5.0


def test_a_server_that_never_stops_saying_slow_down_ends_the_run() -> None:
    asked_at = []

    async def ask() -> None:
        limiter = make_limiter()
        while True:
            asked_at.append(await limiter.acquire())
            limiter.record_throttled(asked_at[-1], retry_after_s=None, endpoint="x")

    with pytest.raises(ThrottledError, match="20 times in a row") as caught:
        run_virtually(ask)
    assert caught.value.endpoint == "x"
    assert (len(asked_at), asked_at[-1] < 2 * HOUR) == (20, True)


def test_settings_reach_the_limiter() -> None:
    async def ask() -> tuple[float, float]:
        limiter = limiter_for(PaceSettings(rate_per_min=120, burst=2, pause=Duration(7)))
        for _ in range(2):
            await limiter.acquire()
        third = await limiter.acquire()
        return third, limiter.record_throttled(third, retry_after_s=None, endpoint="x")

    assert run_virtually(ask) == (0.5, 7.0)
