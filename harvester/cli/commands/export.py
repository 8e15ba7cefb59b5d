"""`harvester export`: one self-contained bag for somebody else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harvester.cli import options
from harvester.cli.console import Session, emit_json

if TYPE_CHECKING:
    from harvester.archive import Archive, Snapshot
    from harvester.audit import Exported, ExportOrder


def export(
    context: typer.Context,
    date: Annotated[str, typer.Argument(metavar="DATE", help="A Snapshot, or latest.")],
    to: Annotated[Path, typer.Option(metavar="DIR", help="A new directory; with --zip a new file.")],
    zipped: Annotated[bool, typer.Option("--zip", help="One zip file; .zip is added to its name.")] = False,
    project: options.Projects = None,
    exclude_project: options.ExcludeProjects = None,
    name: options.Names = None,
    tag: options.Tags = None,
    organization: options.Organizations = None,
    created_after: options.CreatedAfter = None,
    created_before: options.CreatedBefore = None,
    optimizations: options.Optimizations = None,
    recycle_bin: options.RecycleBin = None,
    archive: options.Archive = None,
    account: options.Account = None,
    json: options.Json = False,
) -> None:
    """Copy a Snapshot, or a part of it, to a directory or zip that a stranger can check and browse.

    Every file is checked as it is copied. An export that fails or is interrupted leaves nothing
    behind. What does not match the filters leaves no trace in a part.

    \b
    Examples:
      harvester export latest --to /mnt/usb/quantconnect
      harvester export 2026-11-22 --to momentum --zip --project 'Momentum*' --created-after 2026-01-01

    \b
    Exit codes:
      0 ok   1 no such Snapshot   2 usage, nothing fits, or DIR is in use
      16 disk   20 the Snapshot is damaged
    """
    from harvester.config import Selection

    session: Session = context.obj
    given = options.filters(context)
    settings = session.load(
        account, archive__dir=str(archive) if archive else None, **options.only(given)
    ).settings
    found = session.read_archive(settings)
    order = _order(to, zipped=zipped, filters=given)
    if given:
        order = replace(order, selected=Selection(settings.filters).wants)
    _tell(session, _write(session, found, found.snapshot(date), order), json=json)


def _order(to: Path, *, zipped: bool, filters: dict[str, Any]) -> ExportOrder:
    from harvester import __version__
    from harvester.audit import ExportOrder
    from harvester.site import write_pages
    from harvester.text import render_moment

    return ExportOrder(
        to=to.with_name(f"{to.name}.zip") if zipped and to.suffix != ".zip" else to,
        at=render_moment(datetime.now(UTC)),
        version=__version__,
        zipped=zipped,
        filters=filters,
        pages=write_pages,
    )


def _write(session: Session, archive: Archive, snapshot: Snapshot, order: ExportOrder) -> Exported:
    from harvester.audit import export_snapshot as write
    from harvester.cli.output.bar import byte_bar

    total = snapshot.record().payload_bytes
    done = 0
    with byte_bar(session, "exporting", wanted=not session.json) as show:

        def on_progress(count: int) -> None:
            nonlocal done
            done += count
            show(done, total)

        return write(archive, snapshot, replace(order, on_progress=on_progress))


def _tell(session: Session, exported: Exported, *, json: bool) -> None:
    from harvester.text import render_size

    if json:
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
        "  README.txt in it tells how to check it",
    )
