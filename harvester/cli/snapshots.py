"""`harvester snapshots`: what the archive holds."""

from __future__ import annotations

from pathlib import Path

import typer

from harvester.cli import options
from harvester.cli.console import Session, emit_json


def snapshots(context: typer.Context, archive: options.Archive = None, json: options.Json = False) -> None:
    """List the Snapshots of the archive, oldest first.

    \b
    Exit codes:
      0 ok · 1 there is no archive · 2 usage · 20 a Snapshot is damaged
    """
    import msgspec

    from harvester.archive import Archive
    from harvester.cli.summary import size

    session: Session = context.obj
    loaded = session.load(archive__dir=str(archive) if archive else None)
    records = [found.record() for found in Archive.read(Path(loaded.settings.archive.dir)).snapshots()]
    if json:
        emit_json(msgspec.to_builtins(records))
        return
    for record in records:
        state = "complete" if record.complete else f"incomplete ({record.ending.value})"
        new = record.counts.get("saved", 0) + record.counts.get("updated", 0)
        session.say(
            f"{record.name:<13} {state:<24} {record.listed:>7} listed {new:>7} new {record.gone:>5} gone "
            f"{size(record.payload_bytes):>10} of which {size(record.written_bytes)} written"
        )
