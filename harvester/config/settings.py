"""Every setting, its default and its bounds.

The tables and keys are those of the TOML file; `config.example.toml` shows the same with a line why for each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from harvester.text import Duration

Rate = Annotated[float, Meta(gt=0, le=1e9)]
"""Requests per minute; written `30`, `30/min`, `2/s` or `1800/h` as text."""
Count = Annotated[int, Meta(ge=1, le=10_000)]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table of the TOML file."""


class ApiSettings(Table, frozen=True):
    """How the API is reached."""

    base_url: str = "https://www.quantconnect.com/api/v2"
    """Where the API is; QuantConnect's own clients allow another one too (a local or beta server)."""
    allow_http: bool = False
    """Plain http to another host than this machine would show the signature to everyone between."""
    connect_timeout: Duration = Duration(20)
    read_timeout: Duration = Duration(60)
    """Longest silence within an answer."""
    total_timeout: Duration = Duration(300)
    """Longest time for one answer as a whole, so that a drip does not last for ever."""
    tries: Count = 4
    """Within one call, for what may be over in seconds: network, 5xx, not JSON."""
    max_body_mb: Count = 64
    """A larger answer is cut off while it is read; the largest report known has 3 MB."""


class PaceSettings(Table, frozen=True):
    """How fast requests are sent."""

    rate_per_min: Rate = 30.0
    """Never exceeded; QuantConnect publishes no limit, 30 is what careful users keep to."""
    burst: Count = 1
    """Requests that may start at once after a pause."""
    workers: Count = 4
    """Requests in flight at once."""
    pause: Duration = Duration(5)
    """First hold after "slow down" without a figure, or the time of 8 requests if shorter; then doubled."""
    max_hold: Duration = Duration(3600)
    """When the server asks for a longer hold than this, the run commits what it has and ends."""


class ReportSettings(Table, frozen=True):
    """How reports are asked for."""

    max_generating: Count = 100
    """Reports that the server may be rendering for us at once."""
    first_poll: Duration = Duration(10)
    """Wait before a generating report is asked for again, until its own times are known."""
    deadline: Duration = Duration(1800)
    """After this long from its first request a report ends as `pending` or `failed` for this run."""
    retry_after: Duration = Duration(120)
    """A report whose call failed is tried again after this long, then after twice as long, and so on."""
    tries: Count = 3
    """Calls for one report that may fail in one run before it is `failed`."""
    retry_unavailable_days: Count = 7
    """An `unavailable` report is tried again after this many days."""
    optimizations: bool = True
    """Ask each project whose listing changed for its optimizations: they may name backtests that it lacks."""
    include_broken: bool = False
    """Ask for reports of backtests that ended in a runtime error; as far as is known there are none."""


class FilterSettings(Table, frozen=True):
    """What is wanted; what was archived before stays in the Archive whatever is filtered."""

    projects: tuple[str, ...] = ()
    """Ids, or globs of the project's name; empty: all."""
    exclude_projects: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """Globs of the backtest's name; empty: all."""
    tags: tuple[str, ...] = ()
    """A backtest with any of these; empty: all."""
    organizations: tuple[str, ...] = ()
    """Organization ids; empty: all that the account belongs to."""
    created_after: str = ""
    """A date or time; this one is included."""
    created_before: str = ""
    """A date or time; this one is not included."""
    optimizations: bool = True
    """Include the backtests that an optimization has run."""
    recycle_bin: bool = False
    """Include projects that were deleted but not yet purged."""


class ArchiveSettings(Table, frozen=True):
    """Where Snapshots go."""

    dir: str = "archive"
    """One directory for one account; a relative one starts where the command is run."""
    timezone: str = "UTC"
    """Whose calendar names the Snapshots."""
    lock_wait: Duration = Duration(0)
    """How long to wait for another run to end."""
    mode: Literal["private", "0700", "0750", "0755"] = "private"
    """Who else may read a new archive: nobody, or as `chmod` takes it; one that exists keeps its own."""


class BucketSettings(Table, frozen=True):
    """The copy of the Archive in an object store, which each run brings up to date."""

    url: str = ""
    """`s3://BUCKET/PATH`, `gs://...`, `az://...` or `file:///DIR`; empty: there is no copy."""
    region: str = ""
    """Of S3; empty: as the environment or `~/.aws/config` says."""
    endpoint: str = ""
    """Of another S3 than Amazon's, such as `https://minio.example.com:9000`."""
    retention: str = ""
    """For how long nobody may delete what is put (Object Lock): `governance:7y`; empty: not locked."""
    lease: Duration = Duration(900)
    """A push that was silent for this long may be taken over by another one."""
    beat: Duration = Duration(300)
    """How often a push says that it is alive."""
    at_once: Annotated[int, Meta(ge=1, le=64)] = 8
    """Objects sent or fetched at the same time; as many reports are in memory."""


class RunSettings(Table, frozen=True):
    """Bounds of one run."""

    max_duration: Duration = Duration(0)
    """After this long the run commits what it has; 0: no bound."""


class CredentialSettings(Table, frozen=True):
    """Where the user id and the token come from, when not from the environment."""

    user_id: str = ""
    token_file: str = ""
    """A file that holds the token alone; an absolute path serves cron too."""
    token_command: str = ""
    """A command that prints the token: `pass show quantconnect`, `op read ...`."""


class NotifySettings(Table, frozen=True):
    """Who is told of a run; an address is a secret and is never shown."""

    healthchecks_url: str = ""
    """Is sent `/start` before a run and `/EXITCODE` after it, as Healthchecks and its like take it."""
    webhook_url: str = ""
    """Is sent the JSON summary of each run."""
    apprise_urls: tuple[str, ...] = ()
    """Mail, chats and everything else that apprise knows; needs `apprise` to be installed."""
    apprise_when: Literal["trouble", "always"] = "trouble"
    """Whether they hear only of runs that somebody has to look at, or of all."""


class MetricsSettings(Table, frozen=True):
    """What a monitor reads."""

    textfile: str = ""
    """A file for node_exporter (Prometheus), written whole after each run; its name is to end in .prom."""


class Settings(Table, frozen=True):
    """All settings in force."""

    api: ApiSettings = ApiSettings()
    pace: PaceSettings = PaceSettings()
    reports: ReportSettings = ReportSettings()
    filters: FilterSettings = FilterSettings()
    archive: ArchiveSettings = ArchiveSettings()
    bucket: BucketSettings = BucketSettings()
    run: RunSettings = RunSettings()
    credentials: CredentialSettings = CredentialSettings()
    notify: NotifySettings = NotifySettings()
    metrics: MetricsSettings = MetricsSettings()


def all_keys() -> Iterator[tuple[str, msgspec.structs.FieldInfo]]:
    """Yield every setting by `table.key`, in the order of the file."""
    for table in msgspec.structs.fields(Settings):
        for info in msgspec.structs.fields(table.type):
            yield f"{table.name}.{info.name}", info


def mode_of(archive: ArchiveSettings) -> int:
    """`archive.mode` as `chmod` takes it."""
    return 0o700 if archive.mode == "private" else int(archive.mode, 8)
