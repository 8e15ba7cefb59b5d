"""What `doctor` asks of the bucket: reached, writable, create-only honoured, locks, clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harvester.app.bucket import connect_bucket
from harvester.app.doctor.machine import Check, Status, failure
from harvester.cli.console import ExitCode, Session
from harvester.errors import ArchiveError, ConfigError

if TYPE_CHECKING:
    from harvester.config import Loaded


def check_bucket(session: Session, loaded: Loaded) -> Iterator[Check]:
    """The Bucket, if the settings name one; a run goes on without it and ends `unpushed`."""
    if not loaded.settings.bucket.url:
        return
    try:
        connection = connect_bucket(session, loaded)
    except ConfigError as exc:
        yield failure("bucket", exc)
        return
    from harvester.bucket import Asked, probe_store

    asked = Asked(_account(loaded), connection.retention, connection.s3)
    for found in probe_store(connection.store, asked):
        code = ExitCode.UNPUSHED if found.status == "error" else ExitCode.OK
        yield Check(found.name, Status(found.status), found.text, found.fix, code)


def _account(loaded: Loaded) -> str:
    """The fingerprint of the Archive on disk; empty when there is none."""
    from harvester.archive import Archive

    try:
        return Archive.open(Path(loaded.settings.archive.dir)).account
    except ArchiveError:
        return ""
