"""The models and tools of QuantConnect's own MCP server judge what the simulator answers."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from support.builders import TOKEN, USER_ID, make_backtests, make_scenario
from support.served import ask_judge, served, why_not

from harvester.simulator import Generation, OptimizationAnswer, OptimizationSpec, Simulator

_ENVIRONMENT = ".venv-mcp"
_DONE = {"projectId": 101, "backtestId": f"{1:032x}"}
_WITHOUT_PARAMETERS = {"projectId": 101, "backtestId": f"{3:032x}"}
_FAILED = {"projectId": 102, "backtestId": f"{11:032x}"}
_UNDER_WAY = {"projectId": 102, "backtestId": f"{12:032x}"}
_OLDER_WORDS = {"projectId": 102, "backtestId": f"{13:032x}"}
_QUEUED = {"projectId": 102, "backtestId": f"{14:032x}"}
_SLOW = {"projectId": 102, "backtestId": f"{15:032x}"}
_OPTIMIZED, _OPTIMIZING, _EMPTY = (f"O-{number:032x}" for number in (1, 2, 3))
_WINDOW = {"start": 0, "end": 100}
_CHART = {"name": "Strategy Equity", "count": 100, "start": 0, "end": 2_000_000_000}

_QUESTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "every project": ("list_projects", {}),
    "one project": ("read_project", {"projectId": 101}),
    "the first project": ("read_project", {"start": 0, "end": 1}),
    "projects beyond the end": ("read_project", {"start": 7, "end": 9}),
    "a project that is not there": ("read_project", {"projectId": -1}),
    "an empty window": ("read_project", {"start": 1, "end": 1}),
    "a window that ends before it starts": ("read_project", {"start": 1, "end": 0}),
    "finished backtests": ("list_backtests", {"projectId": 101, "includeStatistics": True}),
    "finished backtests without statistics": ("list_backtests", {"projectId": 101}),
    "unfinished backtests": ("list_backtests", {"projectId": 102, "includeStatistics": True}),
    "backtests of no project": ("list_backtests", {}),
    "backtests of a project that is not there": ("list_backtests", {"projectId": -1}),
    "a finished backtest": ("read_backtest", _DONE),
    "a backtest without parameters": ("read_backtest", _WITHOUT_PARAMETERS),
    "a failed backtest": ("read_backtest", _FAILED),
    "a running backtest": ("read_backtest", _UNDER_WAY),
    "a running backtest in older words": ("read_backtest", _OLDER_WORDS),
    "a queued backtest": ("read_backtest", _QUEUED),
    "a backtest that is not there": ("read_backtest", _DONE | {"backtestId": " "}),
    "a report": ("read_backtest_report", _DONE),
    "a report in the making": ("read_backtest_report", _SLOW),
    "orders": ("read_backtest_orders", _DONE | _WINDOW),
    "too many orders": ("read_backtest_orders", _DONE | {"start": 0, "end": 200}),
    "insights": ("read_backtest_insights", _DONE | _WINDOW),
    "too many insights": ("read_backtest_insights", _DONE | {"start": 0, "end": 200}),
    "a chart": ("read_backtest_chart", _DONE | _CHART),
    "optimizations": ("list_optimizations", {"projectId": 103}),
    "no optimizations": ("list_optimizations", {"projectId": 101}),
    "an optimization": ("read_optimization", {"optimizationId": _OPTIMIZED}),
    "an optimization under way": ("read_optimization", {"optimizationId": _OPTIMIZING}),
    "an optimization without children": ("read_optimization", {"optimizationId": _EMPTY}),
    "an optimization that is not there": ("read_optimization", {"optimizationId": "O-none"}),
    "files": ("read_file", {"projectId": 101}),
    "versions": ("read_lean_versions", {}),
    "account": ("read_account", {}),
}

# What the models refuse though the real server sends it, so that the models are what is wrong:
_THEIRS = {
    # the PyPI copy lacks a step of the original, which takes a list here; its live test wants an empty one
    "parameters.ParameterSet1: model_type",
    "parameters.dict[str,union[str,float,int]]: dict_type",
    "parameterSet.ParameterSet1: model_type",
    "parameterSet.dict[str,union[str,float,int]]: dict_type",
    # an open set of words; theirs has a pattern as if it were a word, and not the word of running backtests
    "status: enum",
    # the empty map of PHP, which QuantConnect's command line takes: without results, and without children
    "statistics: model_type",
    "backtests: dict_type",
}
_REFUSED: dict[str, set[str]] = {
    "every project": {"parameters"},
    "one project": {"parameters"},
    "the first project": {"parameters"},
    "finished backtests": {"parameterSet"},
    "finished backtests without statistics": {"parameterSet"},
    "unfinished backtests": {"parameterSet", "status"},
    "a backtest without parameters": {"parameterSet"},
    "a running backtest": {"parameterSet", "statistics", "status"},
    "a running backtest in older words": {"statistics", "status"},
    "a queued backtest": {"statistics"},
    "an optimization without children": {"backtests"},
}
# Keys that the models of 2025-09 do not describe, each with who says that they are there:
_NEWER = {
    "AccountResponse.success",  # the document of the API has it in every answer
    "BacktestInsightsResponse.errors",
    "BacktestOrdersResponse.errors",
    "BacktestOrdersResponse.success",
    "BacktestResult.analysis",  # LEAN's own client
    "BacktestResult.result",  # QuantConnect's command line
    "BacktestResult.serverStatistics",  # LEAN's own client
    "BacktestSummaryResult.completed",  # these five: exports of live listings
    "BacktestSummaryResult.error",
    "BacktestSummaryResult.note",
    "BacktestSummaryResult.result",
    "BacktestSummaryResult.stacktrace",
    "ChartSummary.series",  # captures of live answers: empty
    "Project.sharingTokenBacktest",  # the newer document of the API
    "Project.somethingNew",  # the simulator's own, for clients that must bear with unknown keys
}
_PARTIAL = (
    "Order",
    "OrderEvent",
    "PortfolioStatistics",
    "RuntimeStatistics",
    "StatisticsResult",
    "TradeStatistics",
)
"""Models of dozens of figures or of every kind of order, of which the simulator has those that it draws."""

pytestmark = pytest.mark.skipif(bool(why_not(_ENVIRONMENT)), reason=why_not(_ENVIRONMENT))


@pytest.fixture(scope="module")
def verdicts() -> dict[str, dict[str, Any]]:
    """What the judge says of each answer."""
    unfinished = (
        *make_backtests(1, first=11, status="Runtime Error"),
        *make_backtests(1, first=12, status="In Progress..."),
        *make_backtests(1, first=13, status="Running: 42%"),
        *make_backtests(1, first=14, status="In Queue..."),
        *make_backtests(1, first=15, generation_s=1000),
    )
    optimized = (
        *make_backtests(2, first=4, optimization_id=_OPTIMIZED),
        *make_backtests(1, first=6, optimization_id=_OPTIMIZING, status="In Progress..."),
        *make_backtests(1, first=7, optimization_id=_OPTIMIZING),
    )
    scenario = make_scenario(make_backtests(3), unfinished, optimized, generation=Generation(loading_s=0))
    empty = OptimizationSpec(optimization_id=_EMPTY, answer=OptimizationAnswer.EMPTY)
    *others, last = scenario.projects
    last = msgspec.structs.replace(last, optimizations=(empty,))
    scenario = msgspec.structs.replace(scenario, projects=(*others, last))
    environ = {"QUANTCONNECT_USER_ID": str(USER_ID), "QUANTCONNECT_API_TOKEN": TOKEN}
    with served(Simulator(scenario)) as simulator:
        answers = ask_judge(
            _ENVIRONMENT,
            "official_models.py",
            simulator.base_url,
            about=list(_QUESTIONS.values()),
            environ=environ,
        )
    return dict(zip(_QUESTIONS, answers, strict=True))


def _lacking(verdict: dict[str, Any]) -> list[str]:
    """Keys that an answer should have by its model."""
    keys = [key.split(".") for key in verdict["missing"]]
    return [f"{model}.{key}" for model, key in keys if model not in _PARTIAL and key != "errors"]


@pytest.mark.parametrize("question", sorted(_QUESTIONS.keys() - {"backtests of no project"}))
def test_the_official_models_take_every_answer_but_for_their_own_mistakes(
    verdicts: dict[str, dict[str, Any]], question: str
) -> None:
    verdict = verdicts[question]
    errors = {error.partition(".")[2] for error in verdict["errors"]}
    assert errors <= _THEIRS
    assert {re.split(r"[.:]", error)[0] for error in errors} == _REFUSED.get(question, set())
    assert set(verdict["unknown"]) <= _NEWER
    if question == "finished backtests without statistics":
        assert "BacktestSummaryResult.sharpeRatio" in _lacking(verdict)
    elif verdict["answer"].get("success", True):
        assert _lacking(verdict) == []


# What three tests of the official server ask, which need no write access:


def test_every_project_is_listed(verdicts: dict[str, dict[str, Any]]) -> None:
    listed = verdicts["every project"]["answer"]
    assert [row["projectId"] for row in listed["projects"]] == [101, 102, 103]
    assert verdicts["the first project"]["answer"]["projects"] == listed["projects"][:1]


@pytest.mark.parametrize(
    "question",
    ["a project that is not there", "an empty window", "a window that ends before it starts"],
)
def test_a_project_that_cannot_be_is_refused(verdicts: dict[str, dict[str, Any]], question: str) -> None:
    assert verdicts[question]["answer"]["success"] is False


def test_backtests_are_refused_without_a_project_that_is_there(verdicts: dict[str, dict[str, Any]]) -> None:
    assert verdicts["backtests of no project"] == {"refused": ["projectId: missing"]}
    assert verdicts["backtests of a project that is not there"]["answer"]["success"] is False


# And what its tests of windows and of single backtests ask:


@pytest.mark.parametrize("question", ["too many orders", "too many insights", "a backtest that is not there"])
def test_what_the_real_server_refuses_is_refused(verdicts: dict[str, dict[str, Any]], question: str) -> None:
    assert verdicts[question]["answer"]["success"] is False


def test_what_belongs_to_a_backtest_agrees_with_itself(verdicts: dict[str, dict[str, Any]]) -> None:
    backtest = verdicts["a finished backtest"]["answer"]["backtest"]
    orders = verdicts["orders"]["answer"]
    trades = backtest["totalPerformance"]["closedTrades"]
    assert backtest["statistics"]["Total Orders"] == str(orders["length"]) == str(2 * len(trades))
    assert orders["orders"][0]["time"] == trades[0]["entryTime"]
    assert verdicts["insights"]["answer"]["length"] == len(trades)
    values = verdicts["a chart"]["answer"]["chart"]["series"]["Equity"]["values"]
    assert 0 < len(values) <= 100


def test_an_optimization_has_the_backtests_that_name_it(verdicts: dict[str, dict[str, Any]]) -> None:
    listed = verdicts["optimizations"]["answer"]["optimizations"]
    assert {row["optimizationId"] for row in listed} == {_OPTIMIZED, _OPTIMIZING, _EMPTY}
    read = verdicts["an optimization"]["answer"]["optimization"]
    assert sorted(read["backtests"]) == [f"{4:032x}", f"{5:032x}"]
    assert verdicts["an optimization under way"]["answer"]["optimization"]["status"] == "running"
    assert verdicts["an optimization without children"]["answer"]["optimization"]["backtests"] == []
    assert verdicts["an optimization that is not there"]["answer"]["success"] is False
