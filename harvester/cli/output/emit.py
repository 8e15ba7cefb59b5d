"""JSON on stdout."""

from __future__ import annotations

import json
import sys
from typing import Any

from harvester.secrets import mask_value


def emit_json(document: Any) -> None:
    """Print one JSON document with its secrets masked; on a terminal, with everything else escaped too."""
    text = json.dumps(mask_value(document), ensure_ascii=False, indent=2, default=str)
    print(_escaped(text) if sys.stdout.isatty() else text)


def _escaped(text: str) -> str:
    """The document with JSON's own escapes for what a terminal would obey or hide.

    That is DEL, the control characters beyond ASCII, marks that turn the direction of writing, and characters
    without a width. Line feeds stay: strings in JSON hold none, so these are the document's own.
    """
    return "".join(char if char.isprintable() or char == "\n" else _escape(char) for char in text)


def _escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
