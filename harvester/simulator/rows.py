"""Projects and backtests as rows of the API, in every form that has been observed."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from harvester.simulator.drawing import statistics_of
from harvester.simulator.scenario import BacktestSpec, ProjectSpec, Scenario, Shapes

_PERCENT: Final = re.compile(r"(\d+)%")
_LISTED = (
    "sharpeRatio", "alpha", "beta", "compoundingAnnualReturn", "drawdown", "lossRate", "netProfit", "psr",
    "sortinoRatio", "treynorRatio", "winRate",
)  # fmt: skip


def parameters_of(spec: BacktestSpec) -> dict[str, str]:
    """The parameters of a run; every third has none."""
    if spec.seed % 3 == 0:
        return {}
    return {"lookback": str(20 + spec.seed % 200), "leverage": f"{1 + spec.seed % 3}"}


def project_row(project: ProjectSpec, scenario: Scenario) -> dict[str, Any]:
    """A project as `projects/read` lists it."""
    shapes = scenario.shapes
    row: dict[str, Any] = {
        "projectId": project.project_id,
        "organizationId": project.organization_id,
        "name": project.name,
        "modified": date_of(project.modified or project.created, shapes),
        "created": date_of(project.created, shapes),
        "ownerId": scenario.user_id,
        "language": project.language,
        "collaborators": [],
        "leanVersionId": 17021,
        "leanPinnedToMaster": True,
        "owner": project.owner,
        "description": f"About {project.name}",
        "channelId": f"P{project.project_id}-{_digest(project.name)}",
        "parameters": [],
        "libraries": [],
        "grid": None,
        "liveGrid": None,
        "paperEquity": None,
        "lastLiveDeployment": None,
        "liveForm": None,
        "encrypted": False,
        "encryptionKey": None,
        "codeRunning": False,
        "leanEnvironment": 1,
    }
    return row | (_heavy(project, scenario) if shapes.heavy else {})


def backtest_row(spec: BacktestSpec, scenario: Scenario, *, statistics: bool) -> dict[str, Any]:
    """A backtest as `backtests/list` lists it."""
    finished = spec.status.startswith("Completed")
    completed, progress, error = _state_of(spec)
    row: dict[str, Any] = {
        "backtestId": spec.backtest_id,
        "status": spec.status,
        "name": spec.name,
        "note": spec.note or None,
        "created": date_of(spec.created, scenario.shapes),
        "completed": completed,
        "progress": progress,
        "result": None,
        "error": error,
        "stacktrace": "at OnData in main.py: line 42" if error else None,
        "optimizationId": spec.optimization_id or None,
        "tradeableDates": 0,
        "parameterSet": parameters_of(spec) or [],
        "snapshotId": spec.snapshot_id,
        "tags": list(spec.tags),
    }
    if not statistics:
        return row
    if not finished:
        return row | dict.fromkeys(_LISTED) | {"parameters": None, "trades": None, "securityTypes": None}
    drawn = listed_statistics(spec, scenario)
    figures = {name: drawn[name] for name in _LISTED}
    return row | figures | {
        "tradeableDates": drawn["tradeableDates"],
        "trades": drawn["trades"],
        "parameters": len(parameters_of(spec)),
        "securityTypes": "Equity" if scenario.shapes.security_types == "text" else (1, None)[spec.seed % 2],
    }  # fmt: skip


def listed_statistics(spec: BacktestSpec, scenario: Scenario) -> dict[str, float | int]:
    """The figures of a finished backtest, by the names that a listing has for them."""
    return statistics_of(curve_seed(spec, scenario), scenario.drawing.years)


def _state_of(spec: BacktestSpec) -> tuple[bool, float, str | None]:
    """`completed`, `progress` and `error`: as the scenario has them, or as the status implies."""
    failed = spec.status.startswith("Runtime")
    over = failed or spec.status.startswith(("Completed", "Stopped"))
    shown = _PERCENT.search(spec.status)
    progress = 1.0 if over else int(shown[1]) / 100 if shown else 0.45 if "Progress" in spec.status else 0.0
    completed = over if spec.completed is None else spec.completed
    error = spec.error or ("Division by zero &lt;module&gt;" if failed else None)
    return completed, progress if spec.progress is None else spec.progress, error


def lean_versions() -> list[dict[str, Any]]:
    """The versions of LEAN, as `projects/read` and `lean/versions/read` list them."""
    row = {
        "id": 17021,
        "created": "2024-01-02 08:00:00",
        "description": "Drawn by the simulator",
        "leanHash": "0" * 40,
        "leanCloudHash": "0" * 40,
        "name": "v2.5.0.0.17021",
        "ref": "refs/heads/master",
        "public": 1,
    }
    return [row]


def project_page(projects: Sequence[ProjectSpec], scenario: Scenario, window: slice) -> list[dict[str, Any]]:
    """The rows of a window, at most as many as one answer holds."""
    limit = scenario.shapes.page_limit
    rows = list(projects)
    if scenario.shapes.shuffled:
        random.Random(scenario.seed).shuffle(rows)
    page = rows[window]
    return [project_row(project, scenario) for project in (page[:limit] if limit else page)]


def curve_seed(spec: BacktestSpec, scenario: Scenario) -> int:
    """The seed of a backtest's curve, limited to the number of distinct curves in the scenario."""
    return spec.seed % scenario.drawing.distinct if scenario.drawing.distinct else spec.seed


def _heavy(project: ProjectSpec, scenario: Scenario) -> dict[str, Any]:
    """The fields that make real rows large, and those that must never be archived."""
    cell = {"chartName": "Strategy Equity", "width": 12, "height": 4, "row": 0, "column": 0, "sort": 0}
    return {
        "collaborators": [
            {
                "uid": None if number else scenario.user_id,
                "liveControl": True,
                "permission": "write",
                "publicId": _digest(f"public {number}"),
                "profileImage": "https://cdn.quantconnect.com/web/i/users/profile/somebody.jpg",
                "email": f"somebody.{number}@example.org",
                "name": f"Somebody {number}",
                "bio": None,
                "owner": not number,
            }
            for number in range(2)
        ],
        "parameters": [{"key": "lookback", "value": "20", "min": 5, "max": 50, "step": 5, "type": "int"}],
        "grid": {size: [cell] * 8 for size in ("xs", "sm", "md", "lg", "xl")},
        "sharingTokenBacktest": _digest(f"sharing {project.project_id}") * 2,
        "somethingNew": {"unknown": True},
    }


def date_of(text: str, shapes: Shapes) -> str:
    """A moment of the scenario, in the form that the scenario wants."""
    if shapes.dates == "naive":
        return text
    return datetime.fromisoformat(text).isoformat(timespec="milliseconds") + "Z"


def _digest(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
