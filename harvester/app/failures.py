"""What an error means to a user: its exit code, and one text for each thing that went wrong."""

from __future__ import annotations

from typing import Final

from harvester import errors
from harvester.app.exits import ExitCode, worst
from harvester.archive import REFUSALS, explain

# The first row that matches decides, so an error comes before its base class.
_CODES: Final[tuple[tuple[type[BaseException], ExitCode], ...]] = (
    (errors.UsageError, ExitCode.USAGE),
    (errors.StoppedError, ExitCode.TIME),
    (errors.AuthenticationError, ExitCode.AUTH),
    (errors.ThrottledError, ExitCode.THROTTLED),
    (errors.RateLimitedError, ExitCode.THROTTLED),
    (errors.ArchiveLockedError, ExitCode.LOCKED),
    (errors.BucketLockedError, ExitCode.LOCKED),
    (errors.CorruptBucketError, ExitCode.DAMAGED),
    (errors.DiskError, ExitCode.DISK),
    (errors.CorruptArchiveError, ExitCode.DAMAGED),
    (KeyboardInterrupt, ExitCode.INTERRUPTED),
)


def code_of_error(error: BaseException) -> ExitCode:
    """Return the exit code of a command that failed with this error; of a group, the worst of its members."""
    return worst(
        next((code for kind, code in _CODES if isinstance(leaf, kind)), ExitCode.ERROR)
        for leaf in _leaves(error)
    )


def worst_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the member of a group, however deep, with the worst exit code; the first of several."""
    leaves = _leaves(group)
    codes = [code_of_error(leaf) for leaf in leaves]
    return leaves[codes.index(worst(codes))]


def error_texts(error: BaseException) -> list[str]:
    """Return what went wrong and what to do, one text for each mistake or member of a group."""
    return [text for leaf in _leaves(error) for text in _texts(leaf)]


def _leaves(error: BaseException) -> list[BaseException]:
    """The errors of a group, flat. An OSError that says "full" or "not allowed" becomes a DiskError."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for member in error.exceptions for leaf in _leaves(member)]
    if isinstance(error, OSError) and error.errno in REFUSALS:
        return [explain(error, str(error.filename or "a file"))]
    return [error]


def _texts(error: BaseException) -> tuple[str, ...]:
    if isinstance(error, errors.ConfigError):
        return error.mistakes
    if isinstance(error, errors.CorruptArchiveError) and "harvester verify" not in str(error):
        return (f"{error}. Run `harvester verify` to list all damage, with --repair to restore what it can",)
    if isinstance(error, errors.HarvesterError):
        return (str(error),)
    if isinstance(error, KeyboardInterrupt):
        return ("interrupted",)
    return (f"unexpected {type(error).__name__}: {error}; run again with -v and report what it prints",)
