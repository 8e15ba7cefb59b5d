"""A text that is never shown by accident."""

from __future__ import annotations


class Secret:
    """Holds a text; whoever prints, logs or pickles it gets a mask or an error."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __reduce__(self) -> str:
        raise TypeError("a secret is never serialised")
