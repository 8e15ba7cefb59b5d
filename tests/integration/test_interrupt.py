"""Runs that do not come to their end: interrupted, out of time, throttled, refused."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from support.builders import (
    Asked,
    Watcher,
    entries,
    make_backtests,
    make_credentials,
    make_scenario,
    outcomes,
    run_against,
)

from harvester.errors import AuthenticationError, ThrottledError
from harvester.harvest.events import Event, Settled, Started, Stopping
from harvester.harvest.run import Run
from harvester.simulator import (
    Fault,
    FaultKind,
    Identity,
    Limit,
    LimitStep,
    ReportKind,
    Simulator,
)

_REPORT = "backtests/read/report"


class Interrupter(Watcher):
    """Interrupts the run after a number of reports."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self._after = after
        self.run: Run | None = None

    def notify(self, event: Event) -> None:
        super().notify(event)
        settled = sum(isinstance(event, Settled) for event in self.events)
        if settled == self._after and isinstance(event, Settled) and self.run is not None:
            self.run.interrupt("SIGTERM received")

    def start(self, run: Run) -> None:
        self.run = run


@pytest.mark.parametrize("after", [1, 3, 7])
async def test_an_interrupted_run_is_taken_up_and_asks_for_nothing_twice(tmp_path: Path, after: int) -> None:
    async with Simulator(make_scenario(make_backtests(8))) as simulator:
        watcher = Interrupter(after)
        asked = Asked(watcher=watcher, started=watcher.start)
        first = await run_against(simulator, tmp_path, asked, pace={"workers": 2})
        assert first.record is None
        assert any(isinstance(event, Stopping) for event in watcher.events)
        assert not (tmp_path / "latest").exists()
        again = Watcher()
        second = await run_against(simulator, tmp_path, Asked(watcher=again))
    asked_for = [record.backtest_id for record in simulator.requests if record.route == _REPORT]
    assert len(asked_for) == len(set(asked_for)) == 8
    assert set(outcomes(second).values()) == {"saved"}
    resumed = next(event for event in again.events if isinstance(event, Started))
    assert resumed.resumed_reports >= after


async def test_what_was_read_and_then_deleted_at_the_source_is_kept(tmp_path: Path) -> None:
    async with Simulator(make_scenario(make_backtests(4))) as simulator:
        watcher = Interrupter(2)
        await run_against(
            simulator, tmp_path, Asked(watcher=watcher, started=watcher.start), pace={"workers": 1}
        )
        read = next(event for event in watcher.events if isinstance(event, Settled)).backtest_id
        simulator.account.delete_backtest(101, read)
        result = await run_against(simulator, tmp_path)
    entry = entries(result)[read]
    assert (entry.listed, entry.gone_since) == (False, result.path.name)
    assert (result.path / entry.path / "report.html").is_file()
    assert result.record is not None
    assert (result.record.listed, result.record.gone) == (3, 1)


async def test_when_time_is_up_what_was_read_is_committed_and_the_rest_comes_first_next_time(
    tmp_path: Path,
) -> None:
    slow = make_backtests(3, generation_s=600.0)
    quick = make_backtests(3, first=4)
    async with Simulator(make_scenario(slow, quick)) as simulator:
        first = await run_against(simulator, tmp_path, run={"max_duration": 3.0}, reports={"deadline": 600.0})
        before = len(simulator.requests)
        for project, backtest in list(simulator.account.backtests()):
            simulator.account.change_backtest(project.project_id, backtest.backtest_id, generation_s=0.0)
        for live in simulator.account.projects[101].backtests.values():
            live.ready_at = None
        simulator.account.add_backtest(101, make_backtests(1, first=9)[0])
        second = await run_against(simulator, tmp_path, pace={"workers": 1})
    assert first.record is not None
    assert (first.record.ending.value, first.record.complete) == ("time", False)
    assert list(outcomes(first).values()) == ["pending"] * 3 + ["saved"] * 3
    asked = [record.backtest_id for record in simulator.requests[before:] if record.route == _REPORT]
    assert set(asked[:3]) == {backtest.backtest_id for backtest in slow}
    assert second.record is not None
    assert second.record.complete


async def test_a_report_that_is_never_ready_is_pending_and_the_snapshot_says_so(tmp_path: Path) -> None:
    never = make_backtests(1, report=ReportKind.FOREVER)
    async with Simulator(make_scenario(never, make_backtests(2, first=2))) as simulator:
        result = await run_against(simulator, tmp_path, reports={"deadline": 0.1})
    assert list(outcomes(result).values()) == ["pending", "saved", "saved"]
    assert result.record is not None
    assert (result.record.ending.value, result.record.complete) == ("pending", False)


@pytest.mark.parametrize("kind", [ReportKind.EMPTY, ReportKind.NULL])
async def test_an_empty_report_is_never_archived(tmp_path: Path, kind: ReportKind) -> None:
    async with Simulator(make_scenario(make_backtests(1, report=kind))) as simulator:
        result = await run_against(simulator, tmp_path, reports={"deadline": 0.1})
    assert list(outcomes(result).values()) == ["pending"]


@pytest.mark.parametrize("answer", [FaultKind.TOO_MANY, FaultKind.TOO_MANY_SECONDS, FaultKind.SLOW_DOWN])
async def test_a_hidden_limit_is_found_and_everything_still_comes(tmp_path: Path, answer: FaultKind) -> None:
    limit = Limit(steps=(LimitStep(after_s=0, per_min=1500),), burst=2, answer=answer, retry_after_s=0.1)
    async with Simulator(make_scenario(make_backtests(30), limit=limit)) as simulator:
        result = await run_against(simulator, tmp_path)
    assert set(outcomes(result).values()) == {"saved"}
    assert result.record is not None
    assert result.record.throttled > 0
    assert result.record.learned.rate_per_min is not None


async def test_a_server_that_never_stops_saying_slow_down_ends_the_run_with_what_it_has(
    tmp_path: Path,
) -> None:
    fault = Fault(kind=FaultKind.TOO_MANY_SECONDS, route=_REPORT, backtest_id=f"{3:032x}")
    scenario = make_scenario(make_backtests(5), faults=(fault,), limit=Limit(retry_after_s=86_400))
    async with Simulator(scenario) as simulator:
        result = await run_against(simulator, tmp_path, pace={"workers": 1})
    assert result.record is not None
    assert result.record.ending.value == "throttled"
    assert list(outcomes(result).values()) == ["saved", "saved", "pending", "pending", "pending"]


async def test_throttling_from_the_first_request_ends_the_run(tmp_path: Path) -> None:
    fault = Fault(kind=FaultKind.TOO_MANY_SECONDS)
    scenario = make_scenario(faults=(fault,), limit=Limit(retry_after_s=86_400))
    async with Simulator(scenario) as simulator:
        with pytest.raises(ThrottledError, match="longer than this run may wait"):
            await run_against(simulator, tmp_path)


@pytest.mark.parametrize("refusal", ["text", "401"])
async def test_a_wrong_token_stops_the_run_and_is_named(tmp_path: Path, refusal: str) -> None:
    async with Simulator(make_scenario(identity=Identity(refusal=refusal))) as simulator:
        with pytest.raises(AuthenticationError, match="check the user id and the API token"):
            await run_against(simulator, tmp_path, Asked(credentials=make_credentials(token="wrong-token")))
    assert len(simulator.requests) == 2


async def test_an_unknown_user_is_named_in_the_servers_words(tmp_path: Path) -> None:
    async with Simulator(make_scenario()) as simulator:
        with pytest.raises(AuthenticationError, match="UserID not valid"):
            await run_against(simulator, tmp_path, Asked(credentials=make_credentials(1)))


@pytest.mark.parametrize(("offset_s", "side"), [(4 * 3600.0, "behind"), (-4 * 3600.0, "ahead of")])
async def test_a_clock_that_is_off_is_told_from_a_wrong_token(
    tmp_path: Path, offset_s: float, side: str
) -> None:
    identity = Identity(clock_offset_s=offset_s)
    async with Simulator(make_scenario(identity=identity)) as simulator:
        with pytest.raises(AuthenticationError, match=rf"clock is 4h {side} the server's"):
            await run_against(simulator, tmp_path)


async def test_a_token_that_is_revoked_during_the_run_stops_it(tmp_path: Path) -> None:
    async with Simulator(make_scenario(make_backtests(6))) as simulator:
        watcher = Watcher()

        def revoke(event: Event) -> None:
            if isinstance(event, Settled):
                import msgspec

                simulator.scenario = msgspec.structs.replace(simulator.scenario, token="another")

        watcher.on_event = revoke
        with pytest.raises(BaseExceptionGroup) as caught:
            await run_against(simulator, tmp_path, Asked(watcher=watcher), pace={"workers": 1})
        assert caught.group_contains(AuthenticationError, depth=None)
        simulator.scenario = make_scenario()
        result = await run_against(simulator, tmp_path)
    assert set(outcomes(result).values()) == {"saved"}


async def test_the_servers_side_never_sees_more_than_the_configured_rate(tmp_path: Path) -> None:
    async with Simulator(make_scenario(make_backtests(40))) as simulator:
        await run_against(simulator, tmp_path, pace={"rate_per_min": 3000.0, "burst": 3})
        starts = [record.at_s for record in simulator.requests]
    rate_per_s, burst, jitter_s = 50.0, 3, 0.02
    for first in range(len(starts)):
        for last in range(first + burst, len(starts)):
            span_s = starts[last] - starts[first]
            assert last - first + 1 <= burst + 1 + rate_per_s * (span_s + jitter_s)


async def test_a_slow_report_holds_up_nobody(tmp_path: Path) -> None:
    scenario = make_scenario(make_backtests(1, generation_s=0.8), make_backtests(20, first=2))
    async with Simulator(scenario) as simulator:
        started = time.monotonic()
        result = await run_against(
            simulator, tmp_path, pace={"workers": 1}, reports={"first_poll": 0.2, "deadline": 5.0}
        )
        assert time.monotonic() - started < 10
    order = [record.backtest_id for record in simulator.requests if record.answer == "ready"]
    assert order[-1] == f"{1:032x}"
    assert set(outcomes(result).values()) == {"saved"}
