"""What every command shares: exit codes, output, logs, errors, and the session they run in."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from harvester.config.credentials import Credentials
    from harvester.config.load import Loaded
    from harvester.model import Ending


class ExitCode(IntEnum):
    """What the process says when it ends; stable."""

    OK = 0
    ERROR = 1
    USAGE = 2
    PARTIAL = 3
    PENDING = 4
    TIME = 10
    LOCKED = 11
    AUTH = 12
    DISK = 16
    THROTTLED = 18
    DAMAGED = 20
    INTERRUPTED = 130
    TERMINATED = 143

    @property
    def label(self) -> str:
        """The name that logs and `--json` carry."""
        return {130: "signal", 143: "signal"}.get(self.value, self.name.lower())


_WORST_FIRST: Final = (
    ExitCode.INTERRUPTED, ExitCode.TERMINATED, ExitCode.AUTH, ExitCode.DISK, ExitCode.LOCKED, ExitCode.USAGE,
    ExitCode.ERROR, ExitCode.DAMAGED, ExitCode.THROTTLED, ExitCode.PARTIAL, ExitCode.TIME, ExitCode.PENDING,
    ExitCode.OK,
)  # fmt: skip


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """The code that stands for several."""
    return min(codes, key=_WORST_FIRST.index, default=ExitCode.OK)


def code_of_ending(ending: Ending) -> ExitCode:
    """The code of a run that has committed its Snapshot."""
    return ExitCode[ending.name]


def code_of_error(error: BaseException) -> ExitCode:
    """The code of a command that has failed; of a group the worst of its members."""
    from harvester import errors

    if isinstance(error, BaseExceptionGroup):
        return worst(code_of_error(member) for member in error.exceptions)
    kinds: tuple[tuple[type[BaseException], ExitCode], ...] = (
        (errors.ConfigError, ExitCode.USAGE),
        (errors.AuthenticationError, ExitCode.AUTH),
        (errors.ThrottledError, ExitCode.THROTTLED),
        (errors.RateLimitedError, ExitCode.THROTTLED),
        (errors.ArchiveLockedError, ExitCode.LOCKED),
        (errors.DiskError, ExitCode.DISK),
        (errors.CorruptArchiveError, ExitCode.DAMAGED),
        (KeyboardInterrupt, ExitCode.INTERRUPTED),
    )
    return next((code for kind, code in kinds if isinstance(error, kind)), ExitCode.ERROR)


@dataclass
class Session:
    """One invocation: what was said before the command's name, and what is loaded once for it."""

    config: Path | None = None
    quiet: bool = False
    verbose: bool = False
    log_format: str = "text"
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    secrets: set[str] = field(default_factory=set)
    """Texts that must never be shown."""

    def load(self, **overrides: Any) -> Loaded:
        """Settings, with what the command's options say; None means that an option was not given.

        An override is named `table__key`.
        """
        from platformdirs import user_config_path

        from harvester.config.load import load_settings

        given = {name.replace("__", "."): value for name, value in overrides.items() if value is not None}
        return load_settings(
            path=self.config,
            environ=self.environ,
            overrides=given,
            user_dir=user_config_path("harvester"),
        )

    def credentials(self, loaded: Loaded) -> Credentials:
        """User id and token; what is unsafe about them is logged."""
        from harvester.config.credentials import find_credentials

        found = find_credentials(loaded.settings.credentials, self.environ, home=Path.home())
        self.secrets.add(found.token.reveal())
        for warning in found.warnings:
            self.log.warning(warning)
        return found

    @cached_property
    def log(self) -> Any:
        """Where everything goes that is not data: stderr, as text or as JSON lines."""
        from harvester.cli.logs import make_logger

        return make_logger(self)

    def say(self, *lines: str) -> None:
        """Data for people, on stdout; nothing with `--quiet`."""
        if not self.quiet:
            for line in lines:
                print(self.clean(line))

    def clean(self, text: str) -> str:
        """Text that a terminal shows and does not obey: secrets masked, control characters visible."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return "".join(char if char.isprintable() or char == "\t" else f"\\x{ord(char):02x}" for char in text)


def emit_json(document: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(document, ensure_ascii=False, indent=2, default=str))


def report_error(error: BaseException, session: Session) -> ExitCode:
    """Say on stderr what went wrong; gives the exit code."""
    from harvester.errors import ConfigError, HarvesterError

    code = code_of_error(error)
    for leaf in _leaves(error):
        if isinstance(leaf, ConfigError):
            texts: tuple[str, ...] = leaf.mistakes
        elif isinstance(leaf, HarvesterError):
            texts = (str(leaf),)
        elif isinstance(leaf, KeyboardInterrupt):
            texts = ("interrupted",)
        else:
            texts = (
                f"unexpected {type(leaf).__name__}: {leaf}; run again with -v and report what it prints",
            )
        for text in texts:
            session.log.error(text, exit_code=code.value, exit=code.label)
        if session.verbose:
            _print_traceback(leaf, session)
    return code


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for member in error.exceptions for leaf in _leaves(member)]
    return [error]


def _print_traceback(error: BaseException, session: Session) -> None:
    import traceback

    for block in traceback.format_exception(error):
        for line in block.rstrip().splitlines():
            print(session.clean(line), file=sys.stderr)


def leave(code: ExitCode) -> NoReturn:
    """End the command with this code."""
    import typer

    raise typer.Exit(int(code))
