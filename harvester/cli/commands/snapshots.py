"""`harvester snapshots`: the Snapshots of the archive."""

from __future__ import annotations

from typing import Any

import msgspec
import typer

from harvester.app import ExitCode, code_of_ending
from harvester.archive import Snapshot
from harvester.cli.options import with_options
from harvester.cli.output.emit import emit_json
from harvester.cli.output.table import render_table
from harvester.cli.session import Session, leave
from harvester.errors import ArchiveError
from harvester.model import SnapshotRecord
from harvester.text import render_size


@with_options("archive", "account", "json")
def snapshots(context: typer.Context) -> None:
    """List the Snapshots of the archive, oldest first.

    \b
    Exit codes:
      0 ok
      1 there is no archive
      2 usage
      20 a Snapshot cannot be read; the others are listed
    """
    session = Session.of(context)
    records, damaged = _read(session.archive().snapshots())
    if session.json:
        emit_json({"snapshots": [_row(record) for record in records], "damaged": damaged})
    elif records:
        head = ("snapshot", "state", "exit", "listed", "new", "gone", "size", "written")
        rows = [_cells(record) for record in records]
        session.show(*render_table(head, rows, right="exit listed new gone size written"))
    for text in damaged:
        session.log.error(text)
    leave(ExitCode.DAMAGED if damaged else ExitCode.OK)


def _read(found: list[Snapshot]) -> tuple[list[SnapshotRecord], list[str]]:
    """The records that can be read, and one error text for each of the others."""
    records, damaged = [], []
    for snapshot in found:
        try:
            records.append(snapshot.record())
        except ArchiveError as exc:
            damaged.append(str(exc))
    return records, damaged


def _row(record: SnapshotRecord) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.to_builtins(record)
    return row | {"exit_code": code_of_ending(record.ending).value}


def _cells(record: SnapshotRecord) -> tuple[str, ...]:
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
