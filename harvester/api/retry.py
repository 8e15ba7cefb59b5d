"""How one call is tried again: data for tenacity, and one pure function for the wait."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio
import tenacity

from harvester.errors import AuthenticationError, RateLimitedError, TransportError


@dataclass(frozen=True)
class Backoff:
    """Waits between the attempts of one call."""

    tries: int = 4
    first_s: float = 1.0
    """Before the second attempt, before jitter; doubled for each further one."""
    most_s: float = 20.0

    def wait_s(self, attempt: int, jitter: float) -> float:
        """Seconds after the failed attempt number `attempt` (from 1); `jitter` is from 0 to 1."""
        return min(self.most_s, self.first_s * 2.0 ** (attempt - 1)) * (0.5 + jitter / 2)


def retrying(
    backoff: Backoff,
    *,
    random: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> tenacity.AsyncRetrying:
    """The attempts of one call; the last error comes out as itself.

    A hold asked for by the server is waited out in the limiter, where everyone waits, and not here.
    """

    def wait_s(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return backoff.wait_s(state.attempt_number, random()) if isinstance(error, TransportError) else 0.0

    def again(state: tenacity.RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, AuthenticationError):
            return state.attempt_number == 1
        return isinstance(error, TransportError | RateLimitedError)

    return tenacity.AsyncRetrying(
        sleep=sleep,
        retry=again,
        wait=wait_s,
        stop=tenacity.stop_after_attempt(backoff.tries),
        reraise=True,
    )
