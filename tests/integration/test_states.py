"""Against the simulator: backtests that are not finished, and reports that are missing for a while."""

from __future__ import annotations

from pathlib import Path

from support.builders import Asked, Watcher, entries, make_backtests, make_scenario, outcomes, run_against

from harvester.harvest.events import Planned, Relisted
from harvester.harvest.run import RunResult
from harvester.model import Ending
from harvester.simulator import Change, ChangeKind, Fault, FaultKind, ReportKind, Simulator

REPORT = "backtests/read/report"
LISTING = "backtests/list"
ONE = f"{1:032x}"


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
        simulator.account.change_backtest(101, ONE, **running)
        second = await run_against(simulator, tmp_path)
        simulator.account.change_backtest(101, ONE, status="Completed.", report=ReportKind.NORMAL)
        third = await run_against(simulator, tmp_path)
        assert asked(simulator) == ["1", "1"]
    found = [entries(result)[ONE] for result in (first, second, third)]
    assert [entry.outcome.value for entry in found] == ["saved", "carried", "unchanged"]
    assert len({entry.report_sha256 for entry in found}) == 1
    assert (found[1].reason, found[1].gone_since) == ("not finished: In Progress...", "")


def ended(result: RunResult) -> tuple[Ending, int, int]:
    """How the run ended, how many backtests it listed, and how many are gone."""
    assert result.record is not None
    return result.record.ending, result.record.listed, result.record.gone


async def test_a_report_that_is_not_found_for_a_while_is_saved_in_the_same_run(tmp_path: Path) -> None:
    scenario = make_scenario((*make_backtests(1, not_found_first=1), *make_backtests(1, first=2)))
    async with Simulator(scenario) as simulator:
        result = await run_against(simulator, tmp_path)
        routes = [record.route for record in simulator.requests]
    assert set(outcomes(result).values()) == {"saved"}
    assert ended(result) == (Ending.OK, 2, 0)
    assert routes.count(LISTING) == 1, "what was found in the end costs no listing"


async def test_a_report_that_is_never_found_while_it_is_listed_has_failed_until_the_third_run(
    tmp_path: Path,
) -> None:
    scenario = make_scenario(make_backtests(2, not_found_first=99), make_backtests(1, first=3))
    found = []
    async with Simulator(scenario) as simulator:
        for _ in range(3):
            before = len(simulator.requests)
            result = await run_against(simulator, tmp_path)
            listed = [record.project_id for record in simulator.requests[before:] if record.route == LISTING]
            assert sorted(listed) == [101, 101, 102], "one listing more, of that project alone"
            found.append((outcomes(result)[ONE], ended(result)[0]))
    assert found == [("failed", Ending.PARTIAL), ("failed", Ending.PARTIAL), ("unavailable", Ending.OK)]


async def test_a_backtest_deleted_before_its_report_was_read_is_unavailable_and_then_left_out(
    tmp_path: Path,
) -> None:
    # The requests before its report's: 1 authenticates, 2 to 5 list the project, 6 its backtests.
    deleted = Change(at_request=7, kind=ChangeKind.DELETE_BACKTEST, project_id=101, backtest_id=ONE)
    not_yet = Fault(kind=FaultKind.EMPTY_500, route=REPORT, backtest_id=ONE, attempts=(1, 2, 3, 4))
    scenario = make_scenario(make_backtests(2), changes=(deleted,), faults=(not_yet,))
    async with Simulator(scenario) as simulator:
        first = await run_against(simulator, tmp_path)
        second = await run_against(simulator, tmp_path)
    assert outcomes(first)[ONE] == "unavailable"
    assert entries(first)[ONE].reason == "reported missing, and a listing read again no longer has it"
    assert ended(first) == (Ending.OK, 2, 0)
    assert ONE not in outcomes(second)


async def test_an_archived_report_whose_backtest_is_deleted_while_it_is_read_again_is_gone(
    tmp_path: Path,
) -> None:
    async with Simulator(make_scenario(make_backtests(2))) as simulator:
        first = await run_against(simulator, tmp_path)
        simulator.account.change_backtest(101, ONE, snapshot_id=7, not_found_first=99)

        def delete(event: object) -> None:
            if isinstance(event, Planned):
                simulator.account.delete_backtest(101, ONE)

        second = await run_against(simulator, tmp_path, Asked(watcher=Watcher(on_event=delete)))
    entry = entries(second)[ONE]
    assert (entry.outcome.value, entry.listed, entry.gone_since) == ("carried", False, second.path.name)
    assert entry.report_sha256 == entries(first)[ONE].report_sha256
    assert ended(second) == (Ending.OK, 1, 1)


async def test_a_listing_that_cannot_be_read_again_confirms_nothing(tmp_path: Path) -> None:
    fault = Fault(kind=FaultKind.EMPTY_500, route=LISTING, attempts=tuple(range(2, 99)))
    watcher = Watcher()
    scenario = make_scenario(make_backtests(1, not_found_first=99), faults=(fault,))
    async with Simulator(scenario) as simulator:
        result = await run_against(simulator, tmp_path, Asked(watcher=watcher))
    assert (outcomes(result)[ONE], ended(result)) == ("failed", (Ending.PARTIAL, 1, 0))
    told = [event for event in watcher.events if isinstance(event, Relisted)]
    assert told
    assert all("500" in event.error for event in told)
