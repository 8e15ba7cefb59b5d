"""The simulator's optimizations: listed, read, and in the shapes that they may have."""

from __future__ import annotations

import pytest
from support.asker import asking
from support.builders import make_backtests, make_scenario

from harvester.simulator import (
    BacktestSpec,
    OptimizationAnswer,
    OptimizationSpec,
    ProjectSpec,
    Scenario,
)

ID = "O-1"


def scenario(
    answer: OptimizationAnswer = OptimizationAnswer.BY_ID, *more: BacktestSpec, **fields: str
) -> Scenario:
    """A project with two children of one optimization, the second of them not in the listing."""
    children = (
        *make_backtests(1, optimization_id=ID),
        *make_backtests(1, first=2, optimization_id=ID, listed=False),
        *more,
    )
    spec = OptimizationSpec(optimization_id=ID, name="Grid", answer=answer, **fields)  # type: ignore[arg-type]
    project = ProjectSpec(project_id=101, name="P", backtests=children, optimizations=(spec,))
    return Scenario(projects=(project,), drawing=make_scenario().drawing)


async def test_an_optimization_is_listed_and_names_children_that_the_listing_lacks() -> None:
    async with asking(scenario()) as asker:
        listed = await asker.ask("backtests/list", {"projectId": 101})
        found = await asker.ask("optimizations/list", {"projectId": 101})
        read = await asker.ask("optimizations/read", {"optimizationId": ID})
    assert [row["backtestId"] for row in listed["backtests"]] == [f"{1:032x}"]
    assert [(row["optimizationId"], row["status"]) for row in found["optimizations"]] == [(ID, "completed")]
    optimization = read["optimization"]
    assert sorted(optimization["backtests"]) == [f"{1:032x}", f"{2:032x}"]
    child = optimization["backtests"][f"{2:032x}"]
    assert (child["id"], child["exitCode"], child["progress"]) == (f"{2:032x}", 0, 1.0)
    assert len(child["statistics"]) == 21
    assert optimization["runtimeStatistics"]["Total"] == "2"


async def test_the_id_of_a_backtest_is_enough_for_an_optimization_to_exist() -> None:
    async with asking(make_scenario(make_backtests(1, optimization_id="O-9"), ())) as asker:
        found = await asker.ask("optimizations/list", {"projectId": 101})
        empty = await asker.ask("optimizations/list", {"projectId": 102})
    assert [row["optimizationId"] for row in found["optimizations"]] == ["O-9"]
    assert empty == {"optimizations": [], "success": True}


@pytest.mark.parametrize(
    ("answer", "backtests"),
    [
        (OptimizationAnswer.ROWS, [f"{1:032x}", f"{2:032x}"]),
        (OptimizationAnswer.SHORT, [f"{1:032x}"]),
        (OptimizationAnswer.EMPTY, []),
        (OptimizationAnswer.UNLISTED, [f"{1:032x}", f"{2:032x}"]),
    ],
)
async def test_its_backtests_come_in_every_form(answer: OptimizationAnswer, backtests: list[str]) -> None:
    async with asking(scenario(answer)) as asker:
        read = await asker.ask("optimizations/read", {"optimizationId": ID})
        found = await asker.ask("optimizations/list", {"projectId": 101})
    rows = read["optimization"]["backtests"]
    assert isinstance(rows, dict) == (answer in {OptimizationAnswer.SHORT, OptimizationAnswer.UNLISTED})
    assert [row["id"] for row in (rows.values() if isinstance(rows, dict) else rows)] == backtests
    assert read["optimization"]["runtimeStatistics"]["Completed"] == "2"
    assert bool(found["optimizations"]) == (answer is not OptimizationAnswer.UNLISTED)


async def test_it_runs_until_all_of_its_children_are_over() -> None:
    more = make_backtests(1, first=3, optimization_id=ID, status="In Progress...")
    failed = make_backtests(1, first=4, optimization_id=ID, status="Runtime Error")
    async with asking(scenario(OptimizationAnswer.BY_ID, *more, *failed)) as asker:
        read = await asker.ask("optimizations/read", {"optimizationId": ID})
    optimization = read["optimization"]
    figures = optimization["runtimeStatistics"]
    assert optimization["status"] == "running"
    assert [figures[name] for name in ("Completed", "Failed", "Running")] == ["2", "1", "1"]
    assert optimization["backtests"][f"{4:032x}"]["exitCode"] == 1


@pytest.mark.parametrize(
    ("route", "payload", "words"),
    [
        ("optimizations/list", {"projectId": 7}, "Project not found"),
        ("optimizations/read", {"optimizationId": "O-7"}, "Optimization not found"),
        ("optimizations/read", {}, "Required parameter optimizationId is missing."),
        ("optimizations/read", {"optimizationId": ID}, "Unable to read this optimization"),
    ],
)
async def test_what_cannot_be_read_is_refused(route: str, payload: dict[str, object], words: str) -> None:
    async with asking(scenario(OptimizationAnswer.REFUSED)) as asker:
        answer = await asker.ask(route, payload)
    assert answer == {"errors": [words], "success": False}
