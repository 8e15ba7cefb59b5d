"""Checks of the bucket: it can be reached and written, honours create-only and locks, has the right time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from harvester.app.doctor.check import Check, Status, failure
from harvester.app.exits import ExitCode
from harvester.archive import Archive
from harvester.config import Loaded
from harvester.errors import ArchiveError, ConfigError


def check_bucket(loaded: Loaded, environ: Mapping[str, str]) -> Iterator[Check]:
    """Check the Bucket, if the settings name one. A run goes on without it and ends `unpushed`."""
    if not loaded.settings.bucket.url:
        return
    try:
        # Imported when a bucket is configured: they need the extra `bucket`.
        from harvester.app.bucket import connect_bucket  # noqa: PLC0415
        from harvester.bucket import Asked, probe_store  # noqa: PLC0415

        connection = connect_bucket(loaded, environ)
    except ConfigError as exc:
        yield failure("bucket", exc)
        return
    asked = Asked(_account(loaded), connection.retention, connection.s3)
    for found in probe_store(connection.store, asked):
        code = ExitCode.UNPUSHED if found.status == "error" else ExitCode.OK
        yield Check(found.name, Status(found.status), found.text, found.fix, code)


def _account(loaded: Loaded) -> str:
    """The fingerprint of the Archive on disk; empty when there is none."""
    try:
        return Archive.open(Path(loaded.settings.archive.dir)).account
    except ArchiveError:
        return ""
