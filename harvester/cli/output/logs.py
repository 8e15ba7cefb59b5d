"""Logs on stderr: text for people, JSON lines for machines; secrets masked in both."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import structlog

from harvester.app import printable
from harvester.cli.invocation import Invocation
from harvester.secrets import mask_value


def make_logger(invocation: Invocation) -> Any:
    """Return the logger of a command. `--quiet` leaves warnings and errors, `--verbose` adds debugging."""
    colours = sys.stderr.isatty() and not invocation.environ.get("NO_COLOR")
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if invocation.log_format == "json"
        else _TextRenderer(colours=colours)
    )
    level = logging.WARNING if invocation.quiet else logging.DEBUG if invocation.verbose else logging.INFO
    logger = structlog.wrap_logger(
        structlog.PrintLogger(cast(TextIO, _Stderr())),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%SZ", utc=True),
            _mask,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        context_class=dict,
        cache_logger_on_first_use=False,
    )
    return logger.bind(account=invocation.account) if invocation.account else logger


def _mask(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask secrets in every text of an event; the renderer escapes control characters."""
    masked: MutableMapping[str, Any] = mask_value(event)
    return masked


class _TextRenderer:
    """Render an event as one line: time, level, text, then its fields."""

    _STYLES = {"warning": "\x1b[33m", "error": "\x1b[31m", "debug": "\x1b[2m"}  # noqa: RUF012  (a constant)

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours

    def __call__(self, _: Any, __: str, event: MutableMapping[str, Any]) -> str:
        level, stamp = str(event.pop("level")), str(event.pop("timestamp"))
        text = str(event.pop("event"))
        more = "".join(f" {key}={value}" for key, value in event.items())
        line = printable(f"{stamp[11:19]} {level:<7} {text}{more}")
        style = self._STYLES.get(level, "") if self._colours else ""
        return f"{style}{line}\x1b[0m" if style else line


class _Stderr:
    """Writes to the current `sys.stderr`: a progress bar replaces it to keep lines out of its way."""

    def write(self, text: str) -> None:
        sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()
