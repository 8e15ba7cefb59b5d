"""`harvester catalog rebuild`: make the index over all Snapshots again."""

from __future__ import annotations

from pathlib import Path

import typer

from harvester.cli import options
from harvester.cli.console import Session, emit_json


def catalog_rebuild(
    context: typer.Context,
    archive: options.Archive = None,
    account: options.Account = None,
    json: options.Json = False,
) -> None:
    """Make `catalog.sqlite` again from the Snapshots; it is derived, so nothing can be lost.

    \b
    Exit codes:
      0 ok · 1 there is no archive · 2 usage · 16 disk · 20 a Snapshot is damaged
    """
    from harvester.archive import Archive
    from harvester.archive.layout import CATALOG
    from harvester.audit.catalog import rebuild_catalog

    session: Session = context.obj
    settings = session.load(account, archive__dir=str(archive) if archive else None).settings
    found = Archive.read(Path(settings.archive.dir))
    rebuild_catalog(found)
    path = found.root / CATALOG
    if json:
        emit_json({"catalog": str(path), "snapshots": len(found.snapshots()), "bytes": path.stat().st_size})
    else:
        session.say(f"{path}: {len(found.snapshots())} Snapshots, {path.stat().st_size} bytes")
