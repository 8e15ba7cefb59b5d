"""What the API's bodies mean: bytes to an `Answer`, and an answer to a report.

Rule 1: status codes prove little; a failure is HTTP 200 with `success: false` (seen in captures).
Rule 2: `success` proves little either, so `classify` alone decides what an answer is.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

import msgspec

from harvester.api.large import LARGE_BYTES, check_utf8, decode_text, starts_with
from harvester.api.lenient import repair_json
from harvester.errors import ProtocolError, TransportError
from harvester.secrets import mask_answer

_MAX_TEXTS: Final = 20
_MAX_TEXT: Final = 500
_MASKED_TEXT: Final = 16 * _MAX_TEXT
"""Texts are masked before they are shortened: half of a signature is not recognised as one."""
_MAX_CODE: Final = 20


class Pending(msgspec.Struct, frozen=True):
    """The server is still rendering the report: a value, not an error."""


class RepairedText(str):
    """A report from an answer that was decoded leniently; `repairs` says what was replaced."""

    __slots__ = ("repairs",)
    repairs: tuple[str, ...]


class Meaning(Enum):
    """What an answer is; the value is its word in a journal."""

    READY = "ready"
    """It holds a report."""
    GENERATING = "generating"
    """It says that a report is being rendered."""
    OK = "ok"
    """It says success."""
    FAILURE = "failure"
    """It says none of these."""


class Answer(msgspec.Struct, frozen=True):
    """The fields of a body that this client reads, of all endpoints, unchecked."""

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
    """What was replaced so that the body could be parsed (a tuple of texts); set by `parse_answer`."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The server's words about a failure, masked, bounded in number and length."""
        return tuple(_texts(self.errors) + _texts(self.messages) + _texts(self.message))[:_MAX_TEXTS]

    @property
    def code(self) -> str:
        """The server's number for a failure, such as `10002` for a wrong hash; empty if there is none."""
        known = isinstance(self.error_code, str | int) and not isinstance(self.error_code, bool)
        return mask_text(self.error_code, _MAX_CODE) if known else ""


class _LargeAnswer(Answer, frozen=True):
    """An answer of which nothing large is decoded yet."""

    report: msgspec.Raw = msgspec.Raw(b"null")
    backtests: msgspec.Raw = msgspec.Raw(b"null")


_DECODER: Final = msgspec.json.Decoder(Answer)
_LARGE_DECODER: Final = msgspec.json.Decoder(_LargeAnswer)


def classify(answer: Answer) -> Meaning:
    """Decide what an answer is.

    The first case that fits counts:

    1. A `report` that is a non-empty text: ready, whatever `success` says.
    2. `generating: true`, or the status `loading` of older servers: generating, whatever `success` says.
    3. `success: true`.
    4. All else is a failure, also `success` missing or a text.
    """
    if isinstance(answer.report, str) and answer.report and not answer.report.isspace():
        return Meaning.READY
    if answer.generating is True or answer.status == "loading":
        return Meaning.GENERATING
    return Meaning.OK if answer.success is True else Meaning.FAILURE


def _texts(field: Any) -> list[str]:
    rows = field if isinstance(field, list) else [field]
    return [mask_text(row) for row in rows if isinstance(row, str | int | float) and str(row).strip()]


def mask_text(value: str | float, length: int = _MAX_TEXT) -> str:
    """Return a value of the server as text, without secrets and at most `length` characters long."""
    return mask_answer(str(value)[:_MASKED_TEXT])[:length]


def parse_answer(body: bytes | bytearray, *, endpoint: str) -> Answer:
    """Parse a body as JSON; a body with small faults of its encoder is repaired and parsed again.

    A large body is overwritten; only its length is defined afterwards. Its list of backtests stays
    as it is (a `msgspec.Raw`), for `harvester.api.listing`.

    Raises:
        TransportError: it is not JSON, not UTF-8 or truncated: a gateway's page, or half an answer.
        ProtocolError: it is JSON but not an object, or holds a number that is too large.
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
        opening = mask_text(body[:_MASKED_TEXT].decode("utf-8", "replace").strip(), 60)
        raise TransportError(
            f"{endpoint}: the answer is not JSON but {opening!r} ({exc})", endpoint=endpoint, status=200
        ) from exc
    return msgspec.structs.replace(answer, repairs=repairs)


def _decode(body: bytes | bytearray) -> Answer:
    if len(body) < LARGE_BYTES or not isinstance(body, bytearray):
        return _DECODER.decode(body)
    check_utf8(body)
    found = _LARGE_DECODER.decode(body)
    if starts_with(found.report, b'"'):
        rows = msgspec.json.decode(found.backtests)  # before the body is used up
        return msgspec.structs.replace(found, backtests=rows, report=decode_text(found.report, body))
    rows = found.backtests if starts_with(found.backtests, b"[") else msgspec.json.decode(found.backtests)
    return msgspec.structs.replace(found, backtests=rows, report=msgspec.json.decode(found.report))


def parse_report(answer: Answer, *, endpoint: str) -> str | Pending:
    """Return the report's HTML as sent, or `Pending` while it is rendered.

    `success: true` alone proves nothing: an answer that is not ready counts as pending, since older servers
    sent one without `generating`.

    Raises:
        ProtocolError: `report` is neither text nor null.
    """
    if classify(answer) is not Meaning.READY:
        if answer.report is None or isinstance(answer.report, str):
            return Pending()
        kind = type(answer.report).__name__
        raise ProtocolError(f"{endpoint}: `report` is a {kind}, not a text", endpoint=endpoint)
    if not answer.repairs:
        return answer.report  # type: ignore[no-any-return]
    text = RepairedText(answer.report)
    text.repairs = answer.repairs
    return text
