"""The attempts of one call: which errors get another one, after how long, and how often."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import run_virtually

from harvester.api.retry import Backoff, retrying
from harvester.errors import (
    ApiError,
    AuthenticationError,
    HarvesterError,
    NotFoundError,
    ProtocolError,
    RateLimitedError,
    RefusedError,
    ThrottledError,
    TransportError,
)

BROKEN = TransportError("broken", endpoint="x")
SLOW = RateLimitedError("slow down", endpoint="x")
AUTH = AuthenticationError("hash", endpoint="x", status=200)


def attempts(
    *script: HarvesterError | None, backoff: Backoff | None = None
) -> tuple[int, list[float], object]:
    """How many attempts were made, the waits between them, and what came out.

    The last error of the script goes on for ever; None is an answer that is good.
    """
    made: list[HarvesterError | None] = []
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def call() -> str:
        async for attempt in retrying(backoff or Backoff(), random=lambda: 1.0, sleep=sleep):
            with attempt:
                made.append(script[min(len(made), len(script) - 1)])
                if made[-1] is not None:
                    raise made[-1]
                return "fine"
        raise AssertionError("unreachable")

    try:
        found: object = run_virtually(call)
    except ApiError as exc:
        found = exc
    return len(made), waits, found


def test_what_may_be_over_in_seconds_is_tried_again_with_growing_waits() -> None:
    assert attempts(BROKEN) == (4, [1.0, 2.0, 4.0], BROKEN)


def test_a_second_attempt_that_works_is_the_answer() -> None:
    assert attempts(BROKEN, None) == (2, [1.0], "fine")


@pytest.mark.parametrize(
    "error",
    [
        RefusedError("no", endpoint="x", status=200),
        NotFoundError("not there", endpoint="x", status=404),
        ProtocolError("another shape", endpoint="x"),
        ThrottledError("for hours", endpoint="x"),
    ],
)
def test_what_is_final_is_not_tried_again(error: ApiError) -> None:
    assert attempts(error) == (1, [], error)


def test_a_refused_signature_is_made_anew_once() -> None:
    assert attempts(AUTH) == (2, [0.0], AUTH)
    assert attempts(AUTH, None) == (2, [0.0], "fine")


def test_slow_down_waits_in_the_limiter_and_counts_apart() -> None:
    assert attempts(SLOW) == (6, [0.0] * 5, SLOW)
    assert attempts(SLOW, SLOW, SLOW, BROKEN)[0] == 7
    assert attempts(SLOW, AUTH, None)[2] == "fine"


def test_the_last_error_comes_out_as_itself() -> None:
    last = TransportError("another", endpoint="x")
    assert attempts(BROKEN, BROKEN, BROKEN, last)[2] is last


@given(st.integers(1, 60), st.floats(0, 1))
def test_waits_stay_between_half_and_the_bound(attempt: int, jitter: float) -> None:
    backoff = Backoff(first_s=1.0, most_s=20.0)
    assert 0.5 <= backoff.wait_s(attempt, jitter) <= 20.0
    assert backoff.wait_s(attempt, jitter) <= backoff.wait_s(attempt + 1, jitter)
