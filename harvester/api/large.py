"""Answers so large that a copy counts: a text is taken out of them piece by piece, in the body's own memory.

A decoder needs three times the memory of such a body: the body, the text without escapes, and the value. A
text without its escapes is never longer, so here it replaces the body from its beginning; that leaves two.
"""

from __future__ import annotations

import codecs
from typing import Final

import msgspec

LARGE_BYTES: Final = 8 * 2**20
"""A body from this size on is read this way; below it a decoder is quicker."""

_PIECE: Final = 2**20
"""Bytes that are decoded at once."""
_LONGEST_ESCAPE: Final = 12
r"""Bytes of `\ud83d\ude00`."""
_SEARCHED: Final = 2**16
"""So far back a place is looked for at which neither an escape nor a character is cut in two."""


def decode_text(raw: msgspec.Raw, body: bytearray, *, piece_bytes: int = _PIECE) -> str:
    """The text of a JSON string that is part of a body; the body is used up.

    Args:
        raw: The string with its quotes, as a view of `body`; a decoder has seen that its escapes are right.
        body: UTF-8; holds nothing that can be used afterwards.
        piece_bytes: Decoded at once.
    """
    source = memoryview(raw)[1:-1]
    done = at = 0
    while at < len(source):
        end = _find_cut(source, at, at + piece_bytes)
        piece = msgspec.json.decode(b"".join((b'"', source[at:end], b'"')), type=str).encode()
        body[done : done + len(piece)] = piece  # no longer than what was read for it
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
    """The last place up to `end` where a piece may end; without one, all the rest is one piece."""
    for place in range(end, max(at + _LONGEST_ESCAPE, end - _SEARCHED), -1):
        if place >= len(source):
            break
        is_begin = source[place] & 0xC0 != 0x80  # not within a character
        if is_begin and b"\\" not in bytes(source[place - _LONGEST_ESCAPE : place]):
            return place
    return len(source)
