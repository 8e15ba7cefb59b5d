"""`harvester history`: one backtest through all Snapshots."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from harvester.app import printable
from harvester.audit import load_history
from harvester.cli.options import with_options
from harvester.cli.output.emit import emit_json
from harvester.cli.output.table import render_table
from harvester.cli.session import Session
from harvester.errors import UsageError


@with_options("archive", "account", "json")
def history(
    context: typer.Context,
    backtest: Annotated[str, typer.Argument(metavar="ID", help="A backtest's id, or its first characters.")],
) -> None:
    """Show the Outcome of a backtest in every Snapshot, one line for each period without a change.

    \b
    Exit codes:
      0 ok
      1 there is no archive
      2 usage, or no Snapshot has it
      16 disk
      20 a Snapshot is damaged
    """
    if not backtest:  # an unset variable of a script, which would match every backtest
        raise UsageError("history needs a backtest's id, or its first characters")
    session = Session.of(context)
    found = load_history(session.archive(), backtest, on_note=session.log.warning)
    if not found:
        raise UsageError(f"no Snapshot has a backtest whose id begins with {backtest!r}")
    if session.json:
        emit_json(
            [
                {
                    "project_id": project_id,
                    "backtest_id": backtest_id,
                    "history": [asdict(period) for period in periods],
                }
                for (project_id, backtest_id), periods in found.items()
            ]
        )
        return
    for (project_id, backtest_id), periods in found.items():
        rows = [
            [
                period.from_snapshot,
                period.to_snapshot,
                "gone" if period.gone and period.outcome != "lost" else period.outcome,
                period.saved_in,
                printable(period.name),
                printable(period.error or period.reason),
            ]
            for period in periods
        ]
        session.show(f"backtest {backtest_id} of project {project_id}")
        session.show(*render_table(("from", "to", "outcome", "content from", "name", "why"), rows))
