"""Asks a server through the tools of QuantConnect's own MCP server, and judges its answers by their models.

Runs in an environment that has its PyPI copy: `python official_models.py BASE_URL`, with the credentials in
the variables that the server reads. On stdin are pairs of a tool's name and its payload; on stdout is one
verdict for each:

- `answer`: as it came; absent when the request itself was refused by the model
- `errors`: place and kind of what the model of the answer does not take
- `unknown`, `missing`: keys that the models do not describe, and keys of theirs that the answer lacks
"""

from __future__ import annotations

import asyncio
import copy
import json
import sys
from collections.abc import Callable
from typing import Any, get_type_hints

import api_connection
import models
from pydantic import BaseModel, RootModel, TypeAdapter, ValidationError
from tools import account, backtests, files, lean_versions, optimizations, project


class Collector:
    """Takes the place of the server where its tools are registered."""

    def __init__(self) -> None:
        self.tools: dict[str, Callable[..., Any]] = {}

    def tool(self, **_: Any) -> Callable[..., Any]:
        def keep(function: Callable[..., Any]) -> Callable[..., Any]:
            self.tools[function.__name__] = function
            return function

        return keep


async def read_backtest_report(model: models.BacktestReportRequest) -> models.BacktestReport:
    """The tool that the server has no more, though its models are there."""
    return await api_connection.post("/backtests/read/report", model)


def collect() -> dict[str, Callable[..., Any]]:
    collector = Collector()
    account.register_account_tools(collector)
    backtests.register_backtest_tools(collector)
    files.register_file_tools(collector)
    lean_versions.register_lean_version_tools(collector)
    optimizations.register_optimization_tools(collector)
    project.register_project_tools(collector)
    return collector.tools | {"read_backtest_report": read_backtest_report}


async def judge(tool: Callable[..., Any], payload: dict[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(tool)
    expected = hints.pop("return")
    try:
        arguments = {name: model(**payload) for name, model in hints.items()}
    except ValidationError as exc:
        return {"refused": places(exc)}
    answer = await tool(**arguments)
    if expected is models.BacktestReport and "generating" in answer:
        expected = models.BacktestReportGeneratingResponse
    model = TypeAdapter(expected)
    errors: list[str] = []
    accepted = copy.deepcopy(answer)
    try:
        model.validate_python(answer)
    except ValidationError as exc:
        errors = places(exc)
        for item in exc.errors():
            blank(accepted, item["loc"])
    unknown, missing = compare(model.validate_python(accepted), accepted)
    return {"answer": answer, "errors": errors, "unknown": sorted(unknown), "missing": sorted(missing)}


def blank(answer: Any, place: tuple[str | int, ...]) -> None:
    """Put null where a model found an error, so that all the rest can be compared: every field may be null.

    The last parts of a place may be names of models rather than keys.
    """
    for key, next_key in zip(place, (*place[1:], None), strict=True):
        if not holds(answer[key], next_key):
            answer[key] = None
            return
        answer = answer[key]


def holds(container: Any, key: str | int | None) -> bool:
    if isinstance(container, list):
        return isinstance(key, int)
    return isinstance(container, dict) and key in container


def places(error: ValidationError) -> list[str]:
    """Place and kind of each error; positions in lists are left out."""
    found = set()
    for item in error.errors():
        names = [part for part in item["loc"] if isinstance(part, str)]
        found.add(f"{'.'.join(names)}: {item['type']}")
    return sorted(found)


def compare(value: Any, raw: Any) -> tuple[set[str], set[str]]:
    """Keys that only the answer has, and keys that only the model has, each with its model's name."""
    unknown: set[str] = set()
    missing: set[str] = set()
    parts: list[tuple[Any, Any]] = []
    if isinstance(value, RootModel):
        parts = [(value.root, raw)]
    elif isinstance(value, BaseModel):
        fields = {field.alias or name: name for name, field in type(value).model_fields.items()}
        unknown = {f"{type(value).__name__}.{key}" for key in raw.keys() - fields.keys()}
        missing = {f"{type(value).__name__}.{key}" for key in fields.keys() - raw.keys()}
        parts = [(getattr(value, fields[key]), raw[key]) for key in fields.keys() & raw.keys()]
    elif isinstance(value, dict):
        parts = [(value[key], raw[key]) for key in value.keys() & raw.keys()]
    elif isinstance(value, list):
        parts = list(zip(value, raw, strict=True))
    for part in parts:
        more_unknown, more_missing = compare(*part)
        unknown |= more_unknown
        missing |= more_missing
    return unknown, missing


async def main() -> None:
    api_connection.BASE_URL = sys.argv[1]
    tools = collect()
    verdicts = [await judge(tools[name], payload) for name, payload in json.load(sys.stdin)]
    print(json.dumps(verdicts))


asyncio.run(main())
