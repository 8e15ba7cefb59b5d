"""Fetches the optimizations of a project and the backtests that they name, checked against their own counts.

It is not documented whether `backtests/list` holds the backtests of optimizations, so both are requested.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

from harvester.api.client import ApiClient
from harvester.api.rows import parse_state, redact
from harvester.api.wire import Answer
from harvester.errors import ProtocolError, TransportError
from harvester.model import OPTIMIZATION, Backtest, BacktestState

_LIST: Final = "optimizations/list"
_READ: Final = "optimizations/read"
_FINAL_STATUSES: Final = frozenset({"completed", "aborted"})
"""Statuses after which an optimization runs no further backtest."""
_BULKY: Final = frozenset({"equity"})
"""Charts in the row of a backtest; they are dropped, since its report has its own."""


class OptimizationChildren(msgspec.Struct, frozen=True):
    """The backtests of one optimization."""

    backtests: list[Backtest]
    over: bool
    """Whether no further backtest can come."""


async def fetch_optimizations(client: ApiClient, project_id: int) -> list[str]:
    """Fetch the ids of a project's optimizations, each once, in the order of the answer.

    Raises:
        ApiError: the list could not be read, or does not hold as many rows as it says.
    """
    return await client.call(_LIST, {"projectId": project_id}, parse_optimizations)


async def fetch_optimization(
    client: ApiClient, project_id: int, optimization_id: str
) -> OptimizationChildren:
    """Fetch the backtests that one optimization names.

    Raises:
        ApiError: it could not be read, or names fewer backtests than it says it has run.
    """
    return await client.call(
        _READ,
        {"optimizationId": optimization_id},
        lambda answer: parse_optimization(answer, project_id, optimization_id),
    )


def parse_optimizations(answer: Answer) -> list[str]:
    """Return the ids of an answer's optimizations.

    Raises:
        ProtocolError: no list, or a row without an id; names the first wrong field.
        TransportError: `count` contradicts the number of rows.
    """
    rows = [row for _, row in _items(answer.optimizations, endpoint=_LIST, field="optimizations")]
    if isinstance(answer.count, int) and answer.count != len(rows):
        raise _incomplete(_LIST, f"it lists {len(rows)} of {answer.count} optimizations")
    found: dict[str, None] = {}
    for n, row in enumerate(rows):
        optimization_id = row.get("optimizationId") if isinstance(row, dict) else None
        if not isinstance(optimization_id, str) or not optimization_id.strip():
            raise ProtocolError(f"{_LIST}: `optimizations[{n}]` has no usable id", endpoint=_LIST)
        found[optimization_id] = None
    return list(found)


def parse_optimization(answer: Answer, project_id: int, optimization_id: str) -> OptimizationChildren:
    """Return the backtests of one optimization, which come as an object by id, a list, or `[]`.

    Raises:
        ProtocolError: another shape, another optimization, or a backtest without an id.
        TransportError: fewer backtests than the optimization's own figures count.
    """
    row = answer.optimization
    if not isinstance(row, dict):
        raise ProtocolError(f"{_READ}: `optimization` is not an object", endpoint=_READ)
    if row.get("optimizationId", optimization_id) != optimization_id:
        raise ProtocolError(f"{_READ}: the answer is about another optimization", endpoint=_READ)
    items = _items(row.get("backtests"), endpoint=_READ, field="optimization.backtests")
    status = str(row.get("status") or "").lower().strip(". ")
    _check_count(len(items), row.get("runtimeStatistics"), status)
    children = [_child(key, child, project_id, optimization_id) for key, child in items]
    return OptimizationChildren(children, status in _FINAL_STATUSES)


def _check_count(named: int, figures: Any, status: str) -> None:
    ended = (
        [_count(figures.get(name)) for name in ("Completed", "Failed")] if isinstance(figures, dict) else []
    )
    known = [number for number in ended if number is not None]
    if named < sum(known):
        raise _incomplete(_READ, f"the optimization names {named} of {sum(known)} backtests that it has run")
    # The counts may be missing, but an optimization that has completed has run something.
    if not named and not known and status == "completed":
        raise _incomplete(_READ, "the optimization is completed and names no backtest")


def _incomplete(endpoint: str, words: str) -> TransportError:
    """Return the error for an incomplete answer: retried as a truncated one is."""
    return TransportError(f"{endpoint}: {words}", endpoint=endpoint, status=200)


def _count(value: Any) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _items(value: Any, *, endpoint: str, field: str) -> list[tuple[str, Any]]:
    """Return keys and values of a list or an object; the keys of a list are empty."""
    if isinstance(value, list):
        return [("", item) for item in value]
    if isinstance(value, dict):
        return [(str(key), item) for key, item in value.items()]
    kind = "missing" if value is None else type(value).__name__
    raise ProtocolError(f"{endpoint}: `{field}` is {kind}, neither a list nor an object", endpoint=endpoint)


def _child(key: str, row: Any, project_id: int, optimization_id: str) -> Backtest:
    if not isinstance(row, dict):
        raise ProtocolError(f"{_READ}: a backtest of the optimization is not an object", endpoint=_READ)
    ids = (row.get("id"), row.get("backtestId"), key)
    backtest_id = next((text for text in ids if isinstance(text, str) and text.strip()), None)
    if backtest_id is None:
        raise ProtocolError(f"{_READ}: a backtest of the optimization has no usable id", endpoint=_READ)
    kept = redact({name: value for name, value in row.items() if name not in _BULKY})
    name, status = kept.get("name"), kept.get("status")
    parts = [kept.get(field) for field in ("status", "progress", "exitCode", "statistics")]
    return Backtest(
        project_id=project_id,
        backtest_id=backtest_id,
        name=name if isinstance(name, str) else "",
        created="",  # its row has no such field
        status=status if isinstance(status, str) else "",
        state=_state(kept),
        optimization_id=optimization_id,
        change_key=hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16],
        row=kept,
        source=OPTIMIZATION,
    )


def _state(row: dict[str, Any]) -> BacktestState:
    """Return the state of a backtest from its progress and, once it has ended, its exit code."""
    status, error = row.get("status"), row.get("error")
    state = parse_state(
        status if isinstance(status, str) else "",
        error=error.strip() if isinstance(error, str) else "",
        completed=row.get("completed"),
        progress=row.get("progress"),
    )
    exit_code = row.get("exitCode")
    failed = isinstance(exit_code, int) and exit_code != 0
    return BacktestState.BROKEN if failed and state is BacktestState.UNKNOWN else state
