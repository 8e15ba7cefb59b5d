"""Limits on HTML, checked before it is parsed: a parser cannot be interrupted, so slow HTML is refused.

HTML5 makes a parser take quadratic time in four cases, and each has its limit:

1. Every new element searches the open ones: `_MAX_TAGS`.
2. Every attribute is compared with the others of its tag: `_MANY_ATTRIBUTES`.
3. A repeated `<html>` or `<body>` adds its attributes to the first one: `_MAX_ROOTS`.
4. An open `<b>` or `<font>` is opened again in every paragraph that follows: `_MAX_REOPENED`.

The scan cannot tell whether a `<` is inside a comment or a script, so it counts all of them as tags.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from harvester.errors import ReportError

_MAX_TAGS: Final = 25_000
"""Thirty times as many as the largest known report has; parsing this many open ones takes a second."""
_MAX_ROOTS: Final = 100
_MAX_REOPENED: Final = 1_000_000
"""Elements that the parser could create by opening formatting again."""
_SAME_AT_ONCE: Final = 3
"""How many equal formatting elements HTML5 keeps open at once."""
_NAMES: Final = "big|b|code|em|font|i|nobr|small|strike|strong|s|tt|u"

_MANY_ATTRIBUTES: Final = re.compile(
    r"""
    <[a-zA-Z]
    (?>
        [\t\n\f\r\ /]*+ [^\t\n\f\r\ />] [^\t\n\f\r\ />=<]{0,200}+
        (?:
            [\t\n\f\r\ ]*+ = [\t\n\f\r\ ]*+
            (?> "[^"]*+(?:"|\Z) | '[^']*+(?:'|\Z) | [^\t\n\f\r\ >"'] [^\t\n\f\r\ >]*+ )?+
        )?+
    ){250}
    """,
    re.VERBOSE,
)
"""A tag with at least 250 attributes, read as HTML5 reads them.

One attribute is blanks or slashes, a name, and perhaps `=` with a value in quotes or without; a quoted value
may end with the text. The repetitions are possessive (`*+`) or atomic (`(?>`): an attempt to match never goes
back over what it has read, so it takes linear time on any input.
"""
_ROOT: Final = re.compile(r"<(?:html|body)(?=[\t\n\f\r /])", re.IGNORECASE)
# `plain`: all attributes are in a simple form, so that equal tags are recognized by their equal text
_FORMATTING: Final = re.compile(
    rf"""
    <(?:{_NAMES}) (?=[\t\n\f\r\ /])
    (?P<plain>
        (?: [\t\n\f\r\ ]{{1,9}} [a-z-]{{1,40}} = (?> "[^"<>&]{{0,80}}" | '[^'<>&]{{0,80}}' ) ){{1,9}} >
    )?
    """,
    re.VERBOSE | re.IGNORECASE,
)


def check_bounds(html: str) -> None:
    """Raise if the HTML would take too long or too much memory to parse.

    Raises:
        ReportError: says what the HTML has too much of.
    """
    starts = list(islice(_places(html, "<"), _MAX_TAGS + 1))
    if len(starts) > _MAX_TAGS:
        raise _too_much(f"more than {_MAX_TAGS} tags")
    if sum(1 for at in starts if _ROOT.match(html, at)) > _MAX_ROOTS:
        raise _too_much("<html> or <body> tags")
    if _open_at_once(html, starts) * len(starts) > _MAX_REOPENED:
        raise _too_much("nested formatting")
    if any(_MANY_ATTRIBUTES.match(html, at) for at in starts):
        raise _too_much("attributes in one tag")


def _places(html: str, mark: str) -> Iterator[int]:
    at = html.find(mark)
    while at >= 0:
        yield at
        at = html.find(mark, at + 1)


def _open_at_once(html: str, starts: list[int]) -> int:
    """An upper limit of the formatting elements that can be open at once."""
    equal, single = set(), 0
    for at in starts:
        if match := _FORMATTING.match(html, at):
            if match["plain"]:
                equal.add(match[0])
            else:
                single += 1
    bare = len(_NAMES.split("|"))
    return _SAME_AT_ONCE * (bare + len(equal)) + single


def _too_much(what: str) -> ReportError:
    return ReportError(f"the report is too complex to unpack ({what}); its images were left in the HTML")
