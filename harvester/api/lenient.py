"""Repairs JSON with small faults of its encoder, so that one bad character does not cost a whole answer."""

from __future__ import annotations

import re
from typing import Final

_BOM: Final = b"\xef\xbb\xbf"
_PIECES: Final = re.compile(
    rb'"(?:[^"\\]++|\\.)*+"?'  # a whole string, so that nothing in it is taken for a number. A string
    # without an end matches too: otherwise each quote of a hostile body would be tried, in quadratic time
    rb"|-?\b(?:NaN|Infinity)\b",
    re.DOTALL,
)
_ESCAPES: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a surrogate pair, as it should be
    rb"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"  # half of a pair
    rb"|\\.",  # any other escape; after `\\` a `ud83d` is plain text
    re.DOTALL,
)
_HALF_BYTES: Final = 6
_REPLACEMENT: Final = rb"\ufffd"


def repair_json(body: bytes | bytearray) -> tuple[bytes | bytearray, tuple[str, ...]]:
    """Replace what strict JSON parsers refuse and lenient encoders send.

    1. A byte order mark is dropped.
    2. Half of a surrogate pair (a text truncated in the middle of an emoji) becomes U+FFFD.
    3. NaN and Infinity become null.

    Everything else is left as it is.

    Returns:
        The body, and one text for each kind of repair; no texts if there was nothing to repair.
    """
    repairs: list[str] = []
    if body.startswith(_BOM):
        body = body.removeprefix(_BOM)
        repairs.append("a byte order mark was dropped from the answer")
    halves = numbers = 0

    def escape(found: re.Match[bytes]) -> bytes:
        nonlocal halves
        text = found[0]
        if len(text) != _HALF_BYTES:
            return text
        halves += 1
        return _REPLACEMENT

    def piece(found: re.Match[bytes]) -> bytes:
        nonlocal numbers
        if found[0].startswith(b'"'):
            return _ESCAPES.sub(escape, found[0])
        numbers += 1
        return b"null"

    body = _PIECES.sub(piece, body)
    if halves:
        repairs.append(f"half surrogate pairs in the answer became U+FFFD: {halves}")
    if numbers:
        repairs.append(f"NaN or Infinity in the answer became null: {numbers}")
    return body, tuple(repairs)
