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
_PLATEAU: Final = 0.97
"""Share of the known limit that is kept to: just below it, not on it."""
_CLIMB_ANSWERS: Final = 8
"""After a cut each good answer closes this fraction of the gap to the plateau."""
_PROBE_GROWTH: Final = 1.01
"""Beyond the plateau each good answer raises the rate by this factor: it doubles in 70 answers."""
_FAR: Final = 1.5
_FAR_GROWTH: Final = 1.03
"""The same from that many times the limit on, since it has plainly been raised: doubles in 24 answers."""
_PRICE: Final = 125
"""Good answers at the plateau that pay for one "slow down": so they stay below 8 in 1,000 answers."""
_FEW: Final = 20
"""Good answers between two cuts from which nothing is learned, if more is known already."""
_FIRST_OVERSHOOT: Final = 1.1
_LEAST_OVERSHOOT: Final = 1.02
_MOST_OVERSHOOT: Final = 3.0
_BOLDER: Final = 0.8
"""What is left of the overshoot's excess after a probe whose finding has stood."""
_DOUBLINGS: Final = 6
"""How often the pause is doubled at most: from 5 s to 5 min 20 s."""
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

    It halves on "slow down", climbs back to just below the limit, stays there for as many answers as the
    last "slow down" were worth, and then probes above it by small steps. So it settles near a hidden limit,
    and still finds out when the limit was raised. What is known of the limit comes from two observations:

    * Between two cuts the server has let through what its limit allows, so a cut below the known limit
      puts the limit at that rate of good answers, within a factor of 2 of the rate that was kept to.
    * A probe overshoots until the server's own burst is used up. By how much is not known and therefore
      learned: a finding that is refuted corrects the overshoot, one that stands makes the next bolder.
    """

    def __init__(self, ceiling_per_s: float, *, limit_per_s: float | None = None) -> None:
        self._ceiling = ceiling_per_s
        self.limit_per_s = limit_per_s
        """The server's limit as far as it is known; None: it never said slow down, or no longer does."""
        self.per_s = ceiling_per_s if limit_per_s is None else min(ceiling_per_s, limit_per_s * _PLATEAU)
        self._good = 0
        """Good answers since the last cut."""
        self._probe_after = _PRICE
        self._cut_at: float | None = None
        self._sure = False
        """Whether the limit rests on many answers."""
        self._overshoot = _FIRST_OVERSHOOT
        self._probed_per_s = 0.0
        """Where the last probe has ended; 0 when its finding was refuted."""

    def good(self) -> None:
        """One answer came that was not "slow down"."""
        self._good += 1
        if self.limit_per_s is None:
            return
        plateau = min(self._ceiling, self.limit_per_s * _PLATEAU)
        if self._good >= self._probe_after:
            growth = _PROBE_GROWTH if self.per_s < self.limit_per_s * _FAR else _FAR_GROWTH
            self.per_s = min(self._ceiling, max(self.per_s, plateau) * growth)
            if self.per_s >= self._ceiling:
                self.limit_per_s = None
        elif self.per_s < plateau:
            self.per_s += (plateau - self.per_s) / _CLIMB_ANSWERS

    def throttled(self, started: float, now: float) -> bool:
        """One "slow down" came for a request begun at `started`.

        Returns:
            Whether it says anything new: a request that was under way when the rate was cut does not.
        """
        if self._cut_at is not None and started < self._cut_at:
            self._probe_after += _PRICE
            return False
        # When nothing was let through since the last cut, a longer hold is called for and not a lower rate.
        if self._good or self._cut_at is None:
            self.limit_per_s = self._learned(now)
            self.per_s = max(self._ceiling * _FLOOR_SHARE, min(self.per_s, self.limit_per_s) / 2)
            self._probe_after = _PRICE
            self._good = 0
        self._cut_at = now
        return True

    def _learned(self, now: float) -> float:
        """The limit as it is known after a cut."""
        few, sure = self._good < _FEW, self._sure
        self._sure = not few
        if few and sure and self.limit_per_s is not None:
            return self.limit_per_s  # one odd answer does not outweigh what many have shown
        return self._probed() if self._probing else self._measured(now)

    @property
    def _probing(self) -> bool:
        return self.limit_per_s is not None and self._good >= self._probe_after

    def _probed(self) -> float:
        """The limit after a probe that came to its end."""
        if self._probed_per_s:
            excess = (self._overshoot - 1) * _BOLDER
            self._overshoot = max(_LEAST_OVERSHOOT, 1 + excess)
        self._probed_per_s = self.per_s
        return max(self.limit_per_s or 0.0, self.per_s / self._overshoot)

    def _measured(self, now: float) -> float:
        """The limit after a cut at a rate that was held to be safe."""
        if self._cut_at is None:
            return self.per_s
        passed_per_s = min(self.per_s, self._good / max(now - self._cut_at, 1e-9))
        # Less was asked for than allowed right after the cut, so the truth lies a little above.
        limit_per_s = max(self.per_s / 2, passed_per_s + (self.per_s - passed_per_s) / 4)
        if self._probed_per_s:
            refuted = max(self._overshoot, self._probed_per_s / limit_per_s)
            self._overshoot = min(_MOST_OVERSHOOT, refuted)
            self._probed_per_s = 0.0
        return limit_per_s


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
        hold_s = self._hold_s(retry_after_s)
        self._bucket.hold(now + hold_s)  # also when the run ends: nobody who waits for a turn gets one before
        asked_s = retry_after_s or 0.0
        if asked_s > self._max_hold_s or (asked_s and now + asked_s > self.ends_at):
            raise ThrottledError(
                f"the server asks for a pause of {asked_s:.0f} s, longer than this run may wait; "
                "run again later, or raise pace.max_hold and --max-duration",
                endpoint=endpoint,
            )
        if self._in_a_row >= _IN_A_ROW:
            raise ThrottledError(
                f"the server said slow down {self._in_a_row} times in a row; "
                "run again later with a lower pace.rate_per_min",
                endpoint=endpoint,
            )
        return hold_s

    def _hold_s(self, retry_after_s: float | None) -> float:
        """The server's own figure; ours, doubled each time, without one or when that has proved too short."""
        doublings = min(max(self._in_a_row, 1) - 1, _DOUBLINGS)
        ours_s = min(self._pause_s * 2.0**doublings, self._max_hold_s)
        if retry_after_s is None:
            return ours_s
        return max(retry_after_s, ours_s) if self._in_a_row > 1 else retry_after_s


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
