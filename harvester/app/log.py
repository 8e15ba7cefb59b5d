"""Where use cases report what happens while they run: a Protocol, and the standard library's `logging`."""

from __future__ import annotations

import logging
from typing import Any, Protocol


class Log(Protocol):
    """Takes events with fields, as structlog's loggers do. The command line writes them to stderr."""

    def info(self, event: str, **fields: Any) -> Any:
        """Log progress."""
        ...

    def warning(self, event: str, **fields: Any) -> Any:
        """Log something that the user should see, and that stopped nothing."""
        ...


class StandardLog:
    """Passes events to `logging.getLogger("harvester")`, for callers from Python.

    Nothing is printed unless the caller has configured logging, as is usual for libraries.
    """

    def __init__(self) -> None:
        self._logger = logging.getLogger("harvester")
        self._logger.addHandler(logging.NullHandler())

    def info(self, event: str, **fields: Any) -> None:
        """Log progress."""
        self._logger.info("%s", _line(event, fields))

    def warning(self, event: str, **fields: Any) -> None:
        """Log something that the user should see, and that stopped nothing."""
        self._logger.warning("%s", _line(event, fields))


def _line(event: str, fields: dict[str, Any]) -> str:
    return " ".join([event, *(f"{name}={value}" for name, value in fields.items())])
