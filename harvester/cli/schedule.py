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
    from harvester.errors import ConfigError
    from harvester.operate.schedule import Plan, render_cron, render_service, render_timer

    session: Session = context.obj
    loaded = session.load(archive__dir=str(archive) if archive else None)
    moment = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", at)
    if moment is None:
        raise ConfigError(f"--at {at}: write a time such as 03:00")
    credentials = loaded.settings.credentials
    plan = Plan(
        program=_program(),
        archive=Path(loaded.settings.archive.dir).absolute(),
        config=loaded.path.absolute() if loaded.path else None,
        hour=int(moment[1]),
        minute=int(moment[2]),
        token_file=Path(credentials.token_file).expanduser().absolute() if credentials.token_file else None,
        user_id=int(credentials.user_id) if credentials.user_id.isdigit() else None,
    )
    text = render_cron(plan) if cron else f"{render_service(plan)}\n{render_timer(plan)}"
    session.show(*text.rstrip("\n").split("\n"))
    if plan.user_id is None or plan.token_file is None:
        session.log.warning(
            "a job at night has no environment of yours: set credentials.user_id and credentials.token_file"
        )


def _program() -> Path:
    """The command as it was started; a script beside the interpreter otherwise."""
    called = Path(sys.argv[0])
    return called.absolute() if called.name == "harvester" else Path(sys.executable).with_name("harvester")
