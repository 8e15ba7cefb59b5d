"""`harvester schedule`: what to give to systemd or cron."""

from __future__ import annotations

import os
import pwd
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harvester.cli import options
from harvester.cli.console import Session

if TYPE_CHECKING:
    from harvester.config import Loaded
    from harvester.operate import Plan


def schedule(
    context: typer.Context,
    archive: options.Archive = None,
    account: options.Account = None,
    at: Annotated[str, typer.Option(metavar="HH:MM", help="When, by the machine's clock.")] = "03:00",
    cron: Annotated[bool, typer.Option("--cron", help="A crontab line in place of systemd's units.")] = False,
) -> None:
    """Print a systemd service and timer, or a crontab line, for the configuration in force.

    Nothing is installed. The service may write to the archive and to nothing else. Of several accounts all
    are run, or the one that is named.

    \b
    Examples:
      harvester schedule                       two units, each for a file of its own
      harvester schedule --cron | crontab -    replaces the crontab with this one line

    \b
    Exit codes:
      0 ok · 2 usage, or the configuration is wrong
    """
    from harvester.errors import ConfigError
    from harvester.operate import render_cron, render_service, render_timer

    session: Session = context.obj
    loaded = session.load_all(archive__dir=str(archive) if archive else None)
    everyone = _everyone(loaded, account, archive)
    misled = tuple(dict.fromkeys(_misled(loaded, everyone, cron=cron)))
    if misled:
        raise ConfigError(*misled)
    plan = _plan(loaded, everyone, _moment(at))
    if plan.unsafe():
        raise ConfigError(
            f"{plan.unsafe()[0]}: neither systemd nor cron can take such a path; choose another"
        )
    text = render_cron(plan) if cron else f"{render_service(plan)}\n{render_timer(plan)}"
    session.show(*text.rstrip("\n").split("\n"))
    missing = [] if cron else [path for path in (*plan.archives, *plan.others) if not path.is_dir()]
    for warning in (*_lacking(everyone), *_of_the_environment(loaded), *_unmade(missing)):
        session.log.warning(warning)


def _moment(at: str) -> tuple[int, int]:
    from harvester.errors import ConfigError

    moment = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", at)
    if moment is None:
        raise ConfigError(f"--at {at}: write a time such as 03:00")
    return int(moment[1]), int(moment[2])


def _everyone(loaded: Loaded, account: str | None, archive: Path | None) -> list[Loaded]:
    """Whose runs are started: those of the account that is named, or of all that there are."""
    from harvester.config import pick_account
    from harvester.errors import ConfigError

    if account is None and loaded.accounts:
        if archive is not None:
            names = ", ".join(loaded.accounts)
            raise ConfigError(f"--archive is one account's: add --account with one of {names}")
        return list(loaded.accounts.values())
    return [pick_account(loaded, account)]


def _misled(loaded: Loaded, everyone: Sequence[Loaded], *, cron: bool) -> Iterator[str]:
    """Paths that would lead a job at night elsewhere, since it is started in another directory than this."""
    from harvester.config import may_be_token

    several = len(everyone) > 1
    asked = [(loaded, "metrics.textfile")] if several else []
    for one in everyone:
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
            yield f"{where} is relative, and a job at night starts elsewhere; write an absolute path"


def _plan(loaded: Loaded, everyone: Sequence[Loaded], moment: tuple[int, int]) -> Plan:
    from harvester.config import is_user_id
    from harvester.operate import Plan

    account = everyone[0].account if len(everyone) == 1 else ""
    user_id = "" if loaded.accounts else loaded.settings.credentials.user_id.strip()
    archives = tuple(_absolute(one.settings.archive.dir) for one in everyone)
    told = everyone if len(everyone) == 1 else (loaded, *everyone)
    textfiles = [one.settings.metrics.textfile for one in told]
    return Plan(
        program=_program(),
        archives=archives,
        config=loaded.path.absolute() if loaded.path else None,
        hour=moment[0],
        minute=moment[1],
        tokens={
            one.account: _absolute(one.settings.credentials.token_file)
            for one in everyone
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
    """Who owns the archives, or else who asks; empty for root, who is systemd's default.

    The unit has no capabilities, so that not even root could write into another user's directory.
    """
    owners = {path.stat().st_uid for path in archives if path.is_dir()}
    user = owners.pop() if len(owners) == 1 else os.geteuid()
    try:
        return pwd.getpwuid(user).pw_name if user else ""
    except KeyError:
        return str(user)


def _lacking(everyone: Sequence[Loaded]) -> Iterator[str]:
    """What a job at night would miss, since it has no environment of its user's."""
    for one in everyone:
        if not (one.settings.credentials.user_id and one.settings.credentials.token_file):
            table = f"accounts.{one.account}.credentials" if one.account else "credentials"
            yield f"a job at night has no environment of yours: set user_id and token_file in [{table}]"


def _of_the_environment(loaded: Loaded) -> Iterator[str]:
    for name, origin in loaded.origins.items():
        if origin.startswith("environment"):
            yield f"a job at night has no environment of yours: set {name} in the configuration ({origin})"


def _unmade(directories: Sequence[Path]) -> Iterator[str]:
    for path in directories:
        command = f"mkdir -p {shlex.quote(str(path))}"
        yield f"systemd starts nothing that may write to a missing directory; run: {command}"


def _program() -> Path:
    """The command as it was started; a script beside the interpreter otherwise."""
    called = Path(sys.argv[0])
    return called.absolute() if called.name == "harvester" else Path(sys.executable).with_name("harvester")
