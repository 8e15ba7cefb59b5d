"""Asks a server through QuantConnect's own client, and prints what that understood as one JSON document.

Runs in the client's environment: `python lean_client.py BASE_URL USER_ID TOKEN`, what to read on stdin.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from typing import Any

import lean.constants

BASE_URL, USER_ID, TOKEN = sys.argv[1:]
lean.constants.API_BASE_URL = f"{BASE_URL}/"

from lean.components.api.api_client import APIClient  # noqa: E402  # reads the constant as it is imported
from lean.container import container  # noqa: E402
from lean.ui.results import CloudBacktest, list_cloud_backtests  # noqa: E402


def ask(project_id: int, backtest_ids: list[str], optimization_ids: list[str]) -> dict[str, Any]:
    client = APIClient(container.logger, container.http_client, user_id=USER_ID, api_token=TOKEN)
    container.api_client = client
    questions: dict[str, Callable[[], Any]] = {
        "authenticated": client.is_authenticated,
        "organizations": lambda: [plain(row) for row in client.organizations.get_all()],
        "organization": lambda: plain(client.organizations.get(client.organizations.get_all()[0].id)),
        "account": lambda: plain(client.accounts.get_organization()),
        "environments": lambda: [plain(row) for row in client.lean.environments()],
        "projects": lambda: [plain(row) for row in client.projects.get_all(None)],
        "project": lambda: plain(client.projects.get(project_id, None)),
        "files": lambda: [plain(row) for row in client.files.get_all(project_id)],
        "file": lambda: plain(client.files.get(project_id, "main.py")),
        "listed": lambda: [row.id for row in list_cloud_backtests(project_id)],
        "backtests": lambda: [plain(client.backtests.get(project_id, one)) for one in backtest_ids],
        "complete": lambda: [client.backtests.get(project_id, one).is_complete() for one in backtest_ids],
        "orders": lambda: orders(project_id, backtest_ids[0]),
        "log": lambda: shown(project_id, backtest_ids[0]).load_log(),
        "results": lambda: dataclasses.asdict(shown(project_id, backtest_ids[0]).load()),
        "optimizations": lambda: [plain(client.optimizations.get(one)) for one in optimization_ids],
    }
    answers = {}
    for name, question in questions.items():
        try:
            answers[name] = question()
        except Exception as exc:  # each refusal is an answer of its own
            answers[name] = f"{type(exc).__name__}: {exc}"
    return answers


def plain(model: Any) -> Any:
    return json.loads(model.model_dump_json() if hasattr(model, "model_dump_json") else model.json())


def shown(project_id: int, backtest_id: str) -> CloudBacktest:
    return CloudBacktest(project_id, backtest_id, "", None)


def orders(project_id: int, backtest_id: str) -> dict[str, Any]:
    page, length = shown(project_id, backtest_id).load_orders(0, 1000)
    return {"page": [dataclasses.asdict(order) for order in page], "length": length}


print(json.dumps(ask(**json.load(sys.stdin)), default=str))
