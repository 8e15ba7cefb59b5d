"""Rows of the API's lists: JSON values to projects and backtests.

Rule 1: rows are read permissively, since their fields change several times a year. Only ids are required, and
a row without a usable id costs that row (`BadRow`), never the rows next to it.
Rule 2: what is personal or secret in a row is dropped here and never leaves this module.
"""

from __future__ import annotations

import hashlib
import math
import re
from typing import Any, Final

import msgspec

from harvester.api.wire import Answer, mask_text
from harvester.errors import ProtocolError, TransportError
from harvester.model import Backtest, BacktestState, Project
from harvester.text import parse_moment, render_moment

_MAX_TEXT: Final = 500
_MAX_DEPTH: Final = 50
"""Levels of a row that are kept; real rows have three, and JSON parsers give up below a thousand."""
_PRIVATE: Final = re.compile(
    r"collaborator|email|profile_?image|sharing_?token|token|secret|password|^bio$|public_?id|owner_?name|"
    r"encryption_?key|channel_?id|api_?key",
    re.IGNORECASE,
)
_ENDED: Final = ("stopped", "liquidated", "deleted")
"""Statuses of a backtest that ended before its last day."""
_STATISTICS: Final = (
    "sharpeRatio", "alpha", "beta", "compoundingAnnualReturn", "drawdown", "lossRate", "netProfit", "psr",
    "sortinoRatio", "treynorRatio", "winRate", "trades", "parameters", "tradeableDates",
)  # fmt: skip


class BadRow(msgspec.Struct, frozen=True):
    """A row without a usable id: it has a position in the list, but nothing can be requested for it."""

    text: str
    """Which field of which row, and what it holds instead of an id."""


def parse_projects(answer: Answer, *, endpoint: str, first: int = 0) -> list[Project | BadRow]:
    """Return the projects of an answer in its order; `first` is the position of the first one in the list.

    Raises:
        ProtocolError: there is no list.
    """
    rows = _rows(answer.projects, field="projects", endpoint=endpoint)
    return [_project(row, place=f"projects[{n}]") for n, row in enumerate(rows, start=first)]


def parse_backtests(answer: Answer, project_id: int, *, endpoint: str) -> list[Backtest | BadRow]:
    """Return the backtests of an answer in its order, each id once.

    Raises:
        ProtocolError: there is no list.
        TransportError: `count` contradicts the number of rows, so the list is incomplete.
    """
    # Older documentation calls the list `backtest`.
    listed = answer.backtests if answer.backtests is not None else answer.backtest
    rows = _rows(listed, field="backtests", endpoint=endpoint)
    check_count(answer, len(rows), project_id, endpoint=endpoint)
    found: dict[str | int, Backtest | BadRow] = {}
    for n, row in enumerate(rows):
        parsed = parse_backtest(row, project_id, place=f"backtests[{n}]")
        # Bad rows have no id, so each is kept by its position; the first row of an id wins.
        found.setdefault(n if isinstance(parsed, BadRow) else parsed.backtest_id, parsed)
    return list(found.values())


def check_count(answer: Answer, rows: int, project_id: int, *, endpoint: str) -> None:
    """Compare the number of rows with the one that the answer names, if it names one.

    Raises:
        TransportError: they differ.
    """
    if isinstance(answer.count, int) and answer.count != rows:
        raise TransportError(
            f"{endpoint}: project {project_id} lists {rows} of {answer.count} backtests",
            endpoint=endpoint,
            status=200,
        )


def parse_time(text: Any) -> str:
    """Return a time of the API as `YYYY-MM-DDTHH:MM:SSZ` in UTC; empty if it is not a time."""
    if not isinstance(text, str):
        return ""
    try:
        return render_moment(parse_moment(text))
    except ValueError:
        return ""


def parse_state(
    status: str, *, error: str = "", completed: Any = None, progress: Any = None
) -> BacktestState:
    """Return how far a backtest has come; statuses are an open set, their dots and case vary.

    Args:
        status: In the server's words.
        error: The row's error; empty if there was none.
        completed: The row's field; anything but a bool, 0 or 1 is ignored.
        progress: The row's field, from 0 to 1; anything but a number is ignored.
    """
    # 1. A status that says "not yet" is believed, whatever the other fields say.
    # 2. `completed: false` has priority over every other status, unless an error has ended the backtest.
    # 3. Without `completed`, `progress` decides for an unknown status.
    known = status.lower().strip(". ")
    over = bool(completed) if isinstance(completed, bool | int) and completed in (0, 1) else None
    if known.startswith(("in queue", "inqueue", "queued")):
        return BacktestState.QUEUED
    if known.startswith(("in progress", "inprogress", "running")) or (over is False and not error):
        return BacktestState.RUNNING
    if known.startswith("completed"):
        return BacktestState.FINISHED
    if known.startswith(("runtime error", "runtimeerror")) or (error and (not known or over is False)):
        return BacktestState.BROKEN
    if over is None and not error and not known.startswith(_ENDED) and _is_half_way(progress):
        return BacktestState.RUNNING
    return BacktestState.UNKNOWN


def _is_half_way(progress: Any) -> bool:
    return not isinstance(progress, bool) and isinstance(progress, int | float) and 0 <= progress < 1


def redact(value: Any, *, levels: int = _MAX_DEPTH) -> Any:
    """Return a JSON value without personal and secret fields, and without what is deeper than `levels`."""
    if not isinstance(value, dict | list):
        return value
    if not levels:
        return None
    if isinstance(value, list):
        return [redact(item, levels=levels - 1) for item in value]
    return {
        str(key): redact(item, levels=levels - 1)
        for key, item in value.items()
        if not _PRIVATE.search(str(key))
    }


def _rows(value: Any, *, field: str, endpoint: str) -> list[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, dict) and not value:
        return []
    raise ProtocolError(
        f"{endpoint}: `{field}` is {type(value).__name__ if value is not None else 'missing'}, not a list",
        endpoint=endpoint,
    )


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(value)[:_MAX_TEXT] if isinstance(value, int | float) else ""


def _shown(value: Any) -> str:
    """Return a value as a message shows it: only the type of a list or object, which may be large."""
    return type(value).__name__ if isinstance(value, dict | list) else mask_text(repr(value), 80)


def _id(value: Any) -> int | None:
    """Return a 64-bit id, also from text; None if the value is not one."""
    number = (
        int(value)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20
        else value
    )
    usable = isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 2**63
    return number if usable else None


def _project(row: Any, *, place: str) -> Project | BadRow:
    if not isinstance(row, dict):
        return BadRow(f"`{place}` is not an object")
    project_id = _id(row.get("projectId"))
    if project_id is None:
        return BadRow(f"`{place}.projectId` is {_shown(row.get('projectId'))}, not an id")
    return Project(
        project_id=project_id,
        # A name may begin with a slash; the official command line drops it too.
        name=_text(row.get("name")).removeprefix("/"),
        organization_id=_text(row.get("organizationId")),
        created=parse_time(row.get("created")),
        modified=parse_time(row.get("modified")),
        language=_text(row.get("language")),
        description=_text(row.get("description")),
    )


def parse_backtest(row: Any, project_id: int, *, place: str) -> Backtest | BadRow:
    """Parse one row of a list of backtests; `place` is what a bad one is called."""
    if not isinstance(row, dict):
        return BadRow(f"`{place}` is not an object")
    backtest_id = row.get("backtestId")
    if not isinstance(backtest_id, str) or not backtest_id.strip():
        return BadRow(f"`{place}.backtestId` is {_shown(backtest_id)}, not an id")
    row = redact(row)
    status = _text(row.get("status"))
    statistics = _statistics(row)
    tags = row.get("tags")
    return Backtest(
        project_id=project_id,
        backtest_id=backtest_id,
        name=_text(row.get("name")),
        created=parse_time(row.get("created")),
        status=status,
        state=parse_state(
            status,
            error=_text(row.get("error")).strip(),
            completed=row.get("completed"),
            progress=row.get("progress"),
        ),
        optimization_id=_text(row.get("optimizationId")),
        tags=tuple(_text(tag) for tag in tags) if isinstance(tags, list) else (),
        statistics=statistics,
        change_key=_change_key(status, row, statistics),
        row=row,
    )


def _statistics(row: dict[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in _STATISTICS:
        value = row.get(name)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            continue
        try:
            number = float(value)
        except (ValueError, OverflowError):
            continue
        if math.isfinite(number):
            found[name] = number
    return found


def _change_key(status: str, row: dict[str, Any], statistics: dict[str, float]) -> str:
    parts = [status.strip(), row.get("completed"), row.get("snapshotId"), sorted(statistics.items())]
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]
