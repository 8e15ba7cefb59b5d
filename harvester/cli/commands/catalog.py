"""`harvester catalog rebuild`: rebuild the index over all Snapshots."""

from __future__ import annotations

from pathlib import Path

import typer

from harvester.archive import Archive
from harvester.audit import rebuild_catalog
from harvester.cli.options import with_options
from harvester.cli.output.emit import emit_json
from harvester.cli.session import Session
from harvester.format import CATALOG


@with_options("archive", "account", "lock_wait", "json")
def catalog_rebuild(context: typer.Context) -> None:
    """Rebuild `catalog.sqlite` from the Snapshots. Nothing can be lost: it holds nothing of its own.

    \b
    Exit codes:
      0 ok
      1 there is no archive
      2 usage
      11 a run is under way
      16 disk
      20 a Snapshot is damaged
    """
    session = Session.of(context)
    settings = session.load().settings.archive
    archive = Archive.open(Path(settings.dir))
    path = archive.root / CATALOG
    with archive.lock(command="catalog rebuild", wait_s=float(settings.lock_wait)):
        notes = rebuild_catalog(archive)
        snapshots, size_bytes = len(archive.snapshots()), path.stat().st_size
    for note in notes:
        session.log.warning(note)
    if session.json:
        emit_json({"catalog": str(path), "snapshots": snapshots, "bytes": size_bytes})
    else:
        session.say(f"{path}: {snapshots} Snapshots, {size_bytes} bytes")
