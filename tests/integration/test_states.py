"""Against the simulator: backtests that are not finished, and reports that are missing for a while."""

from __future__ import annotations

from pathlib import Path

from builders import entries, make_backtests, make_scenario, outcomes, run_against

from harvester.model import Ending
from harvester.simulator import ReportKind, Simulator

REPORT = "backtests/read/report"


def asked(simulator: Simulator) -> list[str]:
    """The last digit of every backtest for the report of which somebody has asked."""
    return sorted(record.backtest_id[-1] for record in simulator.requests if record.route == REPORT)


async def test_a_backtest_in_progress_is_never_requested(tmp_path: Path) -> None:
    scenario = make_scenario(
        (
            *make_backtests(1),
            *make_backtests(1, first=2, status="In Progress...", report=ReportKind.PARTIAL),
            *make_backtests(1, first=3, completed=False, report=ReportKind.PARTIAL),
            *make_backtests(1, first=4, status="Stopped."),
        )
    )
    async with Simulator(scenario) as simulator:
        result = await run_against(simulator, tmp_path)
        assert asked(simulator) == ["1", "4"]
    assert list(outcomes(result).values()) == ["saved", "skipped", "skipped", "saved"]
    assert entries(result)[f"{2:032x}"].reason == "not finished: In Progress..."
    assert result.record is not None
    assert (result.record.ending, result.record.complete) == (Ending.OK, True)


async def test_an_archived_report_stays_while_its_row_says_in_progress(tmp_path: Path) -> None:
    async with Simulator(make_scenario(make_backtests(1))) as simulator:
        first = await run_against(simulator, tmp_path)
        running = {"status": "In Progress...", "report": ReportKind.PARTIAL, "snapshot_id": 7}
        simulator.account.change_backtest(101, f"{1:032x}", **running)
        second = await run_against(simulator, tmp_path)
        simulator.account.change_backtest(101, f"{1:032x}", status="Completed.", report=ReportKind.NORMAL)
        third = await run_against(simulator, tmp_path)
        assert asked(simulator) == ["1", "1"]
    found = [entries(result)[f"{1:032x}"] for result in (first, second, third)]
    assert [entry.outcome.value for entry in found] == ["saved", "carried", "unchanged"]
    assert len({entry.report_sha256 for entry in found}) == 1
    assert (found[1].reason, found[1].gone_since) == ("not finished: In Progress...", "")
