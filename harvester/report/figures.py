"""The key statistics of a report: as text for people, and as numbers for a catalog."""

from __future__ import annotations

import re
from itertools import islice
from typing import Final, NamedTuple

from selectolax.lexbor import LexborHTMLParser, LexborNode

_TABLES: Final = '[id="key-characteristics"]'
_MAX_TABLES: Final = 8
_MAX_ROWS: Final = 100
_MAX_TEXT: Final = 100
_MAX_RAW: Final = 10 * _MAX_TEXT
"""Characters that are read, white space included: many nested cells may contain one long text."""
_SPACE: Final = re.compile(r"\s+")
_NUMBER: Final = re.compile(r"([+-]?)\$?([\d,]+(?:\.\d+)?|\.\d+)\s*([%KMBT]?)", re.IGNORECASE)
_SCALE: Final = {"": 1.0, "%": 1.0, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


class Figure(NamedTuple):
    """A figure as a number with its unit."""

    value: float
    unit: str
    """`%`, `USD` (for an amount with a magnitude or a dollar sign) or nothing."""


def parse_figure(text: str) -> Figure | None:
    """The number in `12.3%`, `0.8`, `56M`, `$1,234.5`; None for `-`, words and anything else."""
    match = _NUMBER.fullmatch(text.strip()[:_MAX_TEXT])
    if match is None or not any(char.isdigit() for char in match[2]):
        return None
    suffix = match[3].upper()
    value = float(match[2].replace(",", "")) * _SCALE[suffix] * (-1 if match[1] == "-" else 1)
    unit = "%" if suffix == "%" else "USD" if suffix or "$" in text else ""
    return Figure(value, unit)


def key_figures(tree: LexborHTMLParser) -> dict[str, str]:
    """The key statistics by label, in any known layout; those for live trading are left out."""
    found: dict[str, str] = {}
    for table in tree.css(_TABLES)[:_MAX_TABLES]:
        if _is_parameters(table):
            continue
        for row in table.css("tr")[:_MAX_ROWS]:
            cells = [cell for cell in islice(row.iter(), _MAX_ROWS) if cell.tag == "td"]
            found.update(_pairs(cells))
    return found


def _pairs(cells: list[LexborNode]) -> dict[str, str]:
    """Label and value of one row: one pair, or several with cells for live trading between them."""
    values = [cell for cell in cells if "kpi-live" not in (cell.attributes.get("class") or "")]
    found = {}
    for label, value in zip(values[::2], values[1::2], strict=False):
        name = _text(label).rstrip(":").strip()
        if name and not name.startswith("{{$"):
            found[name] = _text(value)
    return found


def _is_parameters(table: LexborNode) -> bool:
    """Whether a table holds the algorithm's parameters, under the id of the key statistics."""
    node: LexborNode | None = table
    for _ in range(8):
        if node is None:
            return False
        if node.attributes.get("id") == "parameters":
            return True
        node = node.parent
    return False


def _text(node: LexborNode) -> str:
    text = ""
    for below in islice(node.traverse(include_text=True), 50):
        if below.is_text_node:
            text += below.text(deep=False)[:_MAX_RAW]
        if len(text) >= _MAX_RAW:
            break
    return _SPACE.sub(" ", text).strip()[:_MAX_TEXT]
