"""A large listing, of which each row is parsed in its turn, says what a small one says."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harvester.api import wire
from harvester.api.listing import LargeRows, parse_listing
from harvester.api.wire import parse_answer
from harvester.errors import ApiError

ROWS = st.one_of(
    st.fixed_dictionaries(
        {
            "backtestId": st.sampled_from(["a", "b", "c", "é", " ", "", 7, None]),
            "created": st.sampled_from(["2024-01-01 00:00:00", "2023-01-01T00:00:00Z", "soon", None]),
            "name": st.text(max_size=5),
            "sharpeRatio": st.floats(allow_nan=False, allow_infinity=False) | st.none(),
            "apiToken": st.just("secret"),
        }
    ),
    st.sampled_from([None, 1, "text", [], {}]),
)
ANSWERS = st.fixed_dictionaries(
    {"success": st.just(True), "backtests": st.lists(ROWS, max_size=8) | st.sampled_from([{}, None, "x"])},
    optional={"count": st.integers(0, 8), "report": st.none(), "backtest": st.just([])},
)


def read(body: bytes | bytearray) -> Any:
    try:
        listed = parse_listing(parse_answer(body, endpoint="x"), 1, endpoint="x")
    except ApiError as exc:
        return type(exc), str(exc)
    return listed


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answer=ANSWERS)
def test_a_large_listing_is_read_as_a_small_one(
    answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    body = msgspec.json.encode(answer)
    with monkeypatch.context() as patch:
        expected = read(body)
        patch.setattr(wire, "LARGE_BYTES", 1)
        found = read(bytearray(body))
    if isinstance(expected, tuple):
        assert found == expected
        return
    assert isinstance(found.backtests, LargeRows) == isinstance(answer["backtests"], list)
    assert (list(found.backtests), len(found.backtests)) == (expected.backtests, len(expected.backtests))
    assert list(found.backtests) == expected.backtests, "it can be gone through again"
    assert found.bad_rows == expected.bad_rows
