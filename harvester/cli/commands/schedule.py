"""`harvester schedule`: what to give to systemd or cron."""

from __future__ import annotations

import os
import pwd
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from harvester.cli.options import with_options
from harvester.cli.session import Session
from harvester.config import Loaded, is_user_id, may_be_token, pick_account
from harvester.errors import ConfigError
from harvester.operate import Schedule, render_cron, render_service, render_timer


@with_options("archive", "account")
def schedule(
    context: typer.Context,
    at: Annotated[str, typer.Option(metavar="HH:MM", help="When, by the machine's clock.")] = "03:00",
    cron: Annotated[
        bool, typer.Option("--cron", help="Print a crontab line instead of systemd units.")
    ] = False,
) -> None:
    """Print a systemd service and timer, or a crontab line, for the configuration in force.

    Nothing is installed. The service may write to the archive and to nothing else. If there are several
    accounts, all are run, or the one in --account.

    \b
    Examples:
      harvester schedule                       two units, to be saved as two files
      harvester schedule --cron | crontab -    replaces the crontab by one line

    \b
    Exit codes:
      0 ok · 2 usage, or the configuration is wrong
    """
    session = Session.of(context)
    loaded = session.load_all()
    selected = _selected(loaded, session.options["account"], session.options["archive"])
    relative = tuple(dict.fromkeys(_relative_paths(loaded, selected, cron=cron)))
    if relative:
        raise ConfigError(*relative)
    plan = _plan(loaded, selected, _moment(at))
    if plan.unsafe():
        raise ConfigError(f"{plan.unsafe()[0]}: systemd and cron cannot use such a path; choose another")
    text = render_cron(plan) if cron else f"{render_service(plan)}\n{render_timer(plan)}"
    session.show(*text.rstrip("\n").split("\n"))
    missing = [] if cron else [path for path in (*plan.archives, *plan.others) if not path.is_dir()]
    for warning in (*_missing_credentials(selected), *_environment_settings(loaded), *_missing_dirs(missing)):
        session.log.warning(warning)


def _moment(at: str) -> tuple[int, int]:
    moment = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", at)
    if moment is None:
        raise ConfigError(f"--at {at}: not a time; use HH:MM, such as 03:00")
    return int(moment[1]), int(moment[2])


def _selected(loaded: Loaded, account: str | None, archive: Path | None) -> list[Loaded]:
    """The settings of the accounts to run: the one in `--account`, or all of them."""
    if account is None and loaded.accounts:
        if archive is not None:
            names = ", ".join(loaded.accounts)
            raise ConfigError(f"--archive is for one account: add --account with one of {names}")
        return list(loaded.accounts.values())
    return [pick_account(loaded, account)]


def _relative_paths(loaded: Loaded, selected: Sequence[Loaded], *, cron: bool) -> Iterator[str]:
    """One mistake for each relative path: a scheduled job starts in another directory."""
    several = len(selected) > 1
    asked = [(loaded, "metrics.textfile")] if several else []
    for one in selected:
        asked.append((one, "metrics.textfile"))
        if several:  # the only one is named in the command
            asked.append((one, "archive.dir"))
        if cron or may_be_token(one.settings.credentials.token_file):  # systemd reads it itself
            asked.append((one, "credentials.token_file"))
    for one, name in asked:
        table, _, key = name.partition(".")
        path = getattr(getattr(one.settings, table), key)
        if path and not Path(path).is_absolute():
            where = f"{one.origins[name]}: {name}"
            yield f"{where} is relative, but a scheduled job starts elsewhere; use an absolute path"


def _plan(loaded: Loaded, selected: Sequence[Loaded], moment: tuple[int, int]) -> Schedule:
    account = selected[0].account if len(selected) == 1 else ""
    user_id = "" if loaded.accounts else loaded.settings.credentials.user_id.strip()
    archives = tuple(_absolute(one.settings.archive.dir) for one in selected)
    told = selected if len(selected) == 1 else (loaded, *selected)
    textfiles = [one.settings.metrics.textfile for one in told]
    return Schedule(
        program=_program(),
        archives=archives,
        config=loaded.path.absolute() if loaded.path else None,
        hour=moment[0],
        minute=moment[1],
        tokens={
            one.account: _absolute(one.settings.credentials.token_file)
            for one in selected
            if one.settings.credentials.token_file
        },
        user_id=int(user_id) if is_user_id(user_id) else None,
        account=account,
        user=_owner(archives),
        others=tuple(dict.fromkeys(_absolute(path).parent for path in textfiles if path)),
    )


def _absolute(path: str) -> Path:
    return Path(path).absolute()


def _owner(archives: Sequence[Path]) -> str:
    """The user that owns the archives, or else the current one; empty for root, systemd's default.

    The unit has no capabilities, so that not even root could write into another user's directory.
    """
    owners = {path.stat().st_uid for path in archives if path.is_dir()}
    user = owners.pop() if len(owners) == 1 else os.geteuid()
    try:
        return pwd.getpwuid(user).pw_name if user else ""
    except KeyError:
        return str(user)


def _missing_credentials(selected: Sequence[Loaded]) -> Iterator[str]:
    """One warning for each account without credentials in the configuration."""
    for one in selected:
        if not (one.settings.credentials.user_id and one.settings.credentials.token_file):
            table = f"accounts.{one.account}.credentials" if one.account else "credentials"
            yield f"a scheduled job does not see your environment: set user_id and token_file in [{table}]"


def _environment_settings(loaded: Loaded) -> Iterator[str]:
    for name, origin in loaded.origins.items():
        if origin.startswith("environment"):
            yield f"a scheduled job does not see your environment: set {name} in the configuration ({origin})"


def _missing_dirs(directories: Sequence[Path]) -> Iterator[str]:
    for path in directories:
        command = f"mkdir -p {shlex.quote(str(path))}"
        yield f"the service cannot start while {path} is missing; run: {command}"


def _program() -> Path:
    """The command as it was started, or else the script next to the interpreter."""
    called = Path(sys.argv[0])
    return called.absolute() if called.name == "harvester" else Path(sys.executable).with_name("harvester")
