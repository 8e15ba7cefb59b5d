"""When the next request may start: a token bucket, a rate that learns, and the limiter that waits.

Rule 1: `TokenBucket` and `AdaptiveRate` own no clock and never sleep; every method takes the time.
Rule 2: no window of t seconds ever holds more than `burst + rate * t` starts, whatever is learned.
Rule 3: whoever waits in `RateLimiter.acquire` and is cancelled has spent nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from harvester.config.settings import PaceSettings
from harvester.errors import ThrottledError

_FLOOR_SHARE: Final = 1 / 64
"""The rate is never halved below this share of the configured one, or it would take hours to come back."""
_PLATEAU: Final = 0.95
"""Share of the last known limit that is kept to: just below it, not on it."""
_CLIMB_ANSWERS: Final = 8
"""After a cut each good answer closes this fraction of the gap to the plateau."""
_PROBE_GROWTH: Final = 1.03
"""Beyond the plateau each good answer raises the rate by this factor: it doubles in 24 answers."""
_FIRST_PROBE: Final = 100
_LAST_PROBE: Final = 800
"""Good answers before the limit is probed; twice as many after every probe that failed."""
_FOUND_HIGHER: Final = 1.25
"""A probe that got this far above the old limit has found a new one."""
_IN_A_ROW: Final = 20
"""This many "slow down" without one good answer between them end the run."""


class TokenBucket:
    """`burst` requests at once, then `rate` a second (generic cell rate arithmetic)."""

    def __init__(self, rate_per_s: float, burst: int) -> None:
        self.rate_per_s = rate_per_s
        """May be lowered and raised again, never above what it was at first."""
        self._tolerance_s = (burst - 1) / rate_per_s
        """Fixed at the full rate: a lowered rate must not turn what was spent into a new burst."""
        self._empty_until = float("-inf")
        """When the bucket will be full again, were nothing more spent."""
        self._held_until = float("-inf")

    def delay(self, now: float) -> float:
        """Seconds until a request may start; 0 when it may start now."""
        return max(0.0, self._empty_until - self._tolerance_s - now, self._held_until - now)

    def spend(self, now: float) -> None:
        """A request starts now."""
        self._empty_until = max(self._empty_until, now) + 1 / self.rate_per_s

    def hold(self, until: float) -> None:
        """Nothing starts before `until`, and no burst right after it."""
        self._held_until = max(self._held_until, until)
        self._empty_until = max(self._empty_until, until + self._tolerance_s)


class AdaptiveRate:
    """The rate to keep to, learned from what the server answers.

    It halves on "slow down", climbs back to just below the rate at which that came, stays there, and probes
    above it the more seldom the more often that failed. So it settles near a hidden limit, and still finds
    out when the limit was raised.
    """

    def __init__(self, ceiling_per_s: float, *, limit_per_s: float | None = None) -> None:
        self._ceiling = ceiling_per_s
        self.limit_per_s = limit_per_s
        """The rate at which the server last said slow down; None: it never did."""
        self.per_s = ceiling_per_s if limit_per_s is None else min(ceiling_per_s, limit_per_s * _PLATEAU)
        self._good = 0
        self._probe_after = _FIRST_PROBE
        self._cut_at = float("-inf")

    def good(self) -> None:
        """One answer came that was not "slow down"."""
        if self.limit_per_s is None:
            return
        self._good += 1
        plateau = min(self._ceiling, self.limit_per_s * _PLATEAU)
        if self._good >= self._probe_after:
            self.per_s = min(self._ceiling, max(self.per_s, plateau) * _PROBE_GROWTH)
            if self.per_s >= self._ceiling > self.limit_per_s:
                self.limit_per_s = None
        elif self.per_s < plateau:
            self.per_s += (plateau - self.per_s) / _CLIMB_ANSWERS

    def throttled(self, started: float, now: float) -> bool:
        """One "slow down" came for a request begun at `started`.

        Returns:
            Whether the rate was cut: requests that were under way when it was cut before say nothing new.
        """
        if started < self._cut_at:
            return False
        self._cut_at = now
        if self.limit_per_s is not None and self._good >= self._probe_after:
            failed = self.per_s < self.limit_per_s * _FOUND_HIGHER
            self._probe_after = min(_LAST_PROBE, self._probe_after * 2) if failed else _FIRST_PROBE
            # The server's own burst hides the moment at which a probe became too fast.
            self.limit_per_s = max(self.limit_per_s, self.per_s / _FOUND_HIGHER)
        else:
            self.limit_per_s = self.per_s
        self.per_s = max(self._ceiling * _FLOOR_SHARE, self.per_s / 2)
        self._good = 0
        return True


class RateLimiter:
    """Stands before every request of an Account; first come, first served."""

    def __init__(
        self,
        bucket: TokenBucket,
        rate: AdaptiveRate,
        *,
        pause_s: float = 5.0,
        max_hold_s: float = 3600.0,
        clock: Callable[[], float] = anyio.current_time,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._bucket = bucket
        self._bucket.rate_per_s = rate.per_s
        self._rate = rate
        self._pause_s = pause_s
        self._max_hold_s = max_hold_s
        self._clock = clock
        self._sleep = sleep
        self._turn: anyio.Lock | None = None
        self._in_a_row = 0
        self.throttled_count = 0
        """Answers that said slow down."""
        self.ends_at = float("inf")
        """When the run must end, on the limiter's clock."""

    @property
    def rate_per_s(self) -> float:
        """The rate kept to at the moment."""
        return self._rate.per_s

    @property
    def limit_per_s(self) -> float | None:
        """The hidden limit that was met; None: none was."""
        return self._rate.limit_per_s

    async def acquire(self) -> float:
        """Wait until a request may start; returns the time of its start."""
        self._turn = self._turn or anyio.Lock()
        async with self._turn:
            while (wait_s := self._bucket.delay(self._clock())) > 0:
                await self._sleep(wait_s)
            now = self._clock()
            self._bucket.spend(now)
            return now

    def good(self) -> None:
        """An answer came that was not "slow down"."""
        self._in_a_row = 0
        self._rate.good()
        self._bucket.rate_per_s = self._rate.per_s

    def throttled(self, started: float, *, retry_after_s: float | None, endpoint: str) -> float:
        """The server said slow down to a request begun at `started`: everyone holds.

        Returns:
            Seconds of the hold, counted from now.

        Raises:
            ThrottledError: the hold is longer than the run may last, or the server never stops saying so.
        """
        now = self._clock()
        self.throttled_count += 1
        if self._rate.throttled(started, now):
            self._in_a_row += 1
        self._bucket.rate_per_s = self._rate.per_s
        backoff_s = min(self._pause_s * 2.0 ** (max(self._in_a_row, 1) - 1), self._max_hold_s)
        hold_s = backoff_s if retry_after_s is None else retry_after_s
        if hold_s > self._max_hold_s or now + hold_s > self.ends_at:
            raise ThrottledError(
                f"the server asks for a pause of {hold_s:.0f} s, longer than this run may wait; "
                "run again later, or raise pace.max_hold and --max-duration",
                endpoint=endpoint,
            )
        if self._in_a_row >= _IN_A_ROW:
            raise ThrottledError(
                f"the server said slow down {self._in_a_row} times in a row; "
                "run again later with a lower pace.rate_per_min",
                endpoint=endpoint,
            )
        self._bucket.hold(now + hold_s)
        return hold_s


def limiter_for(settings: PaceSettings, *, learned_per_min: float | None = None) -> RateLimiter:
    """The limiter for these settings, starting from the limit that an earlier run has met."""
    ceiling_per_s = settings.rate_per_min / 60
    limit_per_s = learned_per_min / 60 if learned_per_min else None
    return RateLimiter(
        TokenBucket(ceiling_per_s, settings.burst),
        AdaptiveRate(ceiling_per_s, limit_per_s=limit_per_s),
        pause_s=float(settings.pause),
        max_hold_s=float(settings.max_hold),
    )
