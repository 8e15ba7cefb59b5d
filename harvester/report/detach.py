"""The payloads of images, taken out of a page before it is parsed: kilobytes are read in place of megabytes.

Nine tenths of a report are base64. Whatever stands around such a run of letters, HTML reads it as one piece,
so that a shorter run in its place changes nothing but the time that it takes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import pybase64

_OPENING: Final = 'src="data:image/'
_ENCODED: Final = ";base64,"
_HEADER_MAX: Final = 40
"""Characters from the opening to the payload."""
_SHORTEST: Final = 4_000
"""A payload below this is not worth it."""
_KEPT: Final = 2_000
"""As many characters of it stay in its place: more than a title, a figure or a label ever shows."""
_PLAIN: Final = rf"data:image/[^,]{{1,{_HEADER_MAX}}},[A-Za-z0-9+/=]{{{_KEPT}}}"
_MOST: Final = 2_000
_MARKS: Final = ("lifted0x", "lifted1x", "lifted2x", "lifted3x")
"""What follows them, in letters of base64; one is taken that the page does not have."""


@dataclass(frozen=True)
class Lifted:
    """A page without the payloads of its images."""

    html: str
    mark: str = ""
    whole: str = ""
    """The page as it was."""
    rests: tuple[slice, ...] = ()
    """Where what was taken out stands in it, in order."""
    contents: tuple[bytes, ...] = ()
    """The decoded bytes of each payload."""

    def content(self, source: str) -> bytes | None:
        """The bytes of an image by its address in the page; None when they were not taken out."""
        match = re.fullmatch(rf"{_PLAIN}{self.mark}(\d+)x", source) if self.mark else None
        return self.contents[int(match[1])] if match else None

    def restore(self, text: str) -> str:
        """The text as it would be if nothing had been taken out."""
        if not self.mark or self.mark not in text:
            return text
        return re.sub(rf"{self.mark}(\d+)x", lambda match: self.whole[self.rests[int(match[1])]], text)


def lift(html: str) -> Lifted:
    """Take out what is embedded as LEAN does it; everything else stays, and is read the slow way."""
    parts: list[str] = []
    rests: list[slice] = []
    contents: list[bytes] = []
    done, at = 0, html.find(_OPENING)
    while at >= 0 and len(contents) < _MOST:
        start = html.find(_ENCODED, at, at + len(_OPENING) + _HEADER_MAX) + len(_ENCODED)
        end = html.find('"', at + len(_OPENING))
        if end < 0:
            break
        if at < start <= end - _SHORTEST:
            try:
                contents.append(pybase64.b64decode(html[start:end], validate=True))
            except ValueError:
                pass  # not as LEAN writes it
            else:
                parts.append(html[done : start + _KEPT])
                rests.append(slice(start + _KEPT, end))
                done = end
        at = html.find(_OPENING, end)
    parts.append(html[done:])
    mark = next((mark for mark in _MARKS if not any(mark in part for part in parts)), "")
    if not mark or not contents:
        return Lifted(html)
    marked = [f"{part}{mark}{number}x" for number, part in enumerate(parts[:-1])]
    return Lifted("".join((*marked, parts[-1])), mark, html, tuple(rests), tuple(contents))
