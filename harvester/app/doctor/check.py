"""One finding of `doctor`, and how each kind is made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from harvester.app.exits import ExitCode
from harvester.app.failures import code_of_error


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Check:
    """One line of `doctor`."""

    name: str
    status: Status
    text: str
    advice: str = ""
    """What to do about it; empty if there is nothing to do, or if the text says it."""
    code: ExitCode = ExitCode.OK
    """The exit code that a run would end with because of it."""


def ok(name: str, text: str) -> Check:
    """Return a check that found nothing wrong."""
    return Check(name, Status.OK, text)


def warning(name: str, text: str, advice: str) -> Check:
    """Return a check that found something that stops no run and should be changed."""
    return Check(name, Status.WARNING, text, advice)


def failure(name: str, error: Exception, advice: str = "") -> Check:
    """Return a check for an error that would end a run. Most errors say in their text what to do."""
    return Check(name, Status.ERROR, str(error), advice, code_of_error(error))
