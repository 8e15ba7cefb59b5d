"""`harvester export`: one self-contained bag for somebody else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from harvester import __version__
from harvester.archive import Archive, Snapshot
from harvester.audit import ExportOrder, ExportResult, export_snapshot
from harvester.cli.options import FILTERS, given_filters, with_options
from harvester.cli.output.bar import byte_bar
from harvester.cli.output.emit import emit_json
from harvester.cli.session import Session
from harvester.config import Selection
from harvester.site import write_pages
from harvester.text import render_moment, render_size


@with_options(*FILTERS, "archive", "account", "json")
def export(
    context: typer.Context,
    date: Annotated[str, typer.Argument(metavar="DATE", help="A Snapshot, or latest.")],
    to: Annotated[Path, typer.Option(metavar="DIR", help="A new directory; with --zip a new file.")],
    zipped: Annotated[bool, typer.Option("--zip", help="One zip file; .zip is added to its name.")] = False,
) -> None:
    """Copy a Snapshot, or a part of it, to a directory or zip that anybody can check and browse.

    Every file is checked as it is copied. An export that fails or is interrupted leaves nothing
    behind. What does not match the filters leaves no trace in a part.

    \b
    Examples:
      harvester export latest --to /mnt/usb/quantconnect
      harvester export 2026-11-22 --to momentum --zip --project 'Momentum*'

    \b
    Exit codes:
      0 ok
      1 no such Snapshot
      2 usage, nothing fits, or DIR is in use
      16 disk
      20 the Snapshot is damaged
    """
    session = Session.of(context)
    given = given_filters(session.options)
    settings = session.load(only_given_filters=True).settings
    archive = session.archive(settings)
    order = _order(to, zipped=zipped, filters=given)
    if given:
        order = replace(order, selected=Selection(settings.filters).wants)
    _print(session, _write(session, archive, archive.snapshot(date), order))


def _order(to: Path, *, zipped: bool, filters: dict[str, Any]) -> ExportOrder:
    return ExportOrder(
        to=to.with_name(f"{to.name}.zip") if zipped and to.suffix != ".zip" else to,
        at=render_moment(datetime.now(UTC)),
        version=__version__,
        zipped=zipped,
        filters=filters,
        pages=write_pages,
    )


def _write(session: Session, archive: Archive, snapshot: Snapshot, order: ExportOrder) -> ExportResult:
    total = snapshot.record().payload_bytes
    done = 0
    with byte_bar("exporting", wanted=session.wants_bar) as show:

        def on_progress(count: int) -> None:
            nonlocal done
            done += count
            show(done, total)

        return export_snapshot(archive, snapshot, replace(order, on_progress=on_progress))


def _print(session: Session, exported: ExportResult) -> None:
    if session.json:
        emit_json(
            {
                "snapshot": exported.snapshot,
                "path": str(exported.path),
                "reports": exported.reports,
                "files": exported.files,
                "payload_bytes": exported.payload_bytes,
            }
        )
        return
    session.say(
        f"{exported.reports} reports of {exported.snapshot} in {exported.files} files, "
        f"{render_size(exported.payload_bytes)}",
        f"  {exported.path}",
        "  README.txt in it says how to check it",
    )
