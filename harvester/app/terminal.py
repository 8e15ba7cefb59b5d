"""What makes a text safe to show on a terminal or in a message."""

from __future__ import annotations

from harvester.secrets import mask


def printable(text: str) -> str:
    """Return the text with secrets masked and control characters escaped as in Python, tabs excepted."""
    return "".join(
        char if char.isprintable() or char == "\t" else f"\\x{ord(char):02x}" for char in mask(text)
    )
