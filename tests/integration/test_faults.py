"""The fault table against the real client: once and then fine, and always on one backtest."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.builders import Asked, Watcher, entries, make_backtests, make_scenario, outcomes, run_against

from harvester.simulator import Fault, FaultKind, Simulator

_REPORT = "backtests/read/report"
_POISONED = f"{2:032x}"
_HARMLESS = {FaultKind.GZIP}
_FATAL = {FaultKind.LOCKED_OUT}
"""What ends the run: every further request would prolong the lock-out."""


@pytest.mark.parametrize("kind", [kind for kind in FaultKind if kind not in _FATAL])
async def test_a_fault_that_happens_once_costs_nothing_but_requests(tmp_path: Path, kind: FaultKind) -> None:
    fault = Fault(kind=kind, route=_REPORT, backtest_id=_POISONED, attempts=(1,))
    async with Simulator(make_scenario(make_backtests(3), faults=(fault,), time_scale=40)) as simulator:
        result = await run_against(simulator, tmp_path, api={"read_timeout": 0.2, "total_timeout": 0.4})
    assert set(outcomes(result).values()) == {"saved"}
    assert result.record is not None
    assert result.record.ending.value == "ok"


@pytest.mark.parametrize("kind", [kind for kind in FaultKind if kind not in _HARMLESS | _FATAL])
async def test_a_fault_that_never_ends_spoils_one_backtest_and_no_other(
    tmp_path: Path, kind: FaultKind
) -> None:
    fault = Fault(kind=kind, route=_REPORT, backtest_id=_POISONED)
    watcher = Watcher()
    async with Simulator(make_scenario(make_backtests(3), faults=(fault,), time_scale=40)) as simulator:
        result = await run_against(
            simulator,
            tmp_path,
            Asked(watcher=watcher),
            api={"read_timeout": 0.2, "total_timeout": 0.4, "tries": 2},
            reports={"tries": 2},
        )
    spoiled = entries(result)[_POISONED]
    assert spoiled.outcome.value == "failed"
    assert spoiled.error
    assert spoiled.tries >= 1
    assert list(outcomes(result).values()).count("saved") == 2
    assert result.record is not None
    assert result.record.ending.value == "partial"


@pytest.mark.parametrize("route", ["authenticate", "projects/read", "backtests/list"])
@pytest.mark.parametrize(
    "kind", [FaultKind.EMPTY_500, FaultKind.HTML_200, FaultKind.RESET_IN_BODY, FaultKind.HASH]
)
async def test_a_fault_in_a_listing_is_tried_again(tmp_path: Path, route: str, kind: FaultKind) -> None:
    fault = Fault(kind=kind, route=route, attempts=(1,))
    async with Simulator(make_scenario(make_backtests(2), faults=(fault,))) as simulator:
        result = await run_against(simulator, tmp_path)
    assert set(outcomes(result).values()) == {"saved"}


async def test_a_report_that_fails_the_same_way_in_three_runs_is_unavailable_and_left_alone(
    tmp_path: Path,
) -> None:
    fault = Fault(kind=FaultKind.ERRORS, route=_REPORT, backtest_id=_POISONED)
    found = []
    async with Simulator(make_scenario(make_backtests(2), faults=(fault,))) as simulator:
        for _ in range(4):
            before = len(simulator.requests)
            result = await run_against(simulator, tmp_path)
            asked = sum(record.backtest_id == _POISONED for record in simulator.requests[before:])
            entry = entries(result)[_POISONED]
            found.append((entry.outcome.value, entry.failures, bool(asked)))
    assert found == [
        ("failed", 1, True),
        ("failed", 2, True),
        ("unavailable", 3, True),
        ("unavailable", 3, False),
    ]
    assert "Invalid argument" in entry.error


async def test_a_failed_refresh_leaves_what_was_archived(tmp_path: Path) -> None:
    scenario = make_scenario(make_backtests(2))
    async with Simulator(scenario) as simulator:
        await run_against(simulator, tmp_path)
    fault = Fault(kind=FaultKind.EMPTY_500, route=_REPORT, backtest_id=_POISONED)
    async with Simulator(make_scenario(make_backtests(2), faults=(fault,))) as simulator:
        result = await run_against(simulator, tmp_path, Asked(refresh_days=0))
    entry = entries(result)[_POISONED]
    assert entry.outcome.value == "failed"
    assert (result.path / entry.path / "report.html").is_file()
