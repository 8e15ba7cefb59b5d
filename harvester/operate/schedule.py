"""Renders what starts harvester every night: a systemd service and timer, or a crontab line. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import jinja2


@dataclass(frozen=True)
class Schedule:
    """Which command runs, when, and which files it may write."""

    program: Path
    """The `harvester` command."""
    archives: tuple[Path, ...]
    """The archives that it writes. Each must exist before systemd starts it."""
    config: Path | None
    """The configuration file; None: harvester looks for it."""
    hour: int = 3
    """0 to 23, local time."""
    minute: int = 0
    tokens: Mapping[str, Path] = field(default_factory=dict)
    """Files with API tokens, by account; the name is empty if only one is configured."""
    user_id: int | None = None
    """User id if only one account is configured; with several, each is in the configuration."""
    account: str = ""
    """Account to run; empty: all of them, or the only one."""
    user: str = ""
    """User who owns the archives and runs the service; empty: root."""
    others: tuple[Path, ...] = ()
    """Other directories that it writes: those of metrics files."""

    def unsafe(self) -> list[str]:
        """Return the paths, quoted, that no unit or crontab can hold, such as one with a line break."""
        paths = [self.program, *self.archives, *self.others, *self.tokens.values()]
        paths += [self.config] if self.config else []
        return [repr(str(path)) for path in paths if any(not char.isprintable() for char in str(path))]

    def words(self) -> list[str]:
        """Return the command and its arguments."""
        config = ["--config", str(self.config)] if self.config else []
        which = ["--account", self.account] if self.account else []
        # The archive is named even if the configuration has it: a relative path there would be looked up
        # in the directory that systemd or cron starts in.
        which += ["--archive", str(self.archives[0])] if len(self.archives) == 1 else ["--all-accounts"]
        return [str(self.program), *config, "-q", "run", *which]


def render_service(schedule: Schedule) -> str:
    """Render the systemd service, which runs once and may write to nothing but the archives and `others`."""
    return _templates().get_template("harvester.service.j2").render(schedule=schedule)


def render_timer(schedule: Schedule) -> str:
    """Render the systemd timer, which starts the service every night; a missed night is caught up."""
    return _templates().get_template("harvester.timer.j2").render(schedule=schedule)


def render_cron(schedule: Schedule) -> str:
    """Render the crontab line."""
    command = shlex.join(schedule.words()).replace("%", r"\%")  # cron reads a bare % as the end of the line
    return f"{schedule.minute} {schedule.hour} * * * {command}\n"


def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("harvester.operate"),
        autoescape=False,  # units are not HTML; the filters below escape what systemd expands
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "systemd_word": _systemd_word,
        "systemd_escape": _systemd_escape,
        "systemd_path": _systemd_path,
    }
    return environment


# systemd expands its unit files in three ways, and each needs its own escaping:
# 1. a word of ExecStart=: `%` specifiers, `$` variables, quotes;
# 2. one path to the end of the line (LoadCredential=): `%` only;
# 3. one path of several (ReadWritePaths=): `%` and quotes, but no `$`.


def _systemd_word(text: str) -> str:
    text = text.replace("%", "%%").replace("$", "$$")
    if text and not any(char.isspace() or char in "\"'\\;" for char in text):
        return text
    return _quoted(text)


def _systemd_escape(path: Path) -> str:
    return str(path).replace("%", "%%")


def _systemd_path(path: Path) -> str:
    text = _systemd_escape(path)
    return _quoted(text) if any(char.isspace() or char in "\"'\\" for char in text) else text


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
