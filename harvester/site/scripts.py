"""Values for scripts: JSON that is safe wherever a script may stand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Final

from harvester.model import InventoryEntry
from harvester.site.rows import FIGURES, Row

_UNSAFE: Final = {char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}
"""What could end a script, open a comment in it, or break a line of it."""


def script_json(value: object) -> str:
    """The value as JSON in which nothing ends the script that it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for char, escaped in _UNSAFE.items():
        text = text.replace(char, escaped)
    return text


def figures_script() -> bytes:
    """`figures.js`: the figures that pages know, in the order of a row's values."""
    return f"const FIGURES = {script_json([asdict(figure) for figure in FIGURES])};\n".encode()


def rows_json(rows: Sequence[Row]) -> str:
    """What the scripts of a project's page know of its rows: the names of their images, and all figures.

    Reports of one kind have the same images, so their names stand there once.
    """
    lists: dict[tuple[str, ...], int] = {}
    found = [
        [lists.setdefault(row.images, len(lists)) if row.images else -1, *map(_short, row.values)]
        for row in rows
    ]
    return script_json({"images": list(lists), "rows": found})


def _short(value: float | None) -> float | int | None:
    return int(value) if value is not None and value.is_integer() else value


class SearchIndex:
    """`backtests.js`: names, ids and tags of all backtests, to be searched on the index."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, project_id: int, name: str, parts: Iterable[tuple[str, Sequence[InventoryEntry]]]) -> None:
        """One more project with its pages, each with its backtests."""
        pages = [
            [page, [[entry.name, entry.backtest_id, *entry.tags] for entry in reversed(entries)]]
            for page, entries in parts
        ]
        self._lines.append(script_json([project_id, name, pages]))

    def render(self) -> bytes:
        """The script, one project a line."""
        text = "const BACKTESTS = [\n" + ",\n".join(self._lines) + "\n];\n"
        return text.encode("utf-8", "replace")
