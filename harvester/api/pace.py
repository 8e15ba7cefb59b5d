"""Decides when the next request may start: a token bucket, the pace of one account, the limiter that waits.

Rule 1: `TokenBucket` and `Pace` own no clock and never sleep; every method takes the time.
Rule 2: no window of t seconds ever holds more than `burst + rate * t` starts, whatever is learned and however
many processes share the pace; nothing starts during a hold.
Rule 3: a caller of `RateLimiter.acquire` that is cancelled while it waits has spent nothing.

How `RateLimiter.acquire` lets a request start:

1. It reserves a slot under the lock of the shared state, so every process sees it before anything is sent.
2. It waits until the slot begins.
3. If a hold has started meanwhile, it cancels the slot and reserves another one; else the request starts.

How long everybody holds after a "slow down":

1. The server names a time: that long. If that has proved too short, at least as long as without one.
2. It names none: the configured pause or the time of 8 requests, if that is shorter; doubled each time that
   no good answer came in between, up to 64 times the configured pause or `pace.max_hold`.
3. The server names a longer time than `pace.max_hold`, or than the run may last: `ThrottledError`.
4. "Slow down" 20 times without a good answer in between: `ThrottledError`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import anyio

from harvester.api.pace_file import MAX_S, MemoryPace, PaceState, PaceStore
from harvester.api.rate import AdaptiveRate
from harvester.api.stop import StopSignal
from harvester.config import PaceSettings
from harvester.errors import ThrottledError

T = TypeVar("T")

_PAUSE_REQUESTS: Final = 8
"""The first hold lasts no longer than this many requests take: a fast server soon allows more."""
_DOUBLINGS: Final = 6
"""The longest hold is the configured pause, doubled this often: from 5 s to 5 min 20 s."""
_MAX_THROTTLED: Final = 20
"""This many "slow down" without a good answer in between end the run."""
_MAX_QUEUED: Final = 1000
"""Most requests of other processes that may be ahead of ours; a file that says more is capped."""
_BUSY_WAIT_S: Final = 0.01
_BUSY_TRIES: Final = 500
"""Waits for a shared state that another process keeps locked; usually it takes a few microseconds."""
_REPORTED_HOLD_S: Final = 1.0
"""A hold that another process has caused is reported if it lasts longer than this."""


@dataclass(frozen=True)
class Slot:
    """The reserved start of one request; times are on the limiter's clock."""

    start: float
    after: float
    """When the bucket will be full again, this slot included."""
    before: float
    """When the bucket would be full again without this slot."""


class TokenBucket:
    """Allows `burst` requests at once, then `rate` a second (GCRA), each reserved in advance."""

    def __init__(self, rate_per_s: float, burst: int) -> None:
        self.rate_per_s = rate_per_s
        """May be lowered and raised again, never above its first value."""
        self.tolerance_s = (burst - 1) / rate_per_s
        """Fixed at the full rate: a lowered rate must not turn what was spent into a new burst."""
        self.full_at = float("-inf")
        """When the bucket will be full again if nothing more is reserved."""
        self.held_until = float("-inf")

    def reserve(self, now: float) -> Slot:
        """Reserve the first moment at which another request may start."""
        start = max(now, self.full_at - self.tolerance_s, self.held_until)
        # GCRA: each request pushes the moment of a full bucket back by one interval.
        before, self.full_at = self.full_at, max(self.full_at, start) + 1 / self.rate_per_s
        return Slot(start, self.full_at, before)

    def cancel(self, slot: Slot) -> None:
        """Cancel an unused slot; if another one was reserved after it, it stays spent."""
        if abs(self.full_at - slot.after) < min(1e-3, 0.1 / self.rate_per_s):
            self.full_at = slot.before

    def hold(self, until: float) -> None:
        """Let nothing start before `until`, and no burst right after it."""
        self.held_until = max(self.held_until, until)
        # After a hold the bucket is empty, or all who waited would start in one burst.
        self.full_at = max(self.full_at, until + self.tolerance_s)


class Pace:
    """Decides when requests may start, and learns from the server's answers: pure."""

    def __init__(self, settings: PaceSettings, *, limit_per_min: float | None = None) -> None:
        ceiling_per_s = settings.rate_per_min / 60
        limit_per_s = limit_per_min / 60 if limit_per_min else None
        self.rate = AdaptiveRate(ceiling_per_s, limit_per_s=limit_per_s)
        self.bucket = TokenBucket(ceiling_per_s, settings.burst)
        self.bucket.rate_per_s = self.rate.per_s
        self._ceiling_per_min = settings.rate_per_min
        self._pause_s = settings.pause
        self._max_hold_s = settings.max_hold
        self.throttled_in_a_row = 0
        """Number of "slow down" since the last good answer."""
        self._shared_limit = self.limit_per_min
        self._limit_beyond: float | None = None
        """A limit that another process has found, above the rate that is configured here."""

    @property
    def limit_per_min(self) -> float | None:
        """The server's hidden limit as it was found; None: none was."""
        return self.rate.limit_per_s * 60 if self.rate.limit_per_s else None

    def record_success(self) -> None:
        """Count an answer that was not "slow down"."""
        self.throttled_in_a_row = 0
        self.rate.record_success()
        self.bucket.rate_per_s = self.rate.per_s

    def record_throttled(self, started: float, now: float, retry_after_s: float | None) -> float:
        """Count a "slow down" for a request that started at `started`; returns the seconds of the hold."""
        if self.rate.record_throttled(started, now):
            self.throttled_in_a_row += 1
        self.bucket.rate_per_s = self.rate.per_s
        hold_s = self._hold_s(retry_after_s)
        self.bucket.hold(now + hold_s)
        self.rate.record_hold(self.bucket.held_until)
        return hold_s

    def _hold_s(self, retry_after_s: float | None) -> float:
        """Return the seconds of a hold; the module's docstring lists the cases."""
        first_s = min(self._pause_s, _PAUSE_REQUESTS / self.rate.per_s)
        longest_s = min(self._pause_s * 2.0**_DOUBLINGS, self._max_hold_s)
        ours_s = min(first_s * 2.0 ** (max(self.throttled_in_a_row, 1) - 1), longest_s)
        if retry_after_s is None:
            return ours_s
        return max(retry_after_s, ours_s) if self.throttled_in_a_row > 1 else retry_after_s

    def restore(self, state: PaceState | None, now: float) -> None:
        """Continue from what all processes of the account share; None: from what this process knows."""
        bucket = self.bucket
        if state is None:
            return
        # A file that cannot be understood may hide requests: behave as if one was sent just now.
        if state.unknown:
            bucket.full_at = max(bucket.full_at, now + bucket.tolerance_s + 1 / bucket.rate_per_s)
            return
        bucket.full_at = now + min(state.full_in_s, bucket.tolerance_s + _MAX_QUEUED / bucket.rate_per_s)
        bucket.held_until = now + state.held_for_s
        limit_per_min, self._limit_beyond = state.limit_per_min, None
        # Above the rate configured here the limit does not matter, but others still need it.
        if limit_per_min and limit_per_min > self._ceiling_per_min:
            self._limit_beyond = limit_per_min
        elif limit_per_min and limit_per_min != self._shared_limit:
            self.rate.adopt(limit_per_min / 60)
            bucket.rate_per_s = self.rate.per_s
            self._shared_limit = self.limit_per_min

    def share(self, now: float) -> PaceState:
        """Return what other processes of the account have to know."""
        self._shared_limit = self.limit_per_min
        return PaceState(
            full_in_s=_within_bounds(self.bucket.full_at - now),
            held_for_s=_within_bounds(self.bucket.held_until - now),
            limit_per_min=self.limit_per_min or self._limit_beyond,
        )


def _within_bounds(seconds: float) -> float:
    return min(max(0.0, seconds), MAX_S)


class RateLimiter:
    """Delays every request of an account until it may start; first come, first served."""

    def __init__(
        self,
        pace: Pace,
        *,
        max_hold_s: float = 3600.0,
        store: PaceStore | None = None,
        on_hold: Callable[[datetime], None] = lambda _: None,
        clock: Callable[[], float] = anyio.current_time,
    ) -> None:
        self._pace = pace
        self._max_hold_s = max_hold_s
        self._store = store or MemoryPace()
        self._on_hold = on_hold
        """Receives the end of a hold that another process has caused."""
        self._clock = clock
        self._turn: anyio.Lock | None = None
        self._own_hold_until = float("-inf")
        self._reported_until = float("-inf")
        self.throttled_count = 0
        """Answers that said slow down."""
        self.stop = StopSignal()
        """Ends every wait; shared by everything that works for this command."""
        self.problem = ""
        """Why the pace is no longer shared with other processes; empty: it is shared."""

    @property
    def rate_per_s(self) -> float:
        """The rate that is kept at the moment."""
        return self._pace.rate.per_s

    @property
    def limit_per_min(self) -> float | None:
        """The server's hidden limit as it was found; None: none was."""
        return self._pace.limit_per_min

    async def acquire(self) -> float:
        """Wait until a request may start; returns its start on the limiter's clock.

        Raises:
            StoppedError: a stop is requested; nothing may start any more.
            ThrottledError: there is a hold that is longer than this command may wait.
        """
        # Created here, since a limiter may be made outside of an event loop.
        self._turn = self._turn or anyio.Lock()
        async with self._turn:
            while True:
                slot = await self._reserve()
                if slot.start <= self._clock():
                    return slot.start
                try:
                    await self.stop.sleep(slot.start - self._clock())
                    held = await self._with_state(lambda now: self._pace.bucket.held_until > now)
                # Also when cancelled: rule 3.
                except BaseException:
                    self._cancel(slot)
                    raise
                if not held:
                    return self._clock()
                self._cancel(slot)

    def record_success(self) -> None:
        """Count an answer that was not "slow down"."""
        self._pace.record_success()

    def record_throttled(self, started: float, *, retry_after_s: float | None, endpoint: str) -> float:
        """Hold everybody, since the server said slow down to a request that started at `started`.

        Returns:
            Seconds of the hold, counted from now.

        Raises:
            ThrottledError: the hold is longer than the run may last, or the server never stops saying so.
        """
        now = self._clock()
        self.throttled_count += 1
        hold_s = self._pace.record_throttled(started, now, retry_after_s)
        self._own_hold_until = max(self._own_hold_until, now + hold_s)
        self._update(lambda _: None)  # if another process has the lock, the next request shares it
        asked_s = retry_after_s or 0.0
        if asked_s > self._max_hold_s or (asked_s and now + asked_s > self.stop.ends_at):
            raise ThrottledError(
                f"the server asks for a pause of {asked_s:.0f} s, until {_moment_in(asked_s)}, "
                "longer than this run may wait; run again then, or raise pace.max_hold and --max-duration",
                endpoint=endpoint,
            )
        if self._pace.throttled_in_a_row >= _MAX_THROTTLED:
            raise ThrottledError(
                f"the server said slow down {self._pace.throttled_in_a_row} times in a row; "
                "run again later with a lower pace.rate_per_min",
                endpoint=endpoint,
            )
        return hold_s

    async def _reserve(self) -> Slot:
        self.stop.check()
        slot = await self._with_state(self._reserve_at)
        until, left_s = self._pace.bucket.held_until, self._pace.bucket.held_until - self._clock()
        if (
            self._is_by_another(until)
            and left_s > _REPORTED_HOLD_S
            and until > self._reported_until + _REPORTED_HOLD_S
        ):
            self._reported_until = until
            self._on_hold(_moment_in(left_s))
        return slot

    def _reserve_at(self, now: float) -> Slot:
        until = self._pace.bucket.held_until
        left_s = until - now
        if left_s > self._max_hold_s or (
            self._is_by_another(until) and left_s > 0 and until > self.stop.ends_at
        ):
            raise ThrottledError(
                f"the server asked for a pause until {_moment_in(left_s)}, longer than this command may "
                "wait; nothing was sent, run again then",
                endpoint="",
            )
        return self._pace.bucket.reserve(now)

    def _is_by_another(self, until: float) -> bool:
        """Whether a hold until then was caused by another process."""
        return until > self._own_hold_until + _REPORTED_HOLD_S

    def _cancel(self, slot: Slot) -> None:
        self._update(lambda _: self._pace.bucket.cancel(slot))

    async def _with_state(self, step: Callable[[float], T]) -> T:
        """Run `step` on the state that all processes share; the wait for its lock is bounded."""
        for _ in range(_BUSY_TRIES):
            results = self._update(step)
            if results:
                return results[0]
            await self.stop.sleep(_BUSY_WAIT_S)
        self._stop_sharing("another process keeps it locked")
        return step(self._clock())

    def _update(self, step: Callable[[float], T]) -> list[T]:
        """Run `step` under the lock; returns its result, or an empty list if another process has the lock."""
        results: list[T] = []

        def change(state: PaceState | None) -> PaceState:
            now = self._clock()
            self._pace.restore(state, now)
            if self._own_hold_until > now:
                self._pace.bucket.hold(self._own_hold_until)
            results.append(step(now))
            return self._pace.share(now)

        try:
            self._store.update(change)
        except OSError as exc:
            self._stop_sharing(exc.strerror or str(exc))
            return results or [step(self._clock())]
        return results

    def _stop_sharing(self, why: str) -> None:
        self._store = MemoryPace()
        self.problem = f"the pace is not shared with other commands any more: {why}"


def _moment_in(seconds: float) -> datetime:
    """Return the moment this many seconds from now, to the second."""
    try:
        return (datetime.now(UTC) + timedelta(seconds=seconds)).replace(microsecond=0)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def limiter_for(
    settings: PaceSettings,
    *,
    limit_per_min: float | None = None,
    store: PaceStore | None = None,
    on_hold: Callable[[datetime], None] = lambda _: None,
) -> RateLimiter:
    """Return a limiter for these settings.

    Args:
        settings: Rate, burst and holds.
        limit_per_min: The hidden limit that an earlier run has found; a limit in the store has priority.
        store: Where the account's pace is kept; None: nowhere.
        on_hold: Receives the end of a hold that another process has caused.
    """
    pace = Pace(settings, limit_per_min=limit_per_min)
    return RateLimiter(pace, max_hold_s=settings.max_hold, store=store, on_hold=on_hold)
