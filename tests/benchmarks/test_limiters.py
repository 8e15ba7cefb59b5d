"""The learning rate beside plain AIMD, looking for limits that the server does not tell; in simulated time.

Both stand behind the same token bucket and obey the same holds. AIMD is the textbook's, with constants that
were looked for on these very schedules (`BENCH=full` looks again): those that use most of the limits at about
as many refusals as the learning rate. The rule that decided which of the two harvester has: at least a tenth
more of the limits at no more refusals, or else AIMD.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from support.hidden_limits import (
    Client,
    FixedWindows,
    HiddenLimit,
    Server,
    minutes_to_90,
    simulate,
    throttled_per_1000,
    use_of,
)
from support.measure import FULL

from harvester.api.pace import Pace
from harvester.api.rate import AdaptiveRate
from harvester.config.settings import PaceSettings

pytestmark = pytest.mark.bench

RUNS = 3
HOUR = 3600.0
_DECREASE, _INCREASE = 0.5, 0.0007
"""Of AIMD: what a cut leaves, and what a good answer adds as a share of the configured rate."""


class Aimd(AdaptiveRate):
    """Additive increase, multiplicative decrease, one cut for all that was under way: the whole of it."""

    def __init__(
        self, ceiling_per_s: float, decrease: float = _DECREASE, increase: float = _INCREASE
    ) -> None:
        super().__init__(ceiling_per_s)
        self._decrease, self._step = decrease, increase * ceiling_per_s
        self._last_cut = float("-inf")

    def record_success(self) -> None:
        self.per_s = min(self._ceiling, self.per_s + self._step)

    def record_throttled(self, started: float, now: float) -> bool:
        if started < self._last_cut:
            return False
        self.per_s = max(self._ceiling / 64, self.per_s * self._decrease)
        self._last_cut = now
        return True


@dataclass(frozen=True)
class Schedule:
    """A server and for how long it is asked."""

    name: str
    server: Callable[[int], Server]
    """By the number of the run, so that no run meets a change at the same point of its own rhythm."""
    allowed: Callable[[int], float]
    """Requests that its limit allows in that time, burst left out."""
    until: Callable[[int], float]
    rate_per_min: float = 240.0
    workers: int = 4


def steps(phase_s: float, *limits: float) -> Schedule:
    """A limit that changes from phase to phase."""

    def length(run: int) -> float:
        return phase_s + 37.0 * run

    return Schedule(
        f"{' -> '.join(f'{limit:g}' for limit in limits)}/min, {phase_s / 60:g} min each",
        lambda run: HiddenLimit([(n * length(run), limit) for n, limit in enumerate(limits)]),
        lambda run: sum(limits) / 60 * length(run),
        lambda run: len(limits) * length(run),
    )


SCHEDULES = (
    steps(15 * 60.0, 30, 240, 30),
    steps(40 * 60.0, 30, 240, 30),
    steps(HOUR, 30),
    steps(HOUR, 120),
    steps(10 * 60.0, 60, 30, 120, 60, 200, 40),
    Schedule("30 in each minute", lambda _: FixedWindows(30), lambda _: 30 * 60.0, lambda _: HOUR),
    Schedule(
        "600/min, the first 5 min",
        lambda _: HiddenLimit(((0, 600),)),
        lambda _: 3000.0,
        lambda _: 300.0,
        6000.0,
        16,
    ),
)


def measure(
    schedule: Schedule, rate: Callable[[float], AdaptiveRate], retry_after_s: float | None
) -> list[float]:
    """Use of the limit and refusals per 1,000: medians."""
    found = []
    for run in range(RUNS):
        pace = Pace(PaceSettings(rate_per_min=schedule.rate_per_min))
        pace.rate = rate(schedule.rate_per_min / 60)
        until = schedule.until(run)
        client = Client(schedule.workers, seed=run, retry_after_s=retry_after_s)
        seen = simulate(schedule.server(run), pace, client, until=until)
        good = sum(asked.good for asked in seen)
        found.append((good / schedule.allowed(run), throttled_per_1000(seen, 0, until)))
    return [statistics.median(column) for column in zip(*found, strict=True)]


def measure_all(rate: Callable[[float], AdaptiveRate]) -> list[list[float]]:
    """Of each schedule, first by words alone, then with a figure."""
    return [measure(schedule, rate, told) for told in (None, 2.0) for schedule in SCHEDULES]


def _mean(rows: Sequence[Sequence[float]]) -> tuple[float, float]:
    use, refused = (statistics.mean(column) for column in zip(*rows, strict=True))
    return use, refused


def test_the_learning_rate_beside_plain_aimd(capsys: pytest.CaptureFixture[str]) -> None:
    learning, aimd = measure_all(AdaptiveRate), measure_all(Aimd)
    told = [*(f"{s.name}, words" for s in SCHEDULES), *(f"{s.name}, Retry-After" for s in SCHEDULES)]
    (use, refused), (peer_use, peer_refused) = _mean(learning), _mean(aimd)
    with capsys.disabled():
        print(f"\nuse of a hidden limit, and refusals per 1,000; medians of {RUNS}:")
        print(f"{'':<66} {'learning':>15} {'AIMD':>15}  ratio of use")
        for name, ours, theirs in zip(told, learning, aimd, strict=True):
            print(_row(name, ours, theirs))
        print(_row("mean of all", (use, refused), (peer_use, peer_refused)))
        for decrease, increase, rows in _others() if FULL else ():
            print(_row(f"AIMD with {decrease:g}, {increase:g}", (use, refused), _mean(rows)))
    assert use >= 1.1 * peer_use
    assert refused <= peer_refused


def _row(name: str, ours: Sequence[float], theirs: Sequence[float]) -> str:
    columns = " ".join(f"{use:>7.2f} {refused:>7.1f}" for use, refused in (ours, theirs))
    return f"{name:<66} {columns} {ours[0] / theirs[0]:>9.2f}"


def _others() -> list[tuple[float, float, list[list[float]]]]:
    grid = [(d, i) for d in (0.3, 0.5, 0.6, 0.7, 0.85) for i in (0.0002, 0.0005, 0.001, 0.002)]
    return [(d, i, measure_all(lambda ceiling, d=d, i=i: Aimd(ceiling, d, i))) for d, i in grid]


def test_how_soon_a_changed_limit_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    limits, length_s = (30, 240, 30), 40 * 60.0
    with capsys.disabled():
        print("\na hidden limit that steps, under a configured 240/min, in minutes; medians of 9:")
        print(f"{'':<12} {'limit':>8} {'90 % after':>11} {'refused per 1,000':>18} {'use':>6}")
        for told in (None, 2.0):
            for n, per_min in enumerate(limits):
                rows = []
                for run in range(9):
                    phase_s = length_s + 37.0 * run
                    server = HiddenLimit([(m * phase_s, limit) for m, limit in enumerate(limits)])
                    client = Client(seed=run, retry_after_s=told)
                    seen = simulate(server, Pace(PaceSettings(rate_per_min=240)), client, until=3 * phase_s)
                    start, end = n * phase_s, (n + 1) * phase_s
                    rows.append(
                        (
                            minutes_to_90(seen, per_min, start, end),
                            throttled_per_1000(seen, start, end),
                            use_of(seen, per_min, start, end),
                        )
                    )
                found, refused, use = (statistics.median(column) for column in zip(*rows, strict=True))
                words = "Retry-After" if told else "words alone"
                print(f"{words:<12} {per_min:>4}/min {found:>11.1f} {refused:>18.1f} {use:>6.2f}")
                assert refused <= 15


@pytest.mark.parametrize("configured", [1200, 6000])
@pytest.mark.parametrize(("workers", "took_s"), [(4, (0.005, 0.02)), (8, (0.2, 0.6))])
def test_the_first_minute_under_a_hidden_600(
    capsys: pytest.CaptureFixture[str], configured: int, workers: int, took_s: tuple[float, float]
) -> None:
    uses = []
    with capsys.disabled():
        for told in (None, 1.0, 2.0):
            rows = []
            for run in range(RUNS):
                client = Client(workers, took_s, told, seed=run)
                pace = Pace(PaceSettings(rate_per_min=configured))
                seen = simulate(HiddenLimit(((0, 600),)), pace, client, until=60.0)
                rows.append((use_of(seen, 600, 0, 60), throttled_per_1000(seen, 0, 60)))
            use, refused = (statistics.median(column) for column in zip(*rows, strict=True))
            words = f"Retry-After {told:g}" if told else "words alone"
            print(
                f"\nthe first minute of 600/min, configured {configured}, {workers} workers, {words}: "
                f"use {use:.2f}, refused per 1,000 {refused:.1f}",
                end="",
            )
            uses.append(use)
    assert uses[0] >= 0.6
