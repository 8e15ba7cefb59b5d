"""Data for the scripts of the pages, as JSON that is safe inside HTML and in a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from harvester.model import InventoryEntry
from harvester.site.rows import FIGURES, Row

_UNSAFE: Final = {char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}
"""Characters that could end a script element, open a comment in it, or break a line in it."""


def script_json(value: object) -> str:
    """Return the value as JSON that cannot end the script element around it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for char, escaped in _UNSAFE.items():
        text = text.replace(char, escaped)
    return text


def figures_script() -> bytes:
    """Return the content of `figures.js`: the figures that pages know, in the order of a row's values."""
    return f"const FIGURES = {script_json([asdict(figure) for figure in FIGURES])};\n".encode()


def rows_json(rows: Sequence[Row]) -> str:
    """Return what the scripts of a project's page need about its rows: names of images, and all figures.

    Reports of one kind have images of the same names, so each list of names is stored once, and a row has
    its number; -1 means no images.
    """
    lists: dict[tuple[str, ...], int] = {}
    found = [
        [lists.setdefault(row.images, len(lists)) if row.images else -1, *map(_short, row.values)]
        for row in rows
    ]
    return script_json({"images": list(lists), "rows": found})


def _short(value: float | None) -> float | int | None:
    """Return a whole number as int, which is shorter in JSON."""
    return int(value) if value is not None and value.is_integer() else value


class SearchProject:
    """The searchable texts of one project, page by page."""

    def __init__(self, project_id: int, name: str) -> None:
        self._head = script_json([project_id, name])[:-1]
        self._pages: list[str] = []

    def add(self, page: str, entries: Sequence[InventoryEntry]) -> None:
        """Add a page of the project with the backtests on it, oldest first."""
        texts = [[entry.name, entry.backtest_id, *entry.tags] for entry in reversed(entries)]
        self._pages.append(script_json([page, texts]))

    def render(self) -> str:
        """Return the project as a line of the script."""
        return f"{self._head},[{','.join(self._pages)}]]"


class SearchIndex:
    """Builds `backtests.js`: names, ids and tags of all backtests, for the search on the index."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, project: SearchProject) -> None:
        """Add a project."""
        self._lines.append(project.render())

    def render(self) -> bytes:
        """Return the script, with one project per line."""
        text = "const BACKTESTS = [\n" + ",\n".join(self._lines) + "\n];\n"
        return text.encode("utf-8", "replace")
