"""How one call is attempted again: data for tenacity, and one pure function for the wait.

| the attempt ended with | then |
|---|---|
| `TransportError` | again after a jittered wait, `tries` attempts in all |
| `RateLimitedError` | again as soon as the limiter allows it, up to `slow_downs` times; not counted |
| `AuthenticationError` | once more with a new signature; the first one may have arrived late |
| `LockedOutError` | never again |
| any other error | never again |
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio
import tenacity

from harvester.errors import AuthenticationError, LockedOutError, RateLimitedError, TransportError


@dataclass(frozen=True)
class Backoff:
    """How often and after which waits one call is attempted again."""

    tries: int = 4
    """Attempts in all, without those that were answered with "slow down"."""
    slow_downs: int = 6
    """Answers "slow down" after which the call fails."""
    first_s: float = 1.0
    """Wait before the second attempt, before jitter; doubled for each further one."""
    most_s: float = 20.0
    """Longest wait, before jitter."""

    def wait_s(self, attempt: int, jitter: float) -> float:
        """Return the seconds to wait after the failed attempt number `attempt`.

        Args:
            attempt: From 1.
            jitter: From 0 to 1; the wait is from half of the backoff to all of it.
        """
        return min(self.most_s, self.first_s * 2.0 ** (attempt - 1)) * (0.5 + jitter / 2)


class _Attempts:
    """Counts the attempts of one call, those that were answered with "slow down" apart."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._slow_downs = 0
        self._failed = 0

    def record(self, error: BaseException | None) -> None:
        """Count an attempt that has ended."""
        if isinstance(error, RateLimitedError):
            self._slow_downs += 1
        else:
            self._failed += 1

    def should_retry(self, error: BaseException | None) -> bool:
        """Whether the error of the last attempt may be gone in another one."""
        if isinstance(error, LockedOutError):
            return False
        if isinstance(error, AuthenticationError):
            return self._failed == 1
        return isinstance(error, TransportError | RateLimitedError)

    def is_exhausted(self) -> bool:
        """Whether there were as many attempts as allowed."""
        return self._failed >= self._backoff.tries or self._slow_downs >= self._backoff.slow_downs


def retrying(
    backoff: Backoff,
    *,
    random: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> tenacity.AsyncRetrying:
    """Return the attempts of one call; after the last one its own error is raised.

    The pause that the server asks for is waited out in the limiter, where every request waits, and not here.
    """
    attempts = _Attempts(backoff)

    def should_retry(state: tenacity.RetryCallState) -> bool:
        attempts.record(_error(state))  # tenacity asks once after each attempt
        return attempts.should_retry(_error(state))

    def wait_s(state: tenacity.RetryCallState) -> float:
        is_transport = isinstance(_error(state), TransportError)
        return backoff.wait_s(state.attempt_number, random()) if is_transport else 0.0

    return tenacity.AsyncRetrying(
        sleep=sleep,
        retry=should_retry,
        wait=wait_s,
        stop=lambda _: attempts.is_exhausted(),
        reraise=True,
    )


def _error(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
