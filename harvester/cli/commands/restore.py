"""`harvester restore`: a date from the bucket, or the whole archive, as it was."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from harvester.app import connect_bucket
from harvester.archive import Archive, Disk
from harvester.bucket import BucketReader, Restore, Restored
from harvester.cli.options import with_options
from harvester.cli.output.bar import byte_bar
from harvester.cli.output.emit import emit_json
from harvester.cli.session import Session
from harvester.errors import ConfigError
from harvester.text import render_moment, render_size


@with_options("account", "json")
def restore(
    context: typer.Context,
    date: Annotated[
        str, typer.Argument(metavar="DATE", help="A Snapshot, or latest; left out with --all.")
    ] = "",
    to: Annotated[Path, typer.Option(metavar="DIR", help="A new or empty directory.")] = Path(),
    source: Annotated[
        str, typer.Option("--from", metavar="URL", help="Where the archive is; default: bucket.url.")
    ] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="The whole archive: every date, the ledger, hard links.")
    ] = False,
) -> None:
    """Get one date back as a valid bag, or with --all the whole archive, which the next run continues.

    Neither an archive nor credentials of QuantConnect are needed, only keys to the bucket. Every object is
    checked on the way. DIR appears when everything is there; give the command again after an interruption.

    \b
    Examples:
      harvester restore latest --from s3://backups/quantconnect --to /tmp/latest
      harvester restore --all --from s3://backups/quantconnect --to /srv/qc

    \b
    Exit codes:
      0 ok
      1 the bucket cannot be reached, or has no such date
      2 usage
      16 disk
      20 an object is not what was committed, and nothing was restored
    """
    session = Session.of(context)
    if bool(date) == everything:
        raise ConfigError("DATE: name one date, or use --all for the whole archive")
    if to == Path():
        raise ConfigError("--to: name the directory to restore to")
    loaded = session.load_for_bucket(source)
    connection = connect_bucket(loaded, session.invocation.environ, url=source)
    reader = BucketReader.open(connection.store)
    for fault in reader.chain.faults:
        session.log.warning(f"entry {fault.n} of the ledger {fault.text}; see `harvester verify --bucket`")
    restored = _restore(session, reader, date, to, at_once=loaded.settings.bucket.at_once)
    if everything:
        _forget_missing(session, restored)
    _print(session, restored)


def _restore(session: Session, reader: BucketReader, date: str, to: Path, *, at_once: int) -> Restored:
    with byte_bar("restoring", wanted=session.wants_bar) as show:
        work = Restore(reader, Disk(), observer=_Counter(show), at_once=at_once)
        return work.restore(date, to) if date else work.restore_all(to)


class _Counter:
    """Passes the bytes that were fetched to a progress bar; how many there will be is not known."""

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
    """Record in the Ledger which dates `prune --bucket` removed, so that `verify` does not miss them."""
    if not restored.missing:
        return
    archive = Archive.open(restored.path)
    with archive.lock(command="restore", wait_s=0):
        for name in restored.missing:
            archive.prune(name, at=render_moment(datetime.now(UTC)))
            session.log.warning(
                f"{name} is no longer in the bucket; the restored ledger says that it was pruned"
            )


def _print(session: Session, restored: Restored) -> None:
    if session.json:
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
