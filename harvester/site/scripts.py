"""Values for scripts: JSON that is safe wherever a script may stand."""

from __future__ import annotations

import json
from collections.abc import Sequence
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


class SearchProject:
    """What is searched of one project, page by page."""

    def __init__(self, project_id: int, name: str) -> None:
        self._head = script_json([project_id, name])[:-1]
        self._pages: list[str] = []

    def add(self, page: str, entries: Sequence[InventoryEntry]) -> None:
        """One more of its pages, with the backtests on it."""
        texts = [[entry.name, entry.backtest_id, *entry.tags] for entry in reversed(entries)]
        self._pages.append(script_json([page, texts]))

    def render(self) -> str:
        """The project as a line of the script."""
        return f"{self._head},[{','.join(self._pages)}]]"


class SearchIndex:
    """`backtests.js`: names, ids and tags of all backtests, to be searched on the index."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, project: SearchProject) -> None:
        """One more project."""
        self._lines.append(project.render())

    def render(self) -> bytes:
        """The script, one project a line."""
        text = "const BACKTESTS = [\n" + ",\n".join(self._lines) + "\n];\n"
        return text.encode("utf-8", "replace")
