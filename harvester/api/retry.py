"""How one call is tried again: data for tenacity, and one pure function for the wait."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio
import tenacity

from harvester.errors import AuthenticationError, LockedOutError, RateLimitedError, TransportError


@dataclass(frozen=True)
class Backoff:
    """Waits between the attempts of one call."""

    tries: int = 4
    """Attempts in all; those that were answered with "slow down" apart."""
    slow_downs: int = 6
    """Answers "slow down" that one call bears with."""
    first_s: float = 1.0
    """Before the second attempt, before jitter; doubled for each further one."""
    most_s: float = 20.0

    def wait_s(self, attempt: int, jitter: float) -> float:
        """Seconds after the failed attempt number `attempt` (from 1); `jitter` is from 0 to 1."""
        return min(self.most_s, self.first_s * 2.0 ** (attempt - 1)) * (0.5 + jitter / 2)


class _Failures:
    """What one call has met so far."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._slow_downs = 0

    def again(self, state: tenacity.RetryCallState) -> bool:
        """Whether another attempt has a point."""
        error = _error(state)
        self._slow_downs += isinstance(error, RateLimitedError)
        if isinstance(error, LockedOutError):
            return False
        if isinstance(error, AuthenticationError):
            return self._own(state) == 1
        return isinstance(error, TransportError | RateLimitedError)

    def enough(self, state: tenacity.RetryCallState) -> bool:
        """Whether there were attempts enough."""
        return self._own(state) >= self._backoff.tries or self._slow_downs >= self._backoff.slow_downs

    def _own(self, state: tenacity.RetryCallState) -> int:
        return state.attempt_number - self._slow_downs


def _error(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def retrying(
    backoff: Backoff,
    *,
    random: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> tenacity.AsyncRetrying:
    """The attempts of one call; the last error comes out as itself.

    A hold asked for by the server is waited out in the limiter, where everyone waits, and not here.
    """
    met = _Failures(backoff)

    def wait_s(state: tenacity.RetryCallState) -> float:
        transport = isinstance(_error(state), TransportError)
        return backoff.wait_s(state.attempt_number, random()) if transport else 0.0

    return tenacity.AsyncRetrying(sleep=sleep, retry=met.again, wait=wait_s, stop=met.enough, reraise=True)
