"""Learns the rate to keep from the server's answers. Pure: every method takes the time.

Additive increase, multiplicative decrease (AIMD) has one step for every limit. Small enough for a low one, it
takes half an hour to find that the limit was raised; a larger step is throttled every few answers.
`AdaptiveRate` remembers the limit instead, and its steps are shares of it. The cases:

* No limit known: the configured rate. It never rises above that.
* "Slow down" for a request that started before the last cut: nothing new; the next probe comes later.
* "Slow down" without a good answer since the last cut: a longer hold is needed, not a lower rate.
* "Slow down" at a rate that seemed safe: the limit is near the rate of good answers since the last cut.
* "Slow down" while probing: the limit is the rate reached, less an overshoot that is learned as well.
* "Slow down" after few good answers, while the limit rests on many: an outlier; the limit is kept.
* Good answers below the plateau, just under the limit: the rate returns to it, a quarter of the gap each.
* Good answers at the plateau: after 125 of them the rate probes above it, in larger steps once the limit has
  clearly been raised.
* A probe that reaches the configured rate: the limit was lifted and is forgotten.
"""

from __future__ import annotations

import math
from typing import Final

_FLOOR_SHARE: Final = 1 / 64
"""The rate is never cut below this share of the configured one, or it would take hours to come back."""
_PLATEAU: Final = 0.97
"""The plateau as a share of the known limit: just below it, not on it."""
_CLIMB_ANSWERS: Final = 4
"""After a cut each good answer closes this fraction of the gap to the plateau."""
_PROBE_STEP: Final = 0.01
"""Share by which each good answer of a probe raises the rate: it doubles in 70 answers."""
_RAISED: Final = 1.5
_RAISED_STEP: Final = 0.05
"""At this multiple of the limit it has clearly been raised; from there the rate doubles in 14 answers."""
_PROBE_AFTER: Final = 125
"""Good answers between a cut and the next probe, so that fewer than 8 in 1,000 answers are "slow down"."""
_FEW: Final = 10
"""With fewer good answers between two cuts nothing is learned, if the limit rests on more already."""
_LARGEST_CUT: Final = 0.1
"""A single "slow down" sets the limit no lower than this share of the rate at that moment."""
_PASSED_WEIGHT: Final = 0.9
"""Weight of the rate of good answers: right after a cut fewer requests were sent than allowed."""
_FIRST_OVERSHOOT: Final = 1.1
_MIN_OVERSHOOT: Final = 1.02
_MAX_OVERSHOOT: Final = 3.0
_OVERSHOOT_DECAY: Final = 0.8
"""Factor for the overshoot's excess over 1 after a probe that found a limit which held."""


class AdaptiveRate:
    """The rate for the next request; the module's docstring lists the cases."""

    def __init__(self, ceiling_per_s: float, *, limit_per_s: float | None = None) -> None:
        self._ceiling = ceiling_per_s
        self.limit_per_s: float | None = None
        """The server's limit as far as it is known; None: it never said slow down, or no longer does."""
        self.per_s = ceiling_per_s
        self._good = 0
        """Good answers since the last cut."""
        self._probe_after = _PROBE_AFTER
        self._cut_at: float | None = None
        self._held_until = float("-inf")
        self._is_confident = False
        """Whether the limit rests on many answers."""
        self._overshoot = _FIRST_OVERSHOOT
        self._probed_per_s = 0.0
        """The rate at which the last probe ended; 0 if a later cut has refuted the limit that it found."""
        if limit_per_s is not None:
            self.adopt(limit_per_s)

    def adopt(self, limit_per_s: float) -> None:
        """Use a limit that an earlier run or another process has found."""
        self.limit_per_s = min(limit_per_s, self._ceiling)
        self.per_s = max(self._ceiling * _FLOOR_SHARE, min(self._ceiling, limit_per_s * _PLATEAU))
        self._good = 0
        self._probe_after = _PROBE_AFTER

    def record_success(self) -> None:
        """Count an answer that was not "slow down"."""
        self._good += 1
        if self.limit_per_s is None:
            return
        plateau = min(self._ceiling, self.limit_per_s * _PLATEAU)
        if self._good >= self._probe_after:
            step = _PROBE_STEP if self.per_s < self.limit_per_s * _RAISED else _RAISED_STEP
            self.per_s = min(self._ceiling, max(self.per_s, plateau) * (1 + step))
            if self.per_s >= self._ceiling:
                self.limit_per_s = None
        elif self.per_s < plateau:
            self.per_s += (plateau - self.per_s) / _CLIMB_ANSWERS

    def record_throttled(self, started: float, now: float) -> bool:
        """Count a "slow down" for a request that started at `started`.

        Returns:
            Whether it is new information: for a request that was in flight at the last cut it is not.
        """
        if self._cut_at is not None and started < self._cut_at:
            self._probe_after += _PROBE_AFTER
            return False
        if self._good or self._cut_at is None:
            self.limit_per_s = self._limit_after_cut(now)
            self.per_s = max(self._ceiling * _FLOOR_SHARE, min(self.per_s, self.limit_per_s) / 2)
            self._probe_after = _PROBE_AFTER
            self._good = 0
        self._cut_at = now
        return True

    def record_hold(self, until: float) -> None:
        """Remember that nothing is sent before `until`, so good answers are measured from then."""
        self._held_until = max(self._held_until, until)

    def _limit_after_cut(self, now: float) -> float:
        few, was_confident = self._good < _FEW, self._is_confident
        self._is_confident = not few
        if few and was_confident and self.limit_per_s is not None:
            return self.limit_per_s
        if self.limit_per_s is not None and self._good >= self._probe_after:
            return self._limit_probed(self.limit_per_s)
        return self._limit_measured(now)

    def _limit_probed(self, known_per_s: float) -> float:
        """Return the limit after a probe: it used up the server's burst, so it went too far by some share."""
        if self._probed_per_s:
            self._overshoot = max(_MIN_OVERSHOOT, 1 + (self._overshoot - 1) * _OVERSHOOT_DECAY)
        self._probed_per_s = self.per_s
        return max(known_per_s, self.per_s / self._overshoot)

    def _limit_measured(self, now: float) -> float:
        """Return the limit after a cut at a rate that seemed safe."""
        if self._cut_at is None:
            return self.per_s
        # Nobody knows how far the server's burst was refilled during the hold. If fully, good answers count
        # from the cut; if not at all, from the end of the hold. The geometric mean of both rates is used.
        least_per_s = self._good / max(now - self._cut_at, 1e-9)
        most_per_s = self._good / max(now - self._held_until, 1e-9)
        passed_per_s = min(self.per_s, math.sqrt(least_per_s * most_per_s))
        near_per_s = self.per_s + (passed_per_s - self.per_s) * _PASSED_WEIGHT
        limit_per_s = max(self.per_s * _LARGEST_CUT, near_per_s)
        if self._probed_per_s:
            refuted = max(self._overshoot, self._probed_per_s / limit_per_s)
            self._overshoot = min(_MAX_OVERSHOOT, refuted)
            self._probed_per_s = 0.0
        return limit_per_s
