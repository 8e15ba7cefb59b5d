"""Finds the line of each key of a TOML file, which TOML parsers do not report and messages should name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

KeyPath = tuple[str, ...]

_MAX_DEPTH: Final = 8
"""Longest path that is kept; `accounts.NAME.TABLE.KEY` has four keys."""
_KEY: Final = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_DOTTED: Final = rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY})*"
_PART: Final = re.compile(_KEY)
_STATEMENT: Final = re.compile(
    rf"[ \t]*(?:\[\[?[ \t]*(?P<table>{_DOTTED})[ \t]*\]|(?P<key>{_DOTTED})[ \t]*=)"
)
_TOKEN: Final = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|'
    r"'''.*?'{3,5}|"
    r'"(?:[^"\\\n]|\\.)*"|'
    r"'[^'\n]*'|"
    r"#[^\n]*|[\[\]{}\n]|[^\"'#\[\]{}\n]+|.",
    re.DOTALL,
)


def find_lines(text: str) -> dict[KeyPath, int]:
    """Return the line, from 1, on which each table and key is named first.

    Args:
        text: A document that a TOML parser has accepted.

    Returns:
        Lines by path: `("api",)` for a table, `("api", "tries")` for a key. A key inside of an inline table
        has the line of that table.
    """
    found: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for line, statement in _statements(text):
        match = _STATEMENT.match(statement)
        if match is None:
            continue
        names = tuple(_plain(part) for part in _PART.findall(match["table"] or match["key"]))
        path = names if match["table"] else table + names
        table = path if match["table"] else table
        for length in range(1, min(len(path), _MAX_DEPTH) + 1):
            found.setdefault(path[:length], line)
    return found


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield each logical line with its number; brackets and long strings may continue over several lines."""
    line = start = 1
    depth = 0
    parts: list[str] = []
    for match in _TOKEN.finditer(text + "\n"):
        token = match[0]
        # Within brackets a line break does not end the statement.
        if token == "\n" and depth <= 0:
            yield start, "".join(parts)
            parts, depth, start = [], 0, line + 1
        elif not token.startswith("#"):
            parts.append(token)
            depth += (token in ("[", "{")) - (token in ("]", "}"))
        line += token.count("\n")


def _plain(key: str) -> str:
    """Return a key without its quotes; escapes stay as they are written, no known key has any."""
    return key[1:-1] if key[0] in "\"'" else key
