"""Image payloads removed from a page before it is parsed, so that kilobytes are parsed instead of megabytes.

Nine tenths of a report are base64. HTML reads a run of base64 letters as one piece wherever it occurs, so a
shorter run in its place changes nothing but the time that parsing takes.
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
_MIN_PAYLOAD: Final = 4_000
"""Characters; detaching a shorter payload saves nothing."""
_KEPT: Final = 2_000
"""Characters of a payload that stay in the page: more than a title, a figure or a label ever shows."""
_PLAIN: Final = rf"data:image/[^,]{{1,{_HEADER_MAX}}},[A-Za-z0-9+/=]{{{_KEPT}}}"
_MAX_PAYLOADS: Final = 2_000
_MARKERS: Final = ("detached0x", "detached1x", "detached2x", "detached3x")
"""Placeholders, in letters of base64; the first one that the page does not contain is used."""


@dataclass(frozen=True)
class Detached:
    """A page without the payloads of its images; without a marker nothing was removed."""

    html: str
    marker: str = ""
    original: str = ""
    """The page before anything was removed."""
    ranges: tuple[slice, ...] = ()
    """Where each removed part is in `original`, in order."""
    contents: tuple[bytes, ...] = ()
    """The decoded bytes of each payload."""

    def content(self, source: str) -> bytes | None:
        """The bytes of an image by its `src` in the page; None if its payload was not removed."""
        match = re.fullmatch(rf"{_PLAIN}{self.marker}(\d+)x", source) if self.marker else None
        return self.contents[int(match[1])] if match else None

    def restore(self, text: str) -> str:
        """The text with every removed part back in its place."""
        if not self.marker or self.marker not in text:
            return text
        return re.sub(rf"{self.marker}(\d+)x", lambda match: self.original[self.ranges[int(match[1])]], text)


def detach_payloads(html: str) -> Detached:
    """Remove the payloads that are embedded the way LEAN does it; all others stay."""
    parts: list[str] = []
    ranges: list[slice] = []
    contents: list[bytes] = []
    done, at = 0, html.find(_OPENING)
    while at >= 0 and len(contents) < _MAX_PAYLOADS:
        # `find` returns -1 for an image in another encoding (it stays), and for an attribute that never ends
        encoded = html.find(_ENCODED, at, at + len(_OPENING) + _HEADER_MAX)
        start = encoded + len(_ENCODED)
        end = html.find('"', at + len(_OPENING))
        if end < 0:
            break
        if encoded >= 0 and start <= end - _MIN_PAYLOAD:
            try:
                contents.append(pybase64.b64decode(html[start:end], validate=True))
            except ValueError:
                pass  # LEAN does not write it like this: left to the lenient decoder
            else:
                parts.append(html[done : start + _KEPT])
                ranges.append(slice(start + _KEPT, end))
                done = end
        at = html.find(_OPENING, end)
    parts.append(html[done:])
    marker = next((marker for marker in _MARKERS if not any(marker in part for part in parts)), "")
    if not marker or not contents:
        return Detached(html)
    marked = [f"{part}{marker}{number}x" for number, part in enumerate(parts[:-1])]
    return Detached("".join((*marked, parts[-1])), marker, html, tuple(ranges), tuple(contents))
