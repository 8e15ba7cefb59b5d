"""Backtests that only an optimization names: archived, carried, gone, and asked for only when it matters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.builders import (
    TOKEN,
    USER_ID,
    Asked,
    Watcher,
    entries,
    make_backtests,
    make_scenario,
    outcomes,
    run_against,
)
from support.cli import Done, harvester_beside

from harvester.harvest.events import Event, OptimizationRead, Settled
from harvester.harvest.run import RunResult
from harvester.model import Ending, OptimizationsRecord, ReportRecord
from harvester.simulator import (
    BacktestSpec,
    Fault,
    FaultKind,
    OptimizationAnswer,
    OptimizationSpec,
    ProjectSpec,
    ReportKind,
    Scenario,
    Simulator,
)

LIST, READ = "optimizations/list", "optimizations/read"
ID, CHILD = "O-1", f"{2:032x}"


def child(number: int = 2, **fields: Any) -> BacktestSpec:
    """A backtest that `backtests/list` does not have."""
    return make_backtests(1, first=number, optimization_id=ID, listed=False, **fields)[0]


def make_account(
    *children: BacktestSpec, answer: OptimizationAnswer = OptimizationAnswer.BY_ID, **fields: Any
) -> Scenario:
    """Project 101 with one listed backtest and these children of one optimization, and project 102."""
    spec = OptimizationSpec(optimization_id=ID, answer=answer, status=fields.pop("status", ""))
    first = ProjectSpec(
        project_id=101,
        name="Grid",
        backtests=(*make_backtests(1), *(children or (child(),))),
        optimizations=(spec,),
    )
    second = ProjectSpec(project_id=102, name="Plain", backtests=make_backtests(1, first=9))
    return make_scenario(projects=(first, second), **fields)


class Nights:
    """One run after the other against one account, with what each has asked about optimizations."""

    def __init__(self, simulator: Simulator, archive: Path) -> None:
        self.simulator = simulator
        self._archive = archive

    async def run(self, asked: Asked | None = None, **tables: Any) -> tuple[RunResult, list[str]]:
        before = len(self.simulator.requests)
        result = await run_against(self.simulator, self._archive, asked, **tables)
        routes = [record.route for record in self.simulator.requests[before:]]
        return result, [route for route in routes if route.startswith("optimizations/")]


def ended(result: RunResult) -> tuple[str, int, int]:
    """How the run ended, how many backtests it listed, and how many are gone."""
    assert result.record is not None
    assert result.record.listed == sum(result.record.counts.values())
    return result.record.ending.value, result.record.listed, result.record.gone


async def test_a_child_that_no_listing_has_is_archived_and_says_where_it_comes_from(tmp_path: Path) -> None:
    async with Simulator(make_account()) as simulator:
        result, asked = await Nights(simulator, tmp_path).run()
    assert sorted(asked) == [LIST, LIST, READ]
    assert ended(result) == ("ok", 3, 0)
    entry = entries(result)[CHILD]
    assert (entry.outcome.value, entry.source, entry.optimization_id) == ("saved", "optimization", ID)
    content = (result.path / entry.path / "report.json").read_bytes()
    backtest = msgspec.json.decode(content, type=ReportRecord).backtest
    assert (backtest.source, backtest.optimization_id) == ("optimization", ID)
    assert entries(result)[f"{1:032x}"].source == ""


async def test_an_uneventful_night_asks_for_no_optimization_and_carries_the_children(tmp_path: Path) -> None:
    async with Simulator(make_account()) as simulator:
        nights = Nights(simulator, tmp_path)
        await nights.run()
        for _ in range(2):
            result, asked = await nights.run()
            assert asked == []
            assert ended(result) == ("ok", 3, 0)
            entry = entries(result)[CHILD]
            assert (entry.outcome.value, entry.listed, entry.gone_since) == ("carried", True, "")


async def test_only_the_project_whose_listing_changed_is_asked_again(tmp_path: Path) -> None:
    async with Simulator(make_account()) as simulator:
        nights = Nights(simulator, tmp_path)
        await nights.run()
        simulator.account.add_backtest(102, make_backtests(1, first=10)[0])
        assert (await nights.run())[1] == [LIST]
        simulator.account.change_project(101, modified="2026-11-02 10:00:00")
        simulator.account.add_backtest(101, child(3))
        result, asked = await nights.run()
    assert asked == [LIST, READ]
    assert outcomes(result)[f"{3:032x}"] == "saved"


async def test_a_child_that_its_optimization_no_longer_names_is_gone(tmp_path: Path) -> None:
    async with Simulator(make_account(child(2), child(3))) as simulator:
        nights = Nights(simulator, tmp_path)
        await nights.run()
        simulator.account.delete_backtest(101, CHILD)
        result, _ = await nights.run()
        assert ended(result) == ("ok", 4, 0), "nothing has said so yet"
        simulator.account.change_project(101, modified="2026-11-02 10:00:00")
        result, _ = await nights.run()
        assert ended(result) == ("ok", 3, 1)
        gone = entries(result)[CHILD].gone_since
        assert gone == result.path.name
        result, _ = await nights.run()
    assert (ended(result), entries(result)[CHILD].gone_since) == (("ok", 3, 1), gone)


@pytest.mark.parametrize("answer", [OptimizationAnswer.ROWS, OptimizationAnswer.UNLISTED])
async def test_children_are_found_in_every_form_of_an_answer(
    tmp_path: Path, answer: OptimizationAnswer
) -> None:
    scenario = make_account(*make_backtests(1, first=3, optimization_id=ID), child(), answer=answer)
    async with Simulator(scenario) as simulator:
        result, _ = await Nights(simulator, tmp_path).run()
    assert ended(result) == ("ok", 4, 0)
    assert outcomes(result)[CHILD] == "saved"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (OptimizationAnswer.REFUSED, "Unable to read this optimization"),
        (OptimizationAnswer.SHORT, "names 0 of 1 backtests"),
        (OptimizationAnswer.EMPTY, "names 0 of 1 backtests"),
    ],
)
async def test_an_optimization_that_cannot_be_read_whole_is_named_and_makes_the_run_partial(
    tmp_path: Path, answer: OptimizationAnswer, words: str
) -> None:
    def break_it(simulator: Simulator) -> None:
        spec = OptimizationSpec(optimization_id=ID, answer=answer)
        simulator.account.change_project(101, optimizations=(spec,), modified="2026-11-02 10:00:00")

    async with Simulator(make_account()) as simulator:
        nights = Nights(simulator, tmp_path)
        first, _ = await nights.run()
        break_it(simulator)
        for _ in range(2):
            result, asked = await nights.run()
            assert LIST in asked, "it failed last time"
            assert ended(result) == ("partial", 2, 0)
            entry = entries(result)[CHILD]
            assert (entry.outcome.value, entry.listed, entry.gone_since) == ("carried", False, "")
            assert words in entry.reason
            assert result.record is not None
            (unread,) = result.record.unread_optimizations
            assert (unread.project_id, unread.project, unread.optimization_id) == (101, "Grid", ID)
            assert words in unread.error
    assert entries(first)[CHILD].report_sha256 == entry.report_sha256


async def test_a_list_of_optimizations_that_cannot_be_read_is_named_too(tmp_path: Path) -> None:
    fault = Fault(kind=FaultKind.EMPTY_500, route=LIST, project_id=101)
    async with Simulator(make_account(faults=(fault,))) as simulator:
        result, asked = await Nights(simulator, tmp_path).run(api={"tries": 1})
    assert asked.count(LIST) == 3, "once more after all others"
    assert ended(result) == ("partial", 2, 0)
    assert result.record is not None
    assert [unread.optimization_id for unread in result.record.unread_optimizations] == [""]


async def test_a_child_whose_report_cannot_be_read_has_failed_and_is_asked_for_again(tmp_path: Path) -> None:
    async with Simulator(make_account(child(report=ReportKind.REFUSED))) as simulator:
        nights = Nights(simulator, tmp_path)
        result, _ = await nights.run()
        assert (outcomes(result)[CHILD], ended(result)) == ("failed", ("partial", 3, 0))
        simulator.account.change_backtest(101, CHILD, report=ReportKind.NORMAL)
        result, asked = await nights.run()
        assert asked == [LIST, READ], "its listing is unchanged, but something is still to be requested"
        assert (outcomes(result)[CHILD], ended(result)) == ("saved", ("ok", 3, 0))
        assert (await nights.run())[1] == []


async def test_an_optimization_that_is_still_running_is_asked_again_every_night(tmp_path: Path) -> None:
    running = child(3, status="In Progress...")
    failed = child(4, status="Runtime Error")
    async with Simulator(make_account(child(), running, failed)) as simulator:
        nights = Nights(simulator, tmp_path)
        result, _ = await nights.run()
        assert [outcomes(result)[f"{n:032x}"] for n in (2, 3, 4)] == ["saved", "skipped", "skipped"]
        simulator.account.change_backtest(101, f"{3:032x}", status="Completed.")
        result, asked = await nights.run()
        assert (asked, outcomes(result)[f"{3:032x}"]) == ([LIST, READ], "saved")
        result, asked = await nights.run()
    assert (asked, ended(result)) == ([], ("ok", 5, 0))
    assert outcomes(result)[f"{4:032x}"] == "skipped"


async def test_a_child_that_comes_into_the_listing_is_one_backtest(tmp_path: Path) -> None:
    async with Simulator(make_account()) as simulator:
        nights = Nights(simulator, tmp_path)
        await nights.run()
        simulator.account.change_backtest(101, CHILD, listed=True)
        result, _ = await nights.run()
    assert ended(result) == ("ok", 3, 0)
    assert (outcomes(result)[CHILD], entries(result)[CHILD].source) == ("unchanged", "")


async def test_without_the_setting_nothing_is_asked_and_nothing_archived_is_lost(tmp_path: Path) -> None:
    async with Simulator(make_account()) as simulator:
        nights = Nights(simulator, tmp_path)
        first, _ = await nights.run()
        result, asked = await nights.run(reports={"optimizations": False})
        entry = entries(result)[CHILD]
        assert (asked, ended(result)) == ([], ("ok", 2, 0))
        assert (entry.outcome.value, entry.listed, entry.gone_since) == ("carried", False, "")
        assert entry.report_sha256 == entries(first)[CHILD].report_sha256
        assert result.record is not None
        assert result.record.settings["reports"]["optimizations"] is False
        result, asked = await nights.run()
    assert (asked, ended(result)) == ([], ("ok", 3, 0)), "it is known that nothing has changed since"


async def test_filters_ask_nothing_and_forget_nothing(tmp_path: Path) -> None:
    async with Simulator(make_account()) as simulator:
        nights = Nights(simulator, tmp_path)
        result, asked = await nights.run(filters={"projects": ("102",)})
        assert asked == [LIST]
        assert CHILD not in outcomes(result)
        result, asked = await nights.run()
        assert (asked, outcomes(result)[CHILD]) == ([LIST, READ], "saved")
        for filters in ({"projects": ("102",)}, {"optimizations": False}):
            result, asked = await nights.run(filters=filters)
            entry = entries(result)[CHILD]
            assert (asked, entry.outcome.value, entry.listed) == ([], "carried", True)
        result, asked = await nights.run(filters={"names": ("Backtest 1",)})
        assert (sorted(asked), outcomes(result)[CHILD]) == ([LIST, LIST, READ], "carried")


async def test_a_full_refresh_asks_every_project_again(tmp_path: Path) -> None:
    async with Simulator(make_account()) as simulator:
        nights = Nights(simulator, tmp_path)
        await nights.run()
        result, asked = await nights.run(Asked(refresh_days=0))
    assert (sorted(asked), outcomes(result)[CHILD]) == ([LIST, LIST, READ], "unchanged")


async def test_a_run_that_did_not_get_to_a_child_asks_again(tmp_path: Path) -> None:
    stops: list[Any] = []

    def stop(event: Event) -> None:
        if isinstance(event, Settled):
            stops[0]._stop.request("the time for this run is up", ending=Ending.TIME)

    async with Simulator(make_account(*(child(n) for n in range(2, 8)))) as simulator:
        nights = Nights(simulator, tmp_path)
        asked = Asked(watcher=Watcher(on_event=stop), started=stops.append)
        result, _ = await nights.run(asked, pace={"workers": 1})
        assert "pending" in outcomes(result).values()
        result, again = await nights.run()
    assert (sorted(again), ended(result)) == ([LIST, LIST, READ], ("ok", 8, 0))


async def test_an_interrupted_run_asks_again_when_it_is_resumed(tmp_path: Path) -> None:
    runs: list[Any] = []

    def interrupt(event: Event) -> None:
        if isinstance(event, Settled) and event.backtest_id == CHILD:
            runs[0].interrupt("SIGINT received")

    async with Simulator(make_account()) as simulator:
        nights = Nights(simulator, tmp_path)
        asked = Asked(watcher=Watcher(on_event=interrupt), started=runs.append)
        result, _ = await nights.run(asked)
        assert result.record is None
        spec = OptimizationSpec(optimization_id=ID, answer=OptimizationAnswer.REFUSED)
        simulator.account.change_project(101, optimizations=(spec,))
        result, again = await nights.run()
    assert LIST in again
    assert ended(result)[0] == "partial"
    entry = entries(result)[CHILD]
    assert (entry.outcome.value, entry.listed, entry.gone_since) == ("saved", False, "")


async def test_a_child_that_is_not_found_is_looked_for_in_its_optimization(tmp_path: Path) -> None:
    async with Simulator(make_account(child(not_found_first=99))) as simulator:
        result, asked = await Nights(simulator, tmp_path).run()
        assert sorted(asked) == [LIST, LIST, READ, READ]
        listings = [record.route for record in simulator.requests].count("backtests/list")
    assert (outcomes(result)[CHILD], ended(result)[0], listings) == ("failed", "partial", 2)


async def test_a_damaged_record_of_what_was_asked_costs_requests_and_nothing_else(tmp_path: Path) -> None:
    async with Simulator(make_account()) as simulator:
        nights = Nights(simulator, tmp_path)
        first, _ = await nights.run()
        path = first.path / "optimizations.json"
        assert sorted(msgspec.json.decode(path.read_bytes(), type=OptimizationsRecord).digests) == [101, 102]
        path.chmod(0o644)
        path.write_bytes(b'{"digests":{}}')
        result, asked = await nights.run()
    assert (sorted(asked), ended(result)) == ([LIST, LIST, READ], ("ok", 3, 0))
    assert ["optimizations.json is not the one that was committed" in note for note in result.notes] == [True]


async def test_whoever_watches_is_told_of_each_answer(tmp_path: Path) -> None:
    watcher = Watcher()
    async with Simulator(make_account()) as simulator:
        await Nights(simulator, tmp_path).run(Asked(watcher=watcher))
    told = [event for event in watcher.events if isinstance(event, OptimizationRead)]
    assert sorted((event.project_id, event.optimization_id, event.found) for event in told) == [
        (101, "", 1),
        (101, ID, 1),
        (102, "", 0),
    ]


# -- over the command line -------------------------------------------------------------------------


async def command(simulator: Simulator, cwd: Path, *words: str, **environ: str) -> Done:
    quick = {
        "HARVESTER_API_BASE_URL": simulator.base_url,
        "HARVESTER_API_TRIES": "1",
        "HARVESTER_PACE_RATE_PER_MIN": "60000",
        "HARVESTER_REPORTS_RETRY_AFTER": "20ms",
        "QUANTCONNECT_API_TOKEN": TOKEN,
        "QUANTCONNECT_USER_ID": str(USER_ID),
    }
    return await harvester_beside("run", *words, cwd=cwd, environ=quick | environ)


async def test_an_optimization_that_cannot_be_read_ends_with_3_and_is_named_everywhere(
    tmp_path: Path,
) -> None:
    async with Simulator(make_account(answer=OptimizationAnswer.REFUSED)) as simulator:
        preview = await command(simulator, tmp_path, "--dry-run")
        done = await command(simulator, tmp_path)
    named = "unread      optimization O-1 of project Grid: optimizations/read: the server says"
    assert named in preview.out
    assert (done.code, named in done.out) == (3, True)
    assert "optimization O-1 of project 101 could not be read" in done.err
    index = (tmp_path / "archive" / "latest" / "index.html").read_text()
    assert "O-1" in index
    assert "Unable to read this optimization" in index


async def test_a_dry_run_counts_the_requests_for_optimizations(tmp_path: Path) -> None:
    async with Simulator(make_account()) as simulator:
        preview = await command(simulator, tmp_path, "--dry-run", "--json")
        asked = len(simulator.requests)
        done = await command(simulator, tmp_path, "--json")
    assert preview.document()["listed"] == 3
    assert preview.document()["requests"][0] == asked + 3
    assert done.document()["snapshot"]["requests"] == asked + 3


async def test_a_snapshot_without_optimizations_says_so(tmp_path: Path) -> None:
    async with Simulator(make_account()) as simulator:
        done = await command(simulator, tmp_path, HARVESTER_REPORTS_OPTIMIZATIONS="false")
    assert done.code == 0
    assert "not listed  optimizations: reports.optimizations is false" in done.out
    index = (tmp_path / "archive" / "latest" / "index.html").read_text()
    assert "Optimizations were not asked for" in index
