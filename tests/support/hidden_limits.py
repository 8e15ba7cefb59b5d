"""Servers with a rate limit that they do not tell, and what they see of a client that looks for it.

Pure and in simulated time: an hour of four workers takes milliseconds.
"""

from __future__ import annotations

import heapq
import math
import random
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from harvester.api.pace import Pace

WINDOW_S: Final = 120.0
"""The time within which 90 % of a limit have to be used for it to count as found."""


class Server(Protocol):
    """Decides which requests are within its limit."""

    def admits(self, now: float) -> bool:
        """Whether a request at this moment is answered; else it is told to slow down."""


@dataclass
class HiddenLimit:
    """A token bucket with a rate that changes by steps of (second, requests a minute)."""

    steps: Sequence[tuple[float, float]]
    burst: int = 5
    _full_at: float = -math.inf

    def admits(self, now: float) -> bool:
        per_s = [per_min for start, per_min in self.steps if start <= now][-1] / 60
        full_at = max(self._full_at, now)
        if full_at - now > (self.burst - 1) / per_s + 1e-9:
            return False
        self._full_at = full_at + 1 / per_s
        return True


@dataclass
class FixedWindows:
    """Counts by the clock's minute."""

    per_min: int
    _counted: dict[int, int] = field(default_factory=dict)

    def admits(self, now: float) -> bool:
        minute = int(now // 60)
        self._counted[minute] = self._counted.get(minute, 0) + 1
        return self._counted[minute] <= self.per_min


@dataclass(frozen=True)
class Asked:
    """One request, as the server saw it."""

    at: float
    good: bool


@dataclass(frozen=True)
class Client:
    """Workers that ask as fast as their pace lets them."""

    workers: int = 4
    took_s: tuple[float, float] = (0.2, 1.0)
    """How long an answer takes: at least, at most."""
    retry_after_s: float | None = None
    """What the server's "slow down" names; None: words alone."""
    seed: int = 1


def simulate(server: Server, pace: Pace, client: Client, *, until: float) -> list[Asked]:
    """Every request that the server sees until then."""
    dice = random.Random(client.seed)
    seen: list[Asked] = []
    under_way: list[tuple[float, int, Asked]] = []
    now, free = 0.0, client.workers
    while now < until:
        answered_at = under_way[0][0] if under_way else math.inf
        slot = pace.bucket.reserve(now) if free else None
        if slot is not None and slot.start <= answered_at:
            now, free = slot.start, free - 1
            seen.append(Asked(now, server.admits(now)))
            heapq.heappush(under_way, (now + dice.uniform(*client.took_s), len(seen), seen[-1]))
            continue
        if slot is not None:
            pace.bucket.cancel(slot)
        (now, _, asked), free = heapq.heappop(under_way), free + 1
        if asked.good:
            pace.record_success()
        else:
            pace.record_throttled(asked.at, now, client.retry_after_s)
    return [asked for asked in seen if asked.at < until]


def use_of(seen: Sequence[Asked], per_min: float, start: float, end: float) -> float:
    """Share of the allowed requests that were made and answered well."""
    return sum(asked.good for asked in seen if start <= asked.at < end) / (per_min / 60 * (end - start))


def throttled_per_1000(seen: Sequence[Asked], start: float, end: float) -> float:
    """How many of a thousand requests were told to slow down."""
    window = [asked for asked in seen if start <= asked.at < end]
    return 1000 * sum(not asked.good for asked in window) / max(len(window), 1)


def minutes_to_90(seen: Sequence[Asked], per_min: float, start: float, end: float) -> float:
    """Minutes from `start` to the end of the first `WINDOW_S` that uses 90 % of the limit."""
    good = [asked.at for asked in seen if asked.good and start <= asked.at < end]
    full = 0.9 * per_min / 60 * WINDOW_S
    ends = (at + WINDOW_S for at in good if bisect_left(good, at + WINDOW_S) - bisect_left(good, at) >= full)
    return (next(ends, end) - start) / 60
