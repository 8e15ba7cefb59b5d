"""`harvester history`: one backtest through all Snapshots."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from harvester.cli import options
from harvester.cli.console import Session, emit_json


def history(
    context: typer.Context,
    backtest: Annotated[str, typer.Argument(metavar="ID", help="A backtest's id, or how it begins.")],
    archive: options.Archive = None,
    account: options.Account = None,
    json: options.Json = False,
) -> None:
    """Tell what became of a backtest in every Snapshot; one line for as long as nothing changed.

    \b
    Exit codes:
      0 ok · 2 usage, or no Snapshot has it · 16 disk · 20 a Snapshot is damaged
    """
    from harvester.audit import history as passages_of
    from harvester.cli.output.table import render_table
    from harvester.cli.output.terminal import printable
    from harvester.errors import UsageError

    session: Session = context.obj
    settings = session.load(account, archive__dir=str(archive) if archive else None).settings
    found = passages_of(session.read_archive(settings), backtest, on_note=session.log.warning)
    if not found:
        raise UsageError(f"no Snapshot has a backtest whose id begins with {backtest!r}")
    if json:
        emit_json(
            [
                {
                    "project_id": project_id,
                    "backtest_id": backtest_id,
                    "history": [asdict(p) for p in passages],
                }
                for (project_id, backtest_id), passages in found.items()
            ]
        )
        return
    for (project_id, backtest_id), passages in found.items():
        rows = [
            [
                passage.from_snapshot,
                passage.to_snapshot,
                "gone" if passage.gone and passage.outcome != "lost" else passage.outcome,
                passage.saved_in,
                printable(passage.name),
                printable(passage.error or passage.reason),
            ]
            for passage in passages
        ]
        session.show(f"backtest {backtest_id} of project {project_id}")
        session.show(*render_table(("from", "to", "outcome", "bytes of", "name", "why"), rows))
