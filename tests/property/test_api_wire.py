"""Whatever JSON a server sends, reading it ends in a value or in an error that harvester explains."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from harvester.api.answers import check_answer, retry_after_s, server_time
from harvester.api.rows import parse_backtests, parse_projects, redact
from harvester.api.wire import Answer, Meaning, classify, parse_answer, parse_report
from harvester.errors import ApiError, ProtocolError, TransportError
from harvester.model import Backtest

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
keys = st.sampled_from(
    [
        "projectId",
        "backtestId",
        "name",
        "created",
        "status",
        "error",
        "tags",
        "sharpeRatio",
        "email",
        "snapshotId",
    ]
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(keys | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=20,
)
rows = st.lists(st.dictionaries(keys, values, max_size=8) | values, max_size=5)
answers = st.fixed_dictionaries(
    {},
    optional={
        "success": st.booleans() | values,
        "errors": st.lists(st.text()) | values,
        "messages": values,
        "Message": values,
        "projects": rows | values,
        "backtests": rows | values,
        "backtest": rows | values,
        "count": st.integers(0, 5) | values,
        "report": st.text() | values,
        "generating": values,
        "status": values,
    },
)


def read_everything(answer: Answer) -> None:
    with contextlib.suppress(ProtocolError, TransportError):
        parse_report(answer, endpoint="x")
    with contextlib.suppress(ProtocolError, TransportError):
        msgspec.json.encode(parse_projects(answer, endpoint="x"))
    with contextlib.suppress(ProtocolError, TransportError):
        found = parse_backtests(answer, 1, endpoint="x")
        backtests = [row for row in found if isinstance(row, Backtest)]
        assert len({row.backtest_id for row in backtests}) == len(backtests)
        assert msgspec.json.decode(msgspec.json.encode(backtests), type=list[Backtest]) == backtests


@given(answers)
def test_any_json_object_is_read_or_refused_with_an_explanation(body: dict[str, Any]) -> None:
    with contextlib.suppress(ProtocolError):
        read_everything(parse_answer(msgspec.json.encode(body), endpoint="x"))


@given(values)
def test_any_json_is_read_or_refused_with_an_explanation(body: Any) -> None:
    with contextlib.suppress(ProtocolError):
        read_everything(parse_answer(msgspec.json.encode(body), endpoint="x"))


@given(st.integers(100, 599), st.binary() | answers.map(msgspec.json.encode), st.text())
def test_any_answer_is_one_to_go_on_with_or_a_known_error(status: int, body: bytes, header: str) -> None:
    headers = {"Retry-After": header, "Date": header, "Location": header}
    with contextlib.suppress(ApiError):
        answer = check_answer(status, headers, body, endpoint="x", now=0.0)
        assert classify(answer) is not Meaning.FAILURE


@given(st.text() | st.integers().map(str))
def test_any_header_gives_a_time_or_nothing(text: str) -> None:
    asked = retry_after_s({"Retry-After": text}, now=1e9)
    assert asked is None or asked >= 0
    server_time({"Date": text})


@given(values)
def test_redaction_leaves_no_private_key_at_any_depth(value: Any) -> None:
    def keys_of(part: Any) -> list[str]:
        if isinstance(part, dict):
            return [*part, *(key for item in part.values() for key in keys_of(item))]
        return [key for item in part for key in keys_of(item)] if isinstance(part, list) else []

    assert not any("email" in key.lower() for key in keys_of(redact(value)))
    assert redact(redact(value)) == redact(value)
