"""`harvester doctor`: is everything in place for a run, and what to do where it is not."""

from __future__ import annotations

import typer

from harvester.app import Check, diagnose, worst
from harvester.cli.options import with_options
from harvester.cli.output.emit import emit_json
from harvester.cli.session import Session, leave


@with_options("archive", "account", "json")
def doctor(context: typer.Context) -> None:
    """Check configuration, credentials, clock, API, disk, links, permissions, lock, last run, bucket, timer.

    Each line is ok, a warning or an error, with what to do about it. Two requests are sent; nothing is
    changed. With --quiet only what is not ok is shown.

    \b
    Exit codes, the worst that a run would end with:
      0 ok, warnings included
      1 error: the API cannot be reached
      2 configuration is wrong, or no credentials
      6 the bucket cannot be written to, or is another archive's
      12 credentials refused or locked out, or the clock is off
      16 disk not writable
      18 the server asked for a pause that is still in force
      20 the archive is damaged
    """
    session = Session.of(context)
    checks = list(diagnose(session.load, session.invocation.environ, session.log))
    code = worst(check.code for check in checks)
    if session.json:
        rows = [
            # `remedy` is the name that scripts know.
            {"name": check.name, "status": check.status.value, "text": check.text, "remedy": check.advice}
            for check in checks
        ]
        emit_json({"exit_code": code.value, "exit": code.label, "checks": rows})
    else:
        quiet = session.invocation.quiet
        session.show(*(_line(check) for check in checks if not quiet or check.advice or check.code))
    leave(code)


def _line(check: Check) -> str:
    advice = f" -> {check.advice}" if check.advice else ""
    return f"{check.status.value:<8} {check.name:<15} {check.text}{advice}"
