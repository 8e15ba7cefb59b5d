"""Several processes at one account, and the end of every wait. Hours pass in no time (`virtual`)."""

from __future__ import annotations

import fcntl
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from support.clock import run_virtually

from harvester.api.pace import RateLimiter, limiter_for
from harvester.api.pace_file import Clocks, PaceFile
from harvester.config.settings import PaceSettings
from harvester.errors import StoppedError, ThrottledError
from harvester.text import Duration


class Machine:
    """Where processes of one account begin; each call of `process` is one more."""

    def __init__(self, path: Path) -> None:
        self.path = path / "pace"
        self.told: list[datetime] = []

    def process(self, per_min: float = 60.0, *, max_hold_s: float = 3600.0, **pace: Any) -> RateLimiter:
        clocks = Clocks(anyio.current_time, anyio.current_time, "boot")
        settings = PaceSettings(per_min, max_hold=Duration(max_hold_s), **pace)
        return limiter_for(settings, store=PaceFile(self.path, clocks), on_hold=self.told.append)


def test_processes_one_after_another_keep_to_the_rate(tmp_path: Path) -> None:
    async def starts() -> list[float]:
        machine = Machine(tmp_path)
        return [await machine.process(per_min=30).acquire() for _ in range(5)]

    assert run_virtually(starts) == pytest.approx([0.0, 2.0, 4.0, 6.0, 8.0])


def test_processes_side_by_side_keep_to_the_rate_and_each_gets_its_turn(tmp_path: Path) -> None:
    async def starts() -> list[tuple[float, int]]:
        machine, seen = Machine(tmp_path), list[tuple[float, int]]()

        async def work(number: int) -> None:
            limiter = machine.process(per_min=30)
            for _ in range(4):
                seen.append((await limiter.acquire(), number))

        async with anyio.create_task_group() as group:
            for number in range(3):
                group.start_soon(work, number)
        return sorted(seen)

    seen = run_virtually(starts)
    assert [at for at, _ in seen] == pytest.approx([2.0 * n for n in range(12)])
    assert all({number for _, number in seen[n : n + 3]} == {0, 1, 2} for n in range(0, 12, 3))


def test_a_process_that_waits_for_its_turn_hears_of_a_hold_that_another_was_asked_for(tmp_path: Path) -> None:
    async def start() -> float:
        machine = Machine(tmp_path)
        one, other = machine.process(), machine.process()
        begun = await one.acquire()
        async with anyio.create_task_group() as group:
            group.start_soon(other.acquire)
            await anyio.sleep(0.5)
            one.record_throttled(begun, retry_after_s=100.0, endpoint="x")
        assert len(machine.told) == 1
        return anyio.current_time()

    assert run_virtually(start) == pytest.approx(100.5)


def test_the_next_process_waits_for_the_end_of_a_hold_and_says_until_when_once(tmp_path: Path) -> None:
    async def starts() -> list[float]:
        machine = Machine(tmp_path)
        first = machine.process()
        first.record_throttled(await first.acquire(), retry_after_s=60.0, endpoint="x")
        assert machine.told == []
        await anyio.sleep(20.0)
        later = machine.process()
        found = [await later.acquire() for _ in range(2)]
        assert len(machine.told) == 1
        return found

    assert run_virtually(starts) == pytest.approx([60.0, 61.0], abs=0.05)


@pytest.mark.parametrize(("max_hold_s", "ends_in_s"), [(59.0, float("inf")), (3600.0, 30.0)])
def test_a_hold_that_is_longer_than_a_process_may_wait_ends_it_before_its_first_request(
    tmp_path: Path, max_hold_s: float, ends_in_s: float
) -> None:
    async def ask() -> float:
        machine = Machine(tmp_path)
        first = machine.process()
        first.record_throttled(await first.acquire(), retry_after_s=60.0, endpoint="x")
        later = machine.process(max_hold_s=max_hold_s)
        later.stop.ends_at = anyio.current_time() + ends_in_s
        with pytest.raises(ThrottledError, match=r"asked for a pause until .*nothing was sent"):
            await later.acquire()
        return await machine.process().acquire()  # and nothing was counted as spent

    assert run_virtually(ask) == pytest.approx(60.0)


def test_a_hidden_limit_that_one_process_has_met_is_kept_to_by_the_others(tmp_path: Path) -> None:
    async def rates() -> tuple[float, float]:
        machine = Machine(tmp_path)
        one, other = machine.process(per_min=240), machine.process(per_min=240)
        await other.acquire()
        one.record_throttled(await one.acquire(), retry_after_s=0.0, endpoint="x")
        assert one.limit_per_min is not None
        await other.acquire()
        later = machine.process(per_min=240)
        await later.acquire()
        assert other.limit_per_min == later.limit_per_min == pytest.approx(one.limit_per_min)
        lower = machine.process(per_min=30)
        await lower.acquire()
        return later.rate_per_s, lower.rate_per_s

    later, lower = run_virtually(rates)
    assert later < 4.0
    assert lower <= 0.5


def test_a_cancelled_wait_costs_the_other_processes_nothing(tmp_path: Path) -> None:
    async def starts() -> list[float]:
        machine = Machine(tmp_path)
        found = [await machine.process(per_min=1).acquire()]
        for _ in range(5):
            with anyio.move_on_after(1.0):
                await machine.process(per_min=1).acquire()
        return [*found, await machine.process(per_min=1).acquire()]

    assert run_virtually(starts) == pytest.approx([0.0, 60.0])


def test_a_file_that_is_not_understood_counts_as_a_request_just_sent(tmp_path: Path) -> None:
    async def start() -> float:
        machine = Machine(tmp_path)
        machine.path.write_text("?")
        return await machine.process(per_min=30, burst=5).acquire()

    assert run_virtually(start) == pytest.approx(2.0)


def test_a_file_that_can_no_longer_be_written_ends_nothing_and_is_told(tmp_path: Path) -> None:
    async def starts() -> list[float]:
        machine = Machine(tmp_path)
        limiter = machine.process()
        found = [await limiter.acquire()]
        machine.path.unlink()
        machine.path.mkdir()
        found += [await limiter.acquire() for _ in range(2)]
        assert "not shared with other commands any more" in limiter.problem
        return found

    assert run_virtually(starts) == pytest.approx([0.0, 1.0, 2.0])


def test_a_lock_that_is_never_released_is_waited_for_seconds_only(tmp_path: Path) -> None:
    async def start() -> float:
        machine = Machine(tmp_path)
        limiter = machine.process()
        with machine.path.open("wb") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            at = await limiter.acquire()
        assert "keeps it locked" in limiter.problem
        return at

    assert 1.0 < run_virtually(start) < 10.0


# -- the end of every wait -----------------------------------------------------------------------


@pytest.mark.parametrize("shared", [False, True])
def test_a_stop_ends_the_wait_of_everybody_at_once(tmp_path: Path, shared: bool) -> None:
    async def main() -> float:
        limiter = Machine(tmp_path).process() if shared else limiter_for(PaceSettings())
        limiter.record_throttled(await limiter.acquire(), retry_after_s=1000.0, endpoint="x")
        stopped = []

        async def wait(waiting: Any) -> None:
            with pytest.raises(StoppedError):
                await waiting
            stopped.append(anyio.current_time())

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(wait, limiter.acquire())
            group.start_soon(wait, limiter.stop.sleep(20.0))
            await anyio.sleep(1.0)
            limiter.stop.request("enough")
        with pytest.raises(StoppedError):
            await limiter.acquire()
        assert len(stopped) == 4
        return anyio.current_time()

    assert run_virtually(main) == 1.0
