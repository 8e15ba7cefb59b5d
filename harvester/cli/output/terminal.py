"""What makes a text safe to show on a terminal."""

from __future__ import annotations

from harvester.secrets import mask


def printable(text: str) -> str:
    """Text that a terminal shows and does not obey: secrets masked, control characters visible."""
    return "".join(
        char if char.isprintable() or char == "\t" else f"\\x{ord(char):02x}" for char in mask(text)
    )


def inert_json(text: str) -> str:
    """The same JSON document with JSON's own escapes for what a terminal obeys or does not show.

    That is DEL, the control characters beyond ASCII, marks that turn the direction of writing, and characters
    without a width. Line feeds stay: JSON texts hold none, so they are the document's own.
    """
    return "".join(char if char.isprintable() or char == "\n" else _json_escape(char) for char in text)


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
