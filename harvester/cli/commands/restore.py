"""`harvester restore`: a date from the bucket, or the whole archive, as it was."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harvester.cli import options
from harvester.cli.console import Session, emit_json

if TYPE_CHECKING:
    from harvester.bucket import BucketReader, Restored


def restore(
    context: typer.Context,
    date: Annotated[
        str, typer.Argument(metavar="DATE", help="A Snapshot, or latest; left out with --all.")
    ] = "",
    to: Annotated[Path, typer.Option(metavar="DIR", help="A new or empty directory.")] = Path(),
    source: options.FromUrl = "",
    everything: Annotated[
        bool, typer.Option("--all", help="The whole archive: every date, the ledger, hard links.")
    ] = False,
    account: options.Account = None,
    json: options.Json = False,
) -> None:
    """Get one date back as a valid bag, or with --all the whole archive, in which runs go on.

    Neither an archive nor credentials of QuantConnect are needed, only keys to the bucket. Every object is
    checked on the way. DIR appears when everything is there; interrupted, the same command goes on.

    \b
    Examples:
      harvester restore latest --from s3://backups/quantconnect --to /tmp/latest
      harvester restore --all --from s3://backups/quantconnect --to /srv/quantconnect

    \b
    Exit codes:
      0 ok   1 the bucket cannot be reached, or has no such date   2 usage   16 disk
      20 an object is not what was committed, and nothing was restored
    """
    from harvester.app import connect_bucket
    from harvester.errors import ConfigError

    session: Session = context.obj
    if bool(date) == everything:
        raise ConfigError("DATE: name one date, or use --all for the whole archive")
    if to == Path():
        raise ConfigError("--to: name the directory to restore to")
    loaded = session.load_for_bucket(account, source)
    connection = connect_bucket(session, loaded, url=source)
    from harvester.bucket import BucketReader

    reader = BucketReader.open(connection.store)
    for fault in reader.chain.faults:
        text = f"entry {fault.n} of the ledger {fault.text}; see `harvester verify --bucket`"
        session.log.warning(text)
    restored = _restore(session, reader, date, to, at_once=loaded.settings.bucket.at_once)
    if everything:
        _forget_missing(session, restored)
    _tell(session, restored, json=json)


def _restore(session: Session, reader: BucketReader, date: str, to: Path, *, at_once: int) -> Restored:
    from harvester.archive import Disk
    from harvester.bucket import Restore
    from harvester.cli.output.bar import byte_bar

    with byte_bar(session, "restoring", wanted=not session.json) as show:
        work = Restore(reader, Disk(), observer=_Shown(show), at_once=at_once)
        return work.restore(date, to) if date else work.restore_all(to)


class _Shown:
    """Tells a bar how many bytes were fetched; how many there will be is not known before."""

    def __init__(self, show: Any) -> None:
        self._show = show
        self._done = 0

    def restoring(self, snapshot: str, reports: int) -> None:
        """A Snapshot is about to be restored."""

    def restored(self, path: str, size_bytes: int) -> None:
        """A report is on disk."""
        self._done += size_bytes
        self._show(self._done, None)


def _forget_missing(session: Session, restored: Restored) -> None:
    """Note in the Ledger that `prune --bucket` has removed dates, so that nobody looks for them."""
    from datetime import UTC, datetime

    from harvester.archive import Archive
    from harvester.text import render_moment

    if not restored.missing:
        return
    archive = Archive.open(restored.path)
    with archive.lock(command="restore", wait_s=0):
        for name in restored.missing:
            archive.prune(name, at=render_moment(datetime.now(UTC)))
            text = f"{name} is not in the bucket any more; the restored ledger calls it pruned"
            session.log.warning(text)


def _tell(session: Session, restored: Restored, *, json: bool) -> None:
    from harvester.text import render_size

    if json:
        emit_json(
            {
                "path": str(restored.path),
                "snapshots": list(restored.snapshots),
                "reports": restored.reports,
                "fetched_bytes": restored.fetched_bytes,
                "missing": list(restored.missing),
            }
        )
        return
    session.say(
        f"restored {', '.join(restored.snapshots)}: {restored.reports} reports, "
        f"{render_size(restored.fetched_bytes)} fetched",
        f"  {restored.path}",
    )
