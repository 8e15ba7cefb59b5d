"""The routes `optimizations/list` and `optimizations/read`, in the shapes that official clients rely on.

An optimization exists for every `optimization_id` that a backtest of the project has; a scenario describes
one only if it should not be complete and readable.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from harvester.simulator.account import Account, LiveProject
from harvester.simulator.protocol import Answer, number, refuse
from harvester.simulator.rows import backtest_row, date_of, listed_statistics, parameters_of
from harvester.simulator.scenario import BacktestSpec, OptimizationAnswer, OptimizationSpec, Scenario

_TARGET: Final = "TotalPerformance.PortfolioStatistics.SharpeRatio"
_FIGURES: Final = (
    "alpha", "", "", "", "", "beta", "compoundingAnnualReturn", "drawdown", "", "", "", "lossRate",
    "netProfit", "psr", "", "sharpeRatio", "", "trades", "", "treynorRatio", "winRate",
)  # fmt: skip
"""The documented order of a child's statistics; an empty name is not drawn and is sent as zero."""


def list_optimizations(account: Account, scenario: Scenario, arguments: Answer) -> Answer:
    """The answer of `optimizations/list`, without `success` unless it is a refusal."""
    project = account.projects.get(number(arguments.get("projectId")))
    if project is None:
        return refuse("Project not found")
    found = [
        _summary(spec, project, scenario)
        for spec in _optimizations(project)
        if spec.answer is not OptimizationAnswer.UNLISTED
    ]
    return {"optimizations": found}


def read_optimization(account: Account, scenario: Scenario, arguments: Answer) -> Answer:
    """The answer of `optimizations/read`, without `success` unless it is a refusal."""
    wanted = arguments.get("optimizationId")
    for project in account.projects.values():
        for spec in _optimizations(project):
            if spec.optimization_id == wanted and spec.answer is not OptimizationAnswer.REFUSED:
                return {"optimization": _details(spec, project, scenario)}
            if spec.optimization_id == wanted:
                return refuse("Unable to read this optimization")
    return refuse("Optimization not found" if wanted else "Required parameter optimizationId is missing.")


def _optimizations(project: LiveProject) -> Iterator[OptimizationSpec]:
    described = {spec.optimization_id: spec for spec in project.spec.optimizations}
    yield from described.values()
    implied = dict.fromkeys(live.spec.optimization_id for live in project.backtests.values())
    for optimization_id in implied:
        if optimization_id and optimization_id not in described:
            yield OptimizationSpec(optimization_id=optimization_id)


def _children(spec: OptimizationSpec, project: LiveProject) -> list[BacktestSpec]:
    backtests = (live.spec for live in project.backtests.values())
    return [backtest for backtest in backtests if backtest.optimization_id == spec.optimization_id]


def _status(spec: OptimizationSpec, children: list[dict[str, Any]]) -> str:
    return spec.status or ("completed" if all(child["progress"] == 1 for child in children) else "running")


def _common(spec: OptimizationSpec, project: LiveProject, rows: list[dict[str, Any]]) -> Answer:
    return {
        "optimizationId": spec.optimization_id,
        "projectId": project.spec.project_id,
        "name": spec.name,
        "status": _status(spec, rows),
        "nodeType": "O2-8",
        "criterion": {"target": _TARGET, "extremum": "max", "targetValue": None},
        "parameters": [{"name": "lookback", "min": 20, "max": 220, "step": 20, "minStep": 20}],
        "outOfSampleDays": 0,
        "outOfSampleMaxEndDate": None,
    }


def _summary(spec: OptimizationSpec, project: LiveProject, scenario: Scenario) -> Answer:
    children = _children(spec, project)
    best = max((listed_statistics(child, scenario)["sharpeRatio"] for child in children), default=None)
    return _common(spec, project, [_child(child, scenario) for child in children]) | {
        "created": date_of(spec.created, scenario.shapes),
        "psr": None,
        "sharpeRatio": best,
        "trades": None,
        "cloneId": None,
    }


def _details(spec: OptimizationSpec, project: LiveProject, scenario: Scenario) -> Answer:
    rows = [_child(child, scenario) for child in _children(spec, project)]
    over = sum(row["progress"] == 1 for row in rows)
    failed = sum(row["progress"] == 1 and bool(row["exitCode"]) for row in rows)
    shown = rows[:-1] if spec.answer is OptimizationAnswer.SHORT else rows
    if spec.answer is OptimizationAnswer.EMPTY:
        shown = []
    by_id: Any = {row["id"]: row for row in shown} or []
    return _common(spec, project, rows) | {
        "snapshotId": 1,
        "parallelNodes": 2,
        "strategy": "QuantConnect.Optimizer.Strategies.GridSearchOptimizationStrategy",
        "requested": date_of(spec.created, scenario.shapes),
        "constraints": [],
        "optimizationTarget": _TARGET,
        "targetValue": None,
        "gridLayout": None,
        "runtimeStatistics": {
            "Completed": str(over - failed),
            "Failed": str(failed),
            "Running": str(len(rows) - over),
            "In Queue": "0",
            "Average Length": "00:00:12",
            "Total Runtime": "00:01:12",
            "Total": str(len(rows)),
            "Consumed": "0.12",
        },
        "backtests": shown if spec.answer is OptimizationAnswer.ROWS else by_id,
    }


def _child(spec: BacktestSpec, scenario: Scenario) -> dict[str, Any]:
    row = backtest_row(spec, scenario, statistics=False)
    drawn = listed_statistics(spec, scenario)
    return {
        "id": spec.backtest_id,
        "name": spec.name,
        "progress": row["progress"],
        "exitCode": int(bool(row["error"])),
        "parameterSet": parameters_of(spec) or {"lookback": "20"},
        "statistics": [float(drawn.get(name, 0)) for name in _FIGURES] if row["progress"] == 1 else [],
        "startDate": date_of("2016-01-04 00:00:00", scenario.shapes),
        "endDate": date_of("2023-12-29 23:59:59", scenario.shapes),
        "outOfSampleDays": 0,
        "outOfSampleMaxEndDate": None,
        "equity": [],
    }
