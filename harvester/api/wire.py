"""What the API's bodies mean: bytes to model.

Rule 1: status codes prove little; a failure is HTTP 200 with `success: false` (seen in captures).
Rule 2: rows are read permissively, fields change several times a year; only ids are required, and a row
without a usable one costs that row (`BadRow`), never the rows next to it.
Rule 3: what is personal or secret in a row is dropped here and reaches nothing behind this module.
"""

from __future__ import annotations

import hashlib
import math
import re
from typing import Any, Final

import msgspec

from harvester.api.large import LARGE_BYTES, decode_text
from harvester.api.lenient import repair_json
from harvester.errors import ProtocolError, TransportError
from harvester.model import Backtest, BacktestState, Project
from harvester.secrets import mask_answer
from harvester.text import parse_moment, render_moment

_MAX_TEXTS: Final = 20
_MAX_TEXT: Final = 500
_MASKED_TEXT: Final = 16 * _MAX_TEXT
"""Secrets are masked before a text is cut to its length: half of a signature is no longer known as one."""
_MAX_CODE: Final = 20
_MAX_DEPTH: Final = 50
"""Levels of a row that are kept; real ones have three, and what reads JSON gives up below a thousand."""
_PRIVATE: Final = re.compile(
    r"collaborator|email|profile_?image|sharing_?token|token|secret|password|^bio$|public_?id|owner_?name|"
    r"encryption_?key|channel_?id|api_?key",
    re.IGNORECASE,
)
_ENDED: Final = ("stopped", "liquidated", "deleted")
"""Statuses of a run that has ended before its last day."""
_STATISTICS: Final = (
    "sharpeRatio", "alpha", "beta", "compoundingAnnualReturn", "drawdown", "lossRate", "netProfit", "psr",
    "sortinoRatio", "treynorRatio", "winRate", "trades", "parameters", "tradeableDates",
)  # fmt: skip


class Pending(msgspec.Struct, frozen=True):
    """The server is still rendering the report: a value, not an error."""


class BadRow(msgspec.Struct, frozen=True):
    """A row of a list without a usable id: it holds its position, and nothing can be requested by it."""

    text: str
    """Which field of which row, and what it holds instead of an id."""


class RepairedText(str):
    """A report whose answer was decoded leniently; `repairs` says what was replaced."""

    __slots__ = ("repairs",)
    repairs: tuple[str, ...]


class Answer(msgspec.Struct, frozen=True):
    """The part of a body that all endpoints share, and the fields that this client reads."""

    success: Any = None
    errors: Any = None
    messages: Any = None
    message: Any = msgspec.field(default=None, name="Message")
    error_code: Any = msgspec.field(default=None, name="errorCode")
    projects: Any = None
    backtests: Any = None
    backtest: Any = None
    count: Any = None
    optimizations: Any = None
    optimization: Any = None
    report: Any = None
    generating: Any = None
    status: Any = None
    repairs: Any = msgspec.field(default=(), name="(repairs)")
    """What was replaced so that the body could be read at all (a tuple of texts); set by `parse_answer`."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The server's own words about a failure, secrets masked, bounded in number and length."""
        return tuple(_texts(self.errors) + _texts(self.messages) + _texts(self.message))[:_MAX_TEXTS]

    @property
    def code(self) -> str:
        """The server's number for a failure, `10002` for a wrong hash; empty when it gives none."""
        known = isinstance(self.error_code, str | int) and not isinstance(self.error_code, bool)
        return _masked(self.error_code, _MAX_CODE) if known else ""

    @property
    def ready(self) -> bool:
        """Whether it holds a report; `success` may say what it likes."""
        return isinstance(self.report, str) and bool(self.report.strip())

    @property
    def pending(self) -> bool:
        """Whether it says that work goes on, whatever `success` says."""
        return self.generating is True or self.status == "loading"


class _LargeAnswer(Answer, frozen=True):
    """An answer whose report is not decoded yet."""

    report: msgspec.Raw = msgspec.Raw(b"null")


_DECODER: Final = msgspec.json.Decoder(Answer)
_LARGE_DECODER: Final = msgspec.json.Decoder(_LargeAnswer)


def _texts(field: Any) -> list[str]:
    rows = field if isinstance(field, list) else [field]
    return [_masked(row) for row in rows if isinstance(row, str | int | float) and str(row).strip()]


def _masked(value: str | float, length: int = _MAX_TEXT) -> str:
    return mask_answer(str(value)[:_MASKED_TEXT])[:length]


def parse_answer(body: bytes | bytearray, *, endpoint: str) -> Answer:
    """Read a body as JSON; one with small faults of its encoder is repaired and read once more.

    A large one is used up: nothing but its length can be relied on afterwards.

    Raises:
        TransportError: it is not JSON, not UTF-8 or cut short: a gateway's page, or half an answer.
        ProtocolError: it is JSON but no object, or holds a number beyond all bounds.
    """
    repairs: tuple[str, ...] = ()
    try:
        try:
            answer = _decode(body)
        except msgspec.ValidationError:
            raise
        except (msgspec.DecodeError, UnicodeDecodeError):
            repaired, repairs = repair_json(body)
            if not repairs:
                raise
            answer = _DECODER.decode(repaired)
    except msgspec.ValidationError as exc:
        raise ProtocolError(
            f"{endpoint}: the answer is not the JSON that is documented ({exc})", endpoint=endpoint
        ) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        opening = _masked(body[:_MASKED_TEXT].decode("utf-8", "replace").strip(), 60)
        raise TransportError(
            f"{endpoint}: the answer is not JSON but {opening!r} ({exc})", endpoint=endpoint, status=200
        ) from exc
    return msgspec.structs.replace(answer, repairs=repairs)


def _decode(body: bytes | bytearray) -> Answer:
    if len(body) < LARGE_BYTES or not isinstance(body, bytearray):
        return _DECODER.decode(body)
    found = _LARGE_DECODER.decode(body)
    raw = found.report
    is_text = bytes(memoryview(raw)[:1]) == b'"'
    report = decode_text(raw, body) if is_text else msgspec.json.decode(raw)
    return msgspec.structs.replace(found, report=report)


def parse_report(answer: Answer, *, endpoint: str) -> str | Pending:
    """The report's HTML as sent, or `Pending` while it is rendered.

    A report is ready when `report` is a non-empty string; `success: true` alone proves nothing, and an
    answer with neither counts as pending, since that is what older servers sent.

    Raises:
        ProtocolError: `report` is neither text nor null.
    """
    if answer.report is None:
        return Pending()
    if isinstance(answer.report, str):
        if not answer.report.strip():
            return Pending()
        if not answer.repairs:
            return answer.report
        text = RepairedText(answer.report)
        text.repairs = answer.repairs
        return text
    kind = type(answer.report).__name__
    raise ProtocolError(f"{endpoint}: `report` is a {kind}, not a text", endpoint=endpoint)


def parse_projects(answer: Answer, *, endpoint: str, first: int = 0) -> list[Project | BadRow]:
    """The rows of an answer, in its order; `first` is the position of the first one in the whole list.

    Raises:
        ProtocolError: no list.
    """
    rows = _rows(answer.projects, field="projects", endpoint=endpoint)
    return [_project(row, place=f"projects[{n}]") for n, row in enumerate(rows, start=first)]


def parse_backtests(answer: Answer, project_id: int, *, endpoint: str) -> list[Backtest | BadRow]:
    """The rows of an answer, each id once, in its order.

    Raises:
        ProtocolError: no list.
        TransportError: `count` contradicts the number of rows, so that the listing is not whole.
    """
    listed = answer.backtests if answer.backtests is not None else answer.backtest
    rows = _rows(listed, field="backtests", endpoint=endpoint)
    if isinstance(answer.count, int) and answer.count != len(rows):
        raise TransportError(
            f"{endpoint}: project {project_id} lists {len(rows)} of {answer.count} backtests",
            endpoint=endpoint,
            status=200,
        )
    found: dict[str | int, Backtest | BadRow] = {}
    for n, row in enumerate(rows):
        parsed = _backtest(row, project_id, place=f"backtests[{n}]")
        found.setdefault(n if isinstance(parsed, BadRow) else parsed.backtest_id, parsed)
    return list(found.values())


def parse_time(text: Any) -> str:
    """UTC as `YYYY-MM-DDTHH:MM:SSZ` from either of the API's forms; empty when it is no time."""
    if not isinstance(text, str):
        return ""
    try:
        return render_moment(parse_moment(text))
    except ValueError:
        return ""


def parse_state(
    status: str, *, error: str = "", completed: Any = None, progress: Any = None
) -> BacktestState:
    """How far a backtest has come; statuses are an open set, and dots and case vary.

    Args:
        status: In the server's words.
        error: Of the row; empty when the run met none.
        completed: Of the row; anything but a bool, 0 or 1 says nothing.
        progress: Of the row, from 0 to 1; anything but a number says nothing.
    """
    # 1. Words that say "not yet" are believed, whatever the other fields claim.
    # 2. `completed: false` outweighs all other words, unless an error has ended the run.
    # 3. Without `completed`, words that nobody knows leave it to `progress`.
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
    """The same JSON value without what is personal or secret, and without what lies deeper than `levels`."""
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
    """A value in a message: never the whole of a list or object, which may be deep or large."""
    return type(value).__name__ if isinstance(value, dict | list) else _masked(repr(value), 80)


def _id(value: Any) -> int | None:
    """A 64-bit id, also when it came as text; None when it is none."""
    number = (
        int(value)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20
        else value
    )
    usable = isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 2**63
    return number if usable else None


def _project(row: Any, *, place: str) -> Project | BadRow:
    if not isinstance(row, dict):
        return BadRow(f"`{place}` is no object")
    project_id = _id(row.get("projectId"))
    if project_id is None:
        return BadRow(f"`{place}.projectId` is {_shown(row.get('projectId'))}, not an id")
    return Project(
        project_id=project_id,
        name=_text(row.get("name")).removeprefix("/"),
        organization_id=_text(row.get("organizationId")),
        created=parse_time(row.get("created")),
        modified=parse_time(row.get("modified")),
        language=_text(row.get("language")),
        description=_text(row.get("description")),
    )


def _backtest(row: Any, project_id: int, *, place: str) -> Backtest | BadRow:
    if not isinstance(row, dict):
        return BadRow(f"`{place}` is no object")
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
