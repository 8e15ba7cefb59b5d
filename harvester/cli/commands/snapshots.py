"""`harvester snapshots`: what the archive holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from harvester.cli import options
from harvester.cli.console import ExitCode, Session, code_of_ending, emit_json, leave

if TYPE_CHECKING:
    from harvester.archive import Snapshot
    from harvester.model import SnapshotRecord


def snapshots(
    context: typer.Context,
    archive: options.Archive = None,
    account: options.Account = None,
    json: options.Json = False,
) -> None:
    """List the Snapshots of the archive, oldest first.

    \b
    Exit codes:
      0 ok · 1 there is no archive · 2 usage · 20 a Snapshot cannot be read; the others are listed
    """
    from harvester.cli.output.table import render_table

    session: Session = context.obj
    loaded = session.load(account, archive__dir=str(archive) if archive else None)
    records, damaged = _read(session.read_archive(loaded.settings).snapshots())
    if json:
        emit_json({"snapshots": [_row(record) for record in records], "damaged": damaged})
    elif records:
        head = ("snapshot", "state", "exit", "listed", "new", "gone", "size", "written")
        rows = [_cells(record) for record in records]
        session.show(*render_table(head, rows, right="exit listed new gone size written"))
    for text in damaged:
        session.log.error(text)
    leave(ExitCode.DAMAGED if damaged else ExitCode.OK)


def _read(found: list[Snapshot]) -> tuple[list[SnapshotRecord], list[str]]:
    """The records that can be read, and what is wrong with the others."""
    from harvester.errors import ArchiveError

    records, damaged = [], []
    for snapshot in found:
        try:
            records.append(snapshot.record())
        except ArchiveError as exc:
            damaged.append(str(exc))
    return records, damaged


def _row(record: SnapshotRecord) -> dict[str, Any]:
    import msgspec

    row: dict[str, Any] = msgspec.to_builtins(record)
    return row | {"exit_code": code_of_ending(record.ending).value}


def _cells(record: SnapshotRecord) -> tuple[str, ...]:
    from harvester.text import render_size

    counts, code = record.counts, code_of_ending(record.ending)
    return (
        record.name,
        "complete" if record.complete else f"incomplete ({code.label})",
        str(code.value),
        str(record.listed),
        str(counts.get("saved", 0) + counts.get("updated", 0)),
        str(record.gone),
        render_size(record.payload_bytes),
        render_size(record.written_bytes),
    )
