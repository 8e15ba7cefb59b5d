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
    lock_wait: options.LockWait = None,
    json: options.Json = False,
) -> None:
    """Make `catalog.sqlite` again from the Snapshots; it is derived, so nothing can be lost.

    \b
    Exit codes:
      0 ok · 1 there is no archive · 2 usage · 11 a run is under way · 16 disk · 20 a Snapshot is damaged
    """
    from harvester.archive import Archive
    from harvester.audit import rebuild_catalog
    from harvester.format import CATALOG

    session: Session = context.obj
    settings = session.load(
        account, archive__dir=str(archive) if archive else None, archive__lock_wait=lock_wait
    ).settings
    found = Archive.open(Path(settings.archive.dir))
    path = found.root / CATALOG
    with found.lock(command="catalog rebuild", wait_s=float(settings.archive.lock_wait)):
        notes = rebuild_catalog(found)
        snapshots, size_bytes = len(found.snapshots()), path.stat().st_size
    for note in notes:
        session.log.warning(note)
    if json:
        emit_json({"catalog": str(path), "snapshots": snapshots, "bytes": size_bytes})
    else:
        session.say(f"{path}: {snapshots} Snapshots, {size_bytes} bytes")
