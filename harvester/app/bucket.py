"""The Bucket as commands and runs use it: connected by the settings in force, and pushed to with a bar."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harvester.cli.console import ExitCode, Session
from harvester.cli.output.bar import byte_bar
from harvester.errors import BucketError, ConfigError, HarvesterError
from harvester.text import render_size

if TYPE_CHECKING:
    from harvester.archive import Archive
    from harvester.audit import Fetch
    from harvester.bucket import Connection, Pushed, PushPlan, PushSettings
    from harvester.config import Loaded, Settings

_EXTRA = (
    "the bucket needs the package obstore, which is not installed: "
    "pip install 'quantconnect-harvester[bucket]'"
)


def connect_bucket(session: Session, loaded: Loaded, *, url: str = "", to_push: bool = False) -> Connection:
    """The Bucket of the settings in force; no request is made.

    Args:
        session: Whose environment has the keys.
        loaded: The settings, and the account that they are of.
        url: Another one than `bucket.url`: the whole place of one archive.
        to_push: Whether objects will be put that are to be locked from now on.

    Raises:
        ConfigError: there is none, it is not one, or the package for it is missing.
    """
    return _connect(session, loaded.settings, "" if url else loaded.account, url=url, to_push=to_push)


def _connect(session: Session, settings: Settings, account: str, *, url: str, to_push: bool) -> Connection:
    given = settings.bucket
    if not (url or given.url):
        raise ConfigError("bucket.url is not set: write s3://BUCKET/PATH there; see `harvester help bucket`")
    try:
        from harvester.bucket import BucketSpec, connect
    except ModuleNotFoundError as exc:
        raise ConfigError(_EXTRA) from exc
    spec = BucketSpec(url or given.url, given.region, given.endpoint, given.retention, account)
    now = datetime.now(UTC) if to_push else None
    return connect(spec, environ=session.environ, home=Path.home(), now=now)


def bucket_files(session: Session, loaded: Loaded) -> Fetch | None:
    """For a repair of the Archive on disk: gets files from the Bucket; None when the settings name none."""
    if not loaded.settings.bucket.url:
        return None

    def fetch(snapshot: str, paths: set[str]) -> Iterator[bytes]:
        try:
            connection = connect_bucket(session, loaded)
            from harvester.bucket import BucketReader

            yield from BucketReader.open(connection.store).files(snapshot, paths)
        except (BucketError, ConfigError) as exc:
            session.log.warning("nothing is taken from the bucket", why=str(exc))

    return fetch


@dataclass(frozen=True)
class PushJob:
    """One push as it was asked for."""

    session: Session
    settings: Settings
    account: str
    archive: Archive
    show_bar: bool = True
    wait_s: float = 0.0
    """For how long to wait while another push holds the Bucket."""

    @property
    def url(self) -> str:
        """Where the Bucket is."""
        return self._connect().address.url

    def plan(self) -> PushPlan:
        """What would be sent.

        Raises:
            BucketError: the Bucket cannot be read, or is not this archive's.
        """
        from harvester.bucket import plan_push

        connection = self._connect()
        return plan_push(connection.store, self.archive, connection.retention, now=datetime.now(UTC))

    def run(self) -> Pushed:
        """Send what is new.

        Raises:
            BucketError: the Bucket could not be brought up to date; what was sent is kept.
            ArchiveError: something in the Archive is not what was committed.
        """
        from harvester.bucket import Push, Surroundings

        connection = self._connect()
        with byte_bar(self.session, "pushing", wanted=self.show_bar) as show:
            around = Surroundings(observer=_Shown(show), s3=connection.s3)
            return Push(connection.store, self.archive, self._push_settings(connection), around).run()

    def push(self) -> Any:
        """The `Push` of this job, for a repair, which writes zips again.

        Raises:
            ConfigError: the settings make no Bucket.
        """
        from harvester.bucket import Push, Surroundings

        connection = self._connect()
        return Push(
            connection.store, self.archive, self._push_settings(connection), Surroundings(s3=connection.s3)
        )

    def _connect(self) -> Connection:
        return _connect(self.session, self.settings, self.account, url="", to_push=True)

    def _push_settings(self, connection: Connection) -> PushSettings:
        from harvester.bucket import LeaseTimes, PushSettings

        given = self.settings.bucket
        times = LeaseTimes(float(given.lease), float(given.beat), self.wait_s)
        return PushSettings(given.at_once, times, connection.retention)


@dataclass(frozen=True)
class AfterRun:
    """What became of the push that follows a run; nothing without a Bucket."""

    code: ExitCode = ExitCode.OK
    document: dict[str, Any] = field(default_factory=dict)
    """For the run's JSON summary."""
    lines: tuple[str, ...] = ()


def push_after_run(session: Session, settings: Settings, archive: Archive) -> AfterRun:
    """Bring the Bucket up to date after a commit; a failure loses nothing, and the next run goes on."""
    if not settings.bucket.url:
        return AfterRun()
    job = PushJob(session, settings, session.account, archive, show_bar=not session.json)
    try:
        pushed = job.run()
    except KeyboardInterrupt:
        return AfterRun(ExitCode.INTERRUPTED, {"bucket": {"errors": ["interrupted"]}})
    except HarvesterError as exc:
        text = f"the Snapshot is committed here, but was not pushed: {exc}; the next run or push goes on"
        session.log.warning(text)
        return AfterRun(ExitCode.UNPUSHED, {"bucket": {"errors": [str(exc)]}})
    return AfterRun(document={"bucket": pushed_document(pushed)}, lines=(pushed_line(pushed, job.url),))


class _Shown:
    """Tells a bar how many bytes of a Snapshot's reports are in the Bucket; called by several threads."""

    def __init__(self, show: Any) -> None:
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
    """What a push has done, for people."""
    if not pushed.is_news:
        return f"the bucket is up to date: {url}"
    dates = ", ".join(pushed.snapshots) or "no new date"
    size = render_size(pushed.sent_bytes)
    return f"pushed {dates} to {url}: {pushed.objects} objects, {size}, {pushed.requests.put} PUT requests"


def pushed_document(pushed: Pushed) -> dict[str, Any]:
    """What a push has done, as JSON."""
    requests = pushed.requests
    return {
        "snapshots": list(pushed.snapshots),
        "entries": pushed.entries,
        "objects": pushed.objects,
        "bytes": pushed.sent_bytes,
        "requests": {"put": requests.put, "get": requests.get, "list": requests.list},
    }
