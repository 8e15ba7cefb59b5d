"""What the answers about optimizations mean, and when one proves that no backtest is missing."""

from __future__ import annotations

from typing import Any

import pytest
from support.servers.canned import ScriptedClient

from harvester.api.optimizations import (
    OptimizationChildren,
    fetch_optimization,
    fetch_optimizations,
    parse_optimization,
)
from harvester.api.wire import Answer
from harvester.errors import ProtocolError, TransportError
from harvester.model import Backtest, BacktestState


def read(backtests: Any, **fields: Any) -> OptimizationChildren:
    row = {"optimizationId": "O-1", "status": "completed", "backtests": backtests}
    return parse_optimization(Answer(optimization=row | fields), 7, "O-1")


def child(**fields: Any) -> Backtest:
    row = {"id": "a", "name": "A", "progress": 1, "exitCode": 0, "equity": [1], "parameterSet": {"n": "1"}}
    (found,) = read([row | fields]).backtests
    return found


@pytest.mark.parametrize(
    ("optimizations", "ids"),
    [
        ([], []),
        ({}, []),
        ([{"optimizationId": "O-2"}, {"optimizationId": "O-1"}, {"optimizationId": "O-2"}], ["O-2", "O-1"]),
        ({"O-1": {"optimizationId": "O-1"}}, ["O-1"]),
    ],
)
async def test_a_list_gives_each_id_once(optimizations: Any, ids: list[str]) -> None:
    client = ScriptedClient(lambda _: {"success": True, "optimizations": optimizations})
    assert await fetch_optimizations(client, 7) == ids
    assert client.payloads == [{"projectId": 7}]


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({}, ProtocolError, "`optimizations` is missing, neither a list nor an object"),
        ({"optimizations": "none"}, ProtocolError, "`optimizations` is str"),
        ({"optimizations": ["O-1"]}, ProtocolError, r"`optimizations\[0\]` has no usable id"),
        ({"optimizations": [{"optimizationId": " "}]}, ProtocolError, "no usable id"),
        ({"optimizations": [], "count": 2}, TransportError, "lists 0 of 2 optimizations"),
    ],
)
async def test_a_list_that_may_lack_one_is_an_error(
    fields: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        await fetch_optimizations(ScriptedClient(lambda _: {"success": True} | fields), 7)


async def test_an_optimization_is_read_by_its_id() -> None:
    row = {"status": "Completed.", "backtests": {"a": {"name": "A"}}}
    client = ScriptedClient(lambda _: {"success": True, "optimization": row})
    found = await fetch_optimization(client, 7, "O-1")
    assert client.payloads == [{"optimizationId": "O-1"}]
    assert (found.over, [backtest.backtest_id for backtest in found.backtests]) == (True, ["a"])


def test_a_child_is_a_backtest_of_its_optimization() -> None:
    found = child()
    assert (found.project_id, found.backtest_id, found.name) == (7, "a", "A")
    assert (found.source, found.optimization_id, found.state) == (
        "optimization",
        "O-1",
        BacktestState.UNKNOWN,
    )
    assert "equity" not in found.row
    assert child(name=None, status=7).name == ""


@pytest.mark.parametrize(
    ("row", "backtest_id"),
    [({"id": "x", "backtestId": "y"}, "x"), ({"id": "", "backtestId": "y"}, "y"), ({}, "key")],
)
def test_the_id_is_that_of_the_row_before_that_of_the_object(row: dict[str, Any], backtest_id: str) -> None:
    assert read({"key": row}).backtests[0].backtest_id == backtest_id


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"progress": 0.4}, BacktestState.RUNNING),
        ({"exitCode": 1}, BacktestState.BROKEN),
        ({"exitCode": -1}, BacktestState.BROKEN),
        ({"exitCode": None}, BacktestState.UNKNOWN),
        ({"error": "boom"}, BacktestState.BROKEN),
        ({"status": "In Queue..."}, BacktestState.QUEUED),
        ({"status": "Completed.", "exitCode": 1}, BacktestState.FINISHED),
    ],
)
def test_its_state_follows_from_progress_and_exit_code(fields: dict[str, Any], state: BacktestState) -> None:
    assert child(**fields).state is state


def test_what_it_has_come_to_is_its_key() -> None:
    assert child(name="B").change_key == child().change_key
    assert child(statistics=[1.0]).change_key != child().change_key


@pytest.mark.parametrize(
    ("status", "over"),
    [("completed", True), ("Aborted", True), ("running", False), ("new", False), (None, False), ("?", False)],
)
def test_only_known_ends_are_ends(status: Any, over: bool) -> None:
    assert read([{"id": "a"}], status=status).over is over


@pytest.mark.parametrize(
    "figures", [None, [], {}, {"Completed": "1", "Failed": "0"}, {"Completed": 1}, {"Completed": "many"}]
)
def test_figures_that_count_no_more_than_is_named_prove_nothing_missing(figures: Any) -> None:
    assert len(read([{"id": "a"}], runtimeStatistics=figures).backtests) == 1


@pytest.mark.parametrize(
    ("backtests", "fields", "words"),
    [
        ([], {"runtimeStatistics": {"Completed": "1", "Failed": "1"}}, "names 0 of 2 backtests"),
        ([{"id": "a"}], {"runtimeStatistics": {"Failed": 2}}, "names 1 of 2 backtests"),
        ([], {}, "is completed and names no backtest"),
    ],
)
def test_an_optimization_that_names_fewer_than_it_counts_is_not_whole(
    backtests: Any, fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(TransportError, match=words):
        read(backtests, **fields)


def test_an_optimization_that_ran_nothing_is_whole() -> None:
    assert read([], status="aborted").backtests == []
    assert read([], runtimeStatistics={"Completed": "0", "Failed": "0"}).backtests == []


@pytest.mark.parametrize(
    ("optimization", "words"),
    [
        (None, "`optimization` is not an object"),
        ([], "`optimization` is not an object"),
        ({"optimizationId": "O-2"}, "another optimization"),
        ({}, "`optimization.backtests` is missing"),
        ({"backtests": ["a"]}, "is not an object"),
        ({"backtests": [{"name": "a"}]}, "has no usable id"),
    ],
)
def test_another_shape_is_an_error(optimization: Any, words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        parse_optimization(Answer(optimization=optimization), 7, "O-1")
