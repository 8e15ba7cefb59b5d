"""What a server sees of several commands for one account, and of a signal in the middle of a hold."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import combinations
from pathlib import Path

import anyio
import anyio.abc
import pytest
from support.builders import TOKEN, USER_ID, Asked, Watcher, make_backtests, make_scenario, run_against
from support.cli import TIMEOUT_S, Done, command_environment, harvester_beside

from harvester.format.layout import PACE
from harvester.harvest.run import Run
from harvester.simulator import Fault, FaultKind, Limit, RequestRecord, Simulator

_DAY_S = 86_400.0
_SLOW_DOWN = FaultKind.TOO_MANY_SECONDS
_ROUTES = ("authenticate", "projects/read", "backtests/list", "backtests/read/report")


def environment(simulator: Simulator, *, per_min: float = 60_000) -> dict[str, str]:
    """The account at the simulator, at this rate."""
    return {
        "HARVESTER_API_BASE_URL": simulator.base_url,
        "HARVESTER_PACE_RATE_PER_MIN": str(per_min),
        "HARVESTER_REPORTS_FIRST_POLL": "50ms",
        "QUANTCONNECT_API_TOKEN": TOKEN,
        "QUANTCONNECT_USER_ID": str(USER_ID),
    }


def throttling(route: str, retry_after_s: float) -> dict[str, object]:
    """A server that says slow down once, to the first request of a kind."""
    first = Fault(kind=_SLOW_DOWN, route=route, attempts=(1,))
    return {"faults": (first,), "limit": Limit(retry_after_s=retry_after_s)}


def assert_polite(requests: Sequence[RequestRecord], per_min: float) -> None:
    """Never more requests in any time than the rate allows, give or take what connections delay."""
    at_s = sorted(record.at_s for record in requests)
    for first, last in combinations(range(len(at_s)), 2):
        assert last - first + 1 <= 1.5 + per_min / 60 * (at_s[last] - at_s[first])


# -- a hold --------------------------------------------------------------------------------------


@asynccontextmanager
async def held(
    cwd: Path, route: str, retry_after_s: float, *words: str
) -> AsyncIterator[tuple[Simulator, anyio.abc.Process]]:
    """A command that has just been told to wait."""
    told = anyio.Event()

    def note(record: RequestRecord) -> None:
        if record.answer == _SLOW_DOWN:
            told.set()

    scenario = make_scenario(make_backtests(3), **throttling(route, retry_after_s))
    async with Simulator(scenario, record=note) as simulator:
        process = await anyio.open_process(
            [sys.executable, "-m", "harvester", *(words or ("run",))],
            cwd=cwd,
            env=command_environment(environment(simulator), cwd),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        async with process:
            with anyio.fail_after(TIMEOUT_S):
                await told.wait()
                await anyio.sleep(0.2)  # the answer has to arrive; the hold lasts longer by far
                yield simulator, process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("route", _ROUTES)
async def test_the_first_signal_ends_a_hold_at_once_and_nothing_more_is_sent(
    tmp_path: Path, route: str, number: signal.Signals, code: int
) -> None:
    async with held(tmp_path, route, 14.0) as (simulator, process):
        before = len(simulator.requests)
        process.send_signal(number)
        with anyio.fail_after(3.0):
            assert await process.wait() == code
        assert len(simulator.requests) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("words", [("doctor",), ("run", "--dry-run")])
async def test_the_first_signal_ends_the_hold_of_a_command_that_makes_no_snapshot(
    tmp_path: Path, words: tuple[str, ...], number: signal.Signals
) -> None:
    async with held(tmp_path, "projects/read", 14.0, *words) as (simulator, process):
        before = len(simulator.requests)
        process.send_signal(number)
        with anyio.fail_after(3.0):
            assert await process.wait() in {128 + number, -number}
        assert len(simulator.requests) == before


async def test_a_run_after_an_interrupted_one_sends_nothing_before_the_hold_ends(tmp_path: Path) -> None:
    retry_after_s = 4.0
    async with held(tmp_path, "backtests/list", retry_after_s) as (simulator, process):
        process.send_signal(signal.SIGINT)
        await process.wait()
        before = len(simulator.requests)
        done = await harvester_beside("run", cwd=tmp_path, environ=environment(simulator))
    assert done.code == 0, done.err
    assert "the server asked an earlier command for a pause; nothing is sent before 20" in done.err
    told_at = next(record.at_s for record in simulator.requests if record.answer == _SLOW_DOWN)
    after = simulator.requests[before:]
    assert after
    assert min(record.at_s for record in after) >= told_at + retry_after_s - 0.1


@pytest.mark.parametrize("home", ["state", "archive"])
async def test_no_command_sends_anything_within_a_hold_that_is_longer_than_it_may_wait(
    tmp_path: Path, home: str
) -> None:
    scenario = make_scenario(make_backtests(3), **throttling("backtests/read/report", _DAY_S))

    async def call(*words: str, archive: str = "archive") -> Done:
        environ = environment(simulator) | ({"XDG_STATE_HOME": "/dev/null"} if home == "archive" else {})
        return await harvester_beside(*words, "--archive", archive, cwd=tmp_path, environ=environ)

    async with Simulator(scenario) as simulator:
        first = await call("run")
        before = len(simulator.requests)
        again = [await call(*words) for words in (["run"], ["run", "--dry-run"], ["doctor"])]
        if home == "state":
            again.append(await call("run", archive="another"))
    assert [done.code for done in (first, *again)] == [18] * (len(again) + 1)
    assert len(simulator.requests) == before
    for done in again:
        assert "nothing was sent, run again then" in done.out + done.err
    assert (tmp_path / "archive" / PACE).exists() == (home == "archive")


async def test_a_repair_does_not_read_reports_within_a_hold(tmp_path: Path) -> None:
    scenario = make_scenario(make_backtests(3), **throttling("authenticate", _DAY_S))
    async with Simulator(make_scenario(make_backtests(3))) as simulator:
        environ = environment(simulator)
        assert (await harvester_beside("run", cwd=tmp_path, environ=environ)).code == 0
    port = int(simulator.base_url.split(":")[2].split("/")[0])
    for report in (tmp_path / "archive" / "latest").glob("data/*/*/report.html"):
        report.unlink()
    async with Simulator(scenario, port=port) as simulator:
        assert (await harvester_beside("doctor", cwd=tmp_path, environ=environ)).code == 18
        before = len(simulator.requests)
        done = await harvester_beside("verify", "--repair", cwd=tmp_path, environ=environ)
    assert done.code == 20
    assert done.err.count("lost reports cannot be fetched") == 1
    assert len(simulator.requests) == before


# -- the rate ------------------------------------------------------------------------------------


async def test_two_archives_of_one_account_share_its_rate(tmp_path: Path) -> None:
    per_min = 300.0
    async with Simulator(make_scenario(make_backtests(3))) as simulator:
        environ, done = environment(simulator, per_min=per_min), list[Done]()

        async def run(archive: str) -> None:
            words = ["run", "--archive", archive]
            done.append(await harvester_beside(*words, cwd=tmp_path, environ=environ))

        async with anyio.create_task_group() as group:
            for archive in ("one", "other"):
                group.start_soon(run, archive)
    assert [each.code for each in done] == [0, 0]
    assert len(simulator.requests) >= 12
    assert_polite(simulator.requests, per_min)


async def test_doctors_in_a_row_keep_to_the_rate(tmp_path: Path) -> None:
    per_min = 60.0
    async with Simulator(make_scenario(make_backtests(1))) as simulator:
        environ = environment(simulator, per_min=per_min)
        for _ in range(3):
            assert (await harvester_beside("doctor", cwd=tmp_path, environ=environ)).code == 0
    assert len(simulator.requests) == 6
    assert_polite(simulator.requests, per_min)


async def test_where_nothing_can_be_remembered_that_is_told(tmp_path: Path) -> None:
    async with Simulator(make_scenario()) as simulator:
        environ = environment(simulator) | {"XDG_STATE_HOME": "/dev/null"}
        done = await harvester_beside("doctor", cwd=tmp_path, environ=environ)
    assert "not remembered between commands" in done.err
    assert "set XDG_STATE_HOME" in done.err


# -- within one process --------------------------------------------------------------------------


@pytest.mark.parametrize("route", _ROUTES)
async def test_an_interrupt_ends_a_run_that_waits_for_a_hold(tmp_path: Path, route: str) -> None:
    class Interrupter(Watcher):
        run: Run

        def request_ended(self, event: object) -> None:
            if getattr(event, "hold_s", 0.0):
                self.run.interrupt("SIGINT received")

    watcher = Interrupter()
    asked = Asked(watcher=watcher, started=lambda run: setattr(watcher, "run", run))
    scenario = make_scenario(make_backtests(3), **throttling(route, 20.0))
    async with Simulator(scenario) as simulator:
        with anyio.fail_after(3.0):
            result = await run_against(simulator, tmp_path, asked, pace={"workers": 1})
    assert result.record is None
    assert simulator.requests[-1].answer == _SLOW_DOWN
