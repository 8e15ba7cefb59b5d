"""Decodes the text of a very large answer piece by piece, in the memory of its body.

A JSON decoder needs three times the memory of a body: the body, the text without escapes, and the value. A
text without its escapes is never longer than with them, so here it overwrites the body from its beginning;
that needs two times the memory.
"""

from __future__ import annotations

import codecs
from typing import Final

import msgspec

LARGE_BYTES: Final = 8 * 2**20
"""A body of at least this size is decoded this way; below it the JSON decoder is quicker."""

_PIECE: Final = 2**20
"""Bytes that are decoded at once."""
_LONGEST_ESCAPE: Final = 12
r"""Bytes of `\ud83d\ude00`."""
_SEARCHED: Final = 2**16
"""Bytes that are searched backwards for a place where neither an escape nor a character is split."""


def decode_text(raw: msgspec.Raw, body: bytearray, *, piece_bytes: int = _PIECE) -> str:
    """Return the text of a JSON string that is part of a body; the body is overwritten.

    Args:
        raw: The string with its quotes, as a view of `body`; a decoder has already validated its escapes.
        body: UTF-8; holds nothing that can be used afterwards.
        piece_bytes: Bytes that are decoded at once.
    """
    source = memoryview(raw)[1:-1]
    done = at = 0
    while at < len(source):
        end = _find_cut(source, at, at + piece_bytes)
        piece = msgspec.json.decode(b"".join((b'"', source[at:end], b'"')), type=str).encode()
        body[done : done + len(piece)] = piece  # never longer than the source it was decoded from
        done, at = done + len(piece), end
    return str(memoryview(body)[:done], "utf-8")


def check_utf8(body: bytearray) -> None:
    """Raise `UnicodeDecodeError` unless all of it is UTF-8; what is left undecoded is not looked at again."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(body)
    for at in range(0, len(body), _PIECE):
        decoder.decode(view[at : at + _PIECE])
    decoder.decode(b"", final=True)


def starts_with(raw: msgspec.Raw, mark: bytes) -> bool:
    """Whether the JSON of a value begins so."""
    return bytes(memoryview(raw)[: len(mark)]) == mark


def _find_cut(source: memoryview, at: int, end: int) -> int:
    """Return the last place up to `end` where a piece may end; the end of the source if there is none."""
    for place in range(end, max(at + _LONGEST_ESCAPE, end - _SEARCHED), -1):
        if place >= len(source):
            break
        is_begin = source[place] & 0xC0 != 0x80  # not within a character
        if is_begin and b"\\" not in bytes(source[place - _LONGEST_ESCAPE : place]):
            return place
    return len(source)
