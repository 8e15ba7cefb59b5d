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

from harvester.cli.output.terminal import inert_json, printable
from harvester.secrets import hide_environment, mask_value

if TYPE_CHECKING:
    from harvester.archive import Archive
    from harvester.config import Credentials, Loaded, Settings
    from harvester.model import Ending


class ExitCode(IntEnum):
    """What the process says when it ends; stable."""

    OK = 0
    ERROR = 1
    USAGE = 2
    PARTIAL = 3
    PENDING = 4
    UNPUSHED = 6
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
    ExitCode.ERROR, ExitCode.DAMAGED, ExitCode.THROTTLED, ExitCode.PARTIAL, ExitCode.UNPUSHED, ExitCode.TIME,
    ExitCode.PENDING, ExitCode.OK,
)  # fmt: skip


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """The code that stands for several."""
    return min(codes, key=_WORST_FIRST.index, default=ExitCode.OK)


def code_of_ending(ending: Ending) -> ExitCode:
    """The code of a run that has committed its Snapshot."""
    return ExitCode[ending.name]


def code_of_error(error: BaseException) -> ExitCode:
    """The code of a command that has failed; of a group the worst of its members."""
    return worst(_code(leaf) for leaf in _leaves(error))


def _code(error: BaseException) -> ExitCode:
    from harvester import errors

    kinds: tuple[tuple[type[BaseException], ExitCode], ...] = (
        (errors.UsageError, ExitCode.USAGE),
        (errors.AuthenticationError, ExitCode.AUTH),
        (errors.ThrottledError, ExitCode.THROTTLED),
        (errors.RateLimitedError, ExitCode.THROTTLED),
        (errors.StoppedError, ExitCode.TIME),
        (errors.ArchiveLockedError, ExitCode.LOCKED),
        (errors.BucketLockedError, ExitCode.LOCKED),
        (errors.CorruptBucketError, ExitCode.DAMAGED),
        (errors.DiskError, ExitCode.DISK),
        (errors.CorruptArchiveError, ExitCode.DAMAGED),
        (KeyboardInterrupt, ExitCode.INTERRUPTED),
    )
    return next((code for kind, code in kinds if isinstance(error, kind)), ExitCode.ERROR)


@dataclass
class Session:
    """One invocation: what was said before the command's name, and what is loaded for it on demand."""

    config: Path | None = None
    quiet: bool = False
    verbose: bool = False
    log_format: str = "text"
    json: bool = False
    """Whether the command was asked for one JSON document; then an error is one too."""
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    account: str = ""
    """Of several in one configuration, the one that this is about; every line of the log carries it."""

    def __post_init__(self) -> None:
        hide_environment(self.environ)

    def load(self, account: str | None = None, **overrides: Any) -> Loaded:
        """Settings, with what the command's options say; None means that an option was not given.

        An override is named `table__key`. `account` is one of those in the configuration.

        Raises:
            ConfigError: something is wrong, there is no such account, or there are several and none is named.
        """
        from harvester.config import pick_account

        loaded = self.load_all(**overrides)
        picked = pick_account(loaded, account, allow_shared=overrides.get("archive__dir") is not None)
        self.account = picked.account
        return picked

    def load_for_bucket(self, account: str | None, url: str) -> Loaded:
        """Settings for a command that reads a Bucket; with a URL of its own no account has to be named.

        Raises:
            ConfigError: something is wrong, or there are several accounts and neither says which is meant.
        """
        return self.load_all() if url else self.load(account)

    def load_all(self, **overrides: Any) -> Loaded:
        """The same of every account at once, none of them picked."""
        from harvester.cli.options import FLAGS
        from harvester.config import load_settings

        given = {name.replace("__", "."): value for name, value in overrides.items() if value is not None}
        return load_settings(
            path=self.config,
            environ=self.environ,
            overrides=given,
            flags=FLAGS,
            places=_places(),
        )

    def credentials(self, loaded: Loaded) -> Credentials:
        """User id and token; what is unsafe about them is logged."""
        found = self.find_credentials(loaded)
        for warning in found.warnings:
            self.log.warning(warning)
        return found

    def find_credentials(self, loaded: Loaded) -> Credentials:
        """User id and token, without logging anything; from here on no core file is written."""
        from harvester.config import find_credentials

        _forbid_core_files()
        return find_credentials(
            loaded.settings.credentials, self.environ, home=_home(), account=loaded.account
        )

    def read_archive(self, settings: Settings) -> Archive:
        """The Archive for a command that only looks; warns of what only has the name of a Snapshot.

        Raises:
            ArchiveError: there is none, or it is a newer harvester's.
        """
        from harvester.archive import Archive

        found = Archive.open(Path(settings.archive.dir))
        for path in found.foreign():
            text = f"{path} has the name of a Snapshot but is not one; it is left out. See who put it there"
            self.log.warning(text)
        return found

    @cached_property
    def log(self) -> Any:
        """Where everything goes that is not data: stderr, as text or as JSON lines."""
        from harvester.cli.output.logs import make_logger

        return make_logger(self)

    def say(self, *lines: str) -> None:
        """What came of a job, for people, on stdout; nothing with `--quiet`."""
        if not self.quiet:
            self.show(*lines)

    def show(self, *lines: str) -> None:
        """What the command was asked for, for people, on stdout."""
        for line in lines:
            print(printable(line))


def emit_json(document: Any) -> None:
    """One JSON document on stdout; on a terminal with nothing in it that a terminal obeys or hides."""
    text = json.dumps(mask_value(document), ensure_ascii=False, indent=2, default=str)
    print(inert_json(text) if sys.stdout.isatty() else text)


def _places() -> tuple[Path, ...]:
    """Where a configuration file is looked for."""
    from platformdirs import user_config_path

    try:
        return (Path(), user_config_path("harvester"))
    except RuntimeError:  # a user without a name or home, as containers have them
        return (Path(),)


def _home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:
        return None


def _forbid_core_files() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def error_texts(error: BaseException) -> list[str]:
    """What went wrong, one text for each thing."""
    return [text for leaf in _leaves(error) for text in _texts(leaf)]


def report_error(error: BaseException, session: Session, *, code: ExitCode | None = None) -> ExitCode:
    """Say on stderr what went wrong, and on stdout if JSON was asked for; gives the exit code."""
    code = code_of_error(error) if code is None else code
    texts = error_texts(error)
    if session.verbose:
        _print_traceback(error)
    for text in texts:
        session.log.error(text, exit_code=code.value, exit=code.label)
    if session.json:
        emit_json({"exit_code": code.value, "exit": code.label, "errors": texts})
    return code


def _leaves(error: BaseException) -> list[BaseException]:
    """The errors of a group; what the system refuses is a DiskError, wherever it comes from."""
    from harvester.archive import REFUSALS, explain

    if isinstance(error, BaseExceptionGroup):
        return [leaf for member in error.exceptions for leaf in _leaves(member)]
    if isinstance(error, OSError) and error.errno in REFUSALS:
        return [explain(error, str(error.filename or "a file"))]
    return [error]


def _texts(error: BaseException) -> tuple[str, ...]:
    from harvester.errors import ConfigError, CorruptArchiveError, HarvesterError

    if isinstance(error, ConfigError):
        return error.mistakes
    if isinstance(error, CorruptArchiveError) and "harvester verify" not in str(error):
        return (f"{error}. `harvester verify` names all that is damaged, --repair mends what can be mended",)
    if isinstance(error, HarvesterError):
        return (str(error),)
    if isinstance(error, KeyboardInterrupt):
        return ("interrupted",)
    return (f"unexpected {type(error).__name__}: {error}; run again with -v and report what it prints",)


def _print_traceback(error: BaseException) -> None:
    import traceback

    for block in traceback.format_exception(error):
        for line in block.rstrip().splitlines():
            print(printable(line), file=sys.stderr)


def leave(code: ExitCode) -> NoReturn:
    """End the command with this code."""
    import typer

    raise typer.Exit(int(code))
