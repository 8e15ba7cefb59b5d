"""What a command works with: its options, the settings that they change, the Archive, log and output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import typer

from harvester.app import ExitCode, config_places, credentials_of, printable
from harvester.archive import Archive
from harvester.cli.invocation import Invocation
from harvester.cli.options import FLAGS, given_settings
from harvester.config import Credentials, FilterSettings, Loaded, Settings, load_settings, pick_account


@dataclass
class Session:
    """One command as it was called."""

    invocation: Invocation
    options: Mapping[str, Any] = field(default_factory=dict)
    """The command's options by parameter; None if one was not given."""

    @classmethod
    def of(cls, context: typer.Context) -> Session:
        """Return the session of the command that typer has parsed."""
        return cls(context.obj, context.params)

    @property
    def json(self) -> bool:
        """Whether the command was asked for one JSON document."""
        return self.invocation.json

    @property
    def wants_bar(self) -> bool:
        """Whether progress may be shown, if stderr is a terminal."""
        return not self.json and not self.invocation.quiet

    def load(self, *, only_given_filters: bool = False) -> Loaded:
        """Load the settings of the account that the command is about, with its options.

        Args:
            only_given_filters: Ignore the filters of the configuration. They say what a run reads; a
                command that shows what was archived has its own.

        Raises:
            ConfigError: something is wrong, there is no such account, or there are several and none is named.
        """
        loaded = self.load_all(only_given_filters=only_given_filters)
        return self.pick(loaded, allow_shared=self.options.get("archive") is not None)

    def load_for_bucket(self, url: str) -> Loaded:
        """Load the settings for a command that reads a Bucket; given its URL, no account has to be named.

        Raises:
            ConfigError: something is wrong, or there are several accounts and none is named.
        """
        return self.load_all() if url else self.load()

    def load_all(self, *, only_given_filters: bool = False) -> Loaded:
        """Load the settings of all accounts, with the command's options."""
        overrides = (_wide_filters() if only_given_filters else {}) | given_settings(self.options)
        return load_settings(
            path=self.invocation.config,
            environ=self.invocation.environ,
            overrides=overrides,
            flags=FLAGS,
            places=config_places(),
        )

    def pick(self, loaded: Loaded, *, allow_shared: bool = False) -> Loaded:
        """Return the settings of the account in `--account`, or of the only one, and name it in the log.

        Raises:
            ConfigError: there is no such account, or there are several and none is named.
        """
        picked = pick_account(loaded, self.options.get("account"), allow_shared=allow_shared)
        self.invocation.account = picked.account
        return picked

    def credentials(self, loaded: Loaded) -> Credentials:
        """Find user id and token, and log what is unsafe about them."""
        found = credentials_of(loaded, self.invocation.environ)
        for warning in found.warnings:
            self.log.warning(warning)
        return found

    def archive(self, settings: Settings | None = None) -> Archive:
        """Open the Archive to read it; warn of directories that only look like Snapshots.

        Args:
            settings: None: those of the command's account.

        Raises:
            ArchiveError: there is none, or it was written by a newer harvester.
        """
        archive = Archive.open(Path((settings or self.load().settings).archive.dir))
        for path in archive.foreign():
            self.log.warning(
                f"{path} has the name of a Snapshot but is not one; it is left out. Find out who put it there"
            )
        return archive

    @cached_property
    def log(self) -> Any:
        """The logger, for everything that is not data: stderr, as text or JSON lines."""
        # structlog loads half of rich; commands that log nothing start in half the time without it.
        from harvester.cli.output.logs import make_logger  # noqa: PLC0415

        return make_logger(self.invocation)

    def say(self, *lines: str) -> None:
        """Print a summary on stdout; nothing with `--quiet`."""
        if not self.invocation.quiet:
            self.show(*lines)

    def show(self, *lines: str) -> None:
        """Print what the command was asked for, on stdout."""
        for line in lines:
            print(printable(line))


def _wide_filters() -> dict[str, Any]:
    """Overrides that filter nothing out."""
    wide = FilterSettings(recycle_bin=True)
    return {f"filters.{key}": getattr(wide, key) for key in wide.__struct_fields__}


def leave(code: ExitCode) -> NoReturn:
    """End the command with this code."""
    raise typer.Exit(int(code))
