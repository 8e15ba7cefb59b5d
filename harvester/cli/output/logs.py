"""Logs on stderr: text for people, JSON lines for machines; secrets masked in both."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, TextIO, cast

import structlog

from harvester.cli.output.terminal import printable
from harvester.secrets import mask_value

if TYPE_CHECKING:
    from harvester.cli.console import Session


def make_logger(session: Session) -> Any:
    """The logger of a session; with `--quiet` only warnings and errors come through."""
    colours = sys.stderr.isatty() and not session.environ.get("NO_COLOR")
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if session.log_format == "json"
        else _TextRenderer(colours=colours)
    )
    level = logging.WARNING if session.quiet else logging.DEBUG if session.verbose else logging.INFO
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
    return logger.bind(account=session.account) if session.account else logger


def _mask(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hides secrets in every text of an event; control characters are the renderer's."""
    masked: MutableMapping[str, Any] = mask_value(event)
    return masked


class _TextRenderer:
    """One line: time, level, what happened, then what belongs to it."""

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
    """What `sys.stderr` is at the moment of writing: a bar puts itself there to keep lines out of its way."""

    def write(self, text: str) -> None:
        sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()
