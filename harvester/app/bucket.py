"""The Bucket as runs and commands use it. Importing this without the extra `bucket` raises a ConfigError."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harvester.app.log import Log
from harvester.archive import Archive
from harvester.audit import Fetch
from harvester.config import Loaded, Settings
from harvester.errors import BucketError, ConfigError
from harvester.text import render_size

try:
    from harvester.bucket import (
        BucketReader,
        BucketSpec,
        Connection,
        LeaseTimes,
        Push,
        Pushed,
        PushPlan,
        PushSettings,
        Surroundings,
        connect,
        plan_push,
    )
except ModuleNotFoundError as exc:
    raise ConfigError(
        "the bucket needs the package obstore; run: pip install 'quantconnect-harvester[bucket]'"
    ) from exc

OnBytes = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""


def connect_bucket(loaded: Loaded, environ: Mapping[str, str], *, url: str = "") -> Connection:
    """Return the Bucket of the settings in force, to be read; no request is made.

    Args:
        loaded: The settings, and the name of their account.
        environ: May hold the keys.
        url: Instead of `bucket.url`: where one archive is.

    Raises:
        ConfigError: there is none, or its address is wrong.
    """
    return _connect(loaded.settings, "" if url else loaded.account, environ, url=url, to_push=False)


def _connect(
    settings: Settings, account: str, environ: Mapping[str, str], *, url: str, to_push: bool
) -> Connection:
    """Connect; to push, objects are locked from now on for as long as `bucket.retention` says."""
    given = settings.bucket
    if not (url or given.url):
        raise ConfigError("bucket.url is not set: write s3://BUCKET/PATH there; see `harvester help bucket`")
    spec = BucketSpec(url or given.url, given.region, given.endpoint, given.retention, account)
    now = datetime.now(UTC) if to_push else None
    return connect(spec, environ=environ, home=Path.home(), now=now)


def bucket_files(loaded: Loaded, environ: Mapping[str, str], log: Log) -> Fetch:
    """Return a function that gets files from the Bucket, for a repair of the Archive on disk."""

    def fetch(snapshot: str, paths: set[str]) -> Iterator[bytes]:
        try:
            connection = connect_bucket(loaded, environ)
            yield from BucketReader.open(connection.store).files(snapshot, paths)
        except (BucketError, ConfigError) as exc:
            log.warning("nothing is taken from the bucket", why=str(exc))

    return fetch


@dataclass(frozen=True)
class PushJob:
    """One push as it was asked for."""

    settings: Settings
    account: str
    """Name of the account; empty if only one is configured."""
    archive: Archive
    environ: Mapping[str, str]
    wait_s: float = 0.0
    """How long to wait while another push holds the Bucket."""

    @property
    def url(self) -> str:
        """Where the Bucket is."""
        return self._connect().address.url

    def plan(self) -> PushPlan:
        """Return what would be sent.

        Raises:
            BucketError: the Bucket cannot be read, or is not this archive's.
        """
        connection = self._connect()
        return plan_push(connection.store, self.archive, connection.retention, now=datetime.now(UTC))

    def run(self, on_bytes: OnBytes) -> Pushed:
        """Send what is new.

        Raises:
            BucketError: the Bucket could not be brought up to date; what was sent is kept.
            ArchiveError: something in the Archive is not what was committed.
        """
        connection = self._connect()
        around = Surroundings(observer=_Counter(on_bytes), s3=connection.s3)
        return Push(connection.store, self.archive, self._push_settings(connection), around).run()

    def push(self) -> Push:
        """Return the `Push` of this job, for a repair, which writes zips again.

        Raises:
            ConfigError: the settings name no Bucket.
        """
        connection = self._connect()
        return Push(
            connection.store, self.archive, self._push_settings(connection), Surroundings(s3=connection.s3)
        )

    def _connect(self) -> Connection:
        return _connect(self.settings, self.account, self.environ, url="", to_push=True)

    def _push_settings(self, connection: Connection) -> PushSettings:
        given = self.settings.bucket
        times = LeaseTimes(float(given.lease), float(given.beat), self.wait_s)
        return PushSettings(given.at_once, times, connection.retention)


class _Counter:
    """Counts the bytes of reports that are in the Bucket; called by several threads."""

    def __init__(self, show: OnBytes) -> None:
        self._show = show
        self._lock = threading.Lock()
        self._done = 0
        self._total = 0

    def planned(self, snapshot: str, objects: int, total_bytes: int) -> None:
        """A Snapshot is about to be sent."""
        with self._lock:
            self._total += total_bytes
            self._show(self._done, self._total)

    def sent(self, key: str, size_bytes: int) -> None:
        """An object is there."""
        with self._lock:
            self._done += size_bytes
            self._show(min(self._done, self._total), self._total)

    def committed(self, snapshot: str) -> None:
        """A Snapshot can be seen."""


def pushed_line(pushed: Pushed, url: str) -> str:
    """Return what a push has done as a line of text."""
    if not pushed.is_news:
        return f"the bucket is up to date: {url}"
    dates = ", ".join(pushed.snapshots) or "no new date"
    size = render_size(pushed.sent_bytes)
    return f"pushed {dates} to {url}: {pushed.objects} objects, {size}, {pushed.requests.put} PUT requests"


def pushed_document(pushed: Pushed) -> dict[str, Any]:
    """Return what a push has done as JSON."""
    requests = pushed.requests
    return {
        "snapshots": list(pushed.snapshots),
        "entries": pushed.entries,
        "objects": pushed.objects,
        "bytes": pushed.sent_bytes,
        "requests": {"put": requests.put, "get": requests.get, "list": requests.list},
    }
