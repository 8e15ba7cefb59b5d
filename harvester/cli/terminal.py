"""What makes a text safe to show on a terminal."""

from __future__ import annotations

from harvester.secrets import mask


def printable(text: str) -> str:
    """Text that a terminal shows and does not obey: secrets masked, control characters visible."""
    return "".join(
        char if char.isprintable() or char == "\t" else f"\\x{ord(char):02x}" for char in mask(text)
    )
