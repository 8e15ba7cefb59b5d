"""What a report may be before it is parsed: a parser cannot be interrupted, so what is too slow is refused.

HTML5 makes a parser take quadratic time in four places, and each has its bound:
every element looks through those that are open; every attribute through those of its tag; a repeated `<html>`
or `<body>` adds to the first one; an open `<b>` or `<font>` is opened again in every paragraph that follows.
A scan cannot know whether a `<` stands in a comment or a script, so all are counted as if they were tags.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from harvester.errors import ReportError

_MAX_TAGS: Final = 25_000
"""Thirty times what the largest report known has; as many open ones take a second."""
_MAX_ROOTS: Final = 100
_MAX_REOPENED: Final = 1_000_000
"""Elements that open formatting could be multiplied to."""
_SAME_AT_ONCE: Final = 3
"""Equal formatting elements that HTML5 keeps open at once."""
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
_ROOT: Final = re.compile(r"<(?:html|body)(?=[\t\n\f\r /])", re.IGNORECASE)
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
    """Let pass what is parsed in seconds and megabytes.

    Raises:
        ReportError: it is not; says what there is too much of.
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
    """The most formatting elements that can be open at once."""
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
    return ReportError(
        f"the report has too much to be taken apart ({what}); its images were left in the HTML"
    )
