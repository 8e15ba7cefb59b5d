"""A text that is taken out of its body piece by piece is the one that a decoder gives."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.api import wire
from harvester.api.large import decode_text
from harvester.api.wire import parse_answer
from harvester.errors import TransportError

TEXTS = st.lists(
    st.text(max_size=30)
    | st.sampled_from(['"', "\\", "\n", "/", "é", "€", "\U0001f600", "\\u0041", "a" * 40])
).map("".join)


class Body(msgspec.Struct):
    report: msgspec.Raw


@given(TEXTS, st.booleans(), st.integers(1, 50))
def test_pieces_of_any_size_give_the_text(text: str, escaped: bool, piece_bytes: int) -> None:
    encoded = json.dumps({"before": 1, "report": text, "after": [text]}, ensure_ascii=escaped)
    body = bytearray(encoded.replace("/", "\\/").encode())
    size = len(body)
    raw = msgspec.json.decode(body, type=Body).report
    assert decode_text(raw, body, piece_bytes=piece_bytes) == text
    assert len(body) == size


@pytest.mark.parametrize("report", ['"<p>\\u20ac\\/</p>"', "null", '""', "[1]", '"NaN \\ud83d"', "NaN"])
def test_a_large_answer_is_read_as_a_small_one(report: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body = f'{{"success":true,"report":{report},"errors":["x"]}}'.encode()
    expected = parse_answer(body, endpoint="x")
    monkeypatch.setattr(wire, "LARGE_BYTES", 1)
    found = parse_answer(bytearray(body), endpoint="x")
    assert msgspec.structs.asdict(found) == msgspec.structs.asdict(expected)


def test_a_large_answer_that_is_not_utf_8_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "LARGE_BYTES", 1)
    with pytest.raises(TransportError, match="is not JSON"):
        parse_answer(bytearray(b'{"report":"ab\xff"}'), endpoint="x")
