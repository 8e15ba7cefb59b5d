"""`harvester schedule`: what to give to systemd or cron."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from harvester.cli import options
from harvester.cli.console import Session


def schedule(
    context: typer.Context,
    archive: options.Archive = None,
    account: options.Account = None,
    at: Annotated[str, typer.Option(metavar="HH:MM", help="When, by the machine's clock.")] = "03:00",
    cron: Annotated[bool, typer.Option("--cron", help="A crontab line in place of systemd's units.")] = False,
) -> None:
    """Print a systemd service and timer, or a crontab line, for the configuration in force.

    Nothing is installed. The service may write to the archive and to nothing else.

    \b
    Examples:
      harvester schedule                       two units, each for a file of its own
      harvester schedule --cron | crontab -    replaces the crontab with this one line

    \b
    Exit codes:
      0 ok · 2 usage, or the configuration is wrong
    """
    from harvester.config.load import pick_account
    from harvester.errors import ConfigError
    from harvester.operate.schedule import Plan, render_cron, render_service, render_timer

    session: Session = context.obj
    loaded = session.load_all(archive__dir=str(archive) if archive else None)
    picked = (
        []
        if loaded.accounts and account is None and archive is None
        else [pick_account(loaded, account, anyway=archive is not None)]
    )
    everyone = picked or list(loaded.accounts.values())
    moment = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", at)
    if moment is None:
        raise ConfigError(f"--at {at}: write a time such as 03:00")
    user_id = everyone[0].settings.credentials.user_id if len(everyone) == 1 and not account else ""
    plan = Plan(
        program=_program(),
        archives=tuple(Path(one.settings.archive.dir).absolute() for one in everyone),
        config=loaded.path.absolute() if loaded.path else None,
        hour=int(moment[1]),
        minute=int(moment[2]),
        tokens={
            one.account: Path(one.settings.credentials.token_file).expanduser().absolute()
            for one in everyone
            if one.settings.credentials.token_file
        },
        user_id=int(user_id) if user_id.isdigit() else None,
        account=account or "",
    )
    if plan.unsafe():
        raise ConfigError(
            f"{plan.unsafe()[0]}: neither systemd nor cron can take such a path; choose another"
        )
    text = render_cron(plan) if cron else f"{render_service(plan)}\n{render_timer(plan)}"
    session.show(*text.rstrip("\n").split("\n"))
    for one in everyone:
        if not (one.settings.credentials.user_id and one.settings.credentials.token_file):
            table = f"accounts.{one.account}.credentials" if one.account else "credentials"
            text = f"a job at night has no environment of yours: set user_id and token_file in [{table}]"
            session.log.warning(text)


def _program() -> Path:
    """The command as it was started; a script beside the interpreter otherwise."""
    called = Path(sys.argv[0])
    return called.absolute() if called.name == "harvester" else Path(sys.executable).with_name("harvester")
