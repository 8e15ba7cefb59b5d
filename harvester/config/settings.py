"""Every setting, its default and its bounds.

The tables and keys are those of the TOML file; `config.example.toml` explains each in a line.
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
    """Access to the API."""

    base_url: str = "https://www.quantconnect.com/api/v2"
    """URL of the API; QuantConnect's own clients allow another one too (a local or beta server)."""
    allow_http: bool = False
    """Allow plain http to another machine, which shows the signature to everyone on the way."""
    connect_timeout: Duration = Duration(20)
    read_timeout: Duration = Duration(60)
    """Longest pause within an answer."""
    total_timeout: Duration = Duration(300)
    """Longest time for a whole answer, so that a trickle of bytes does not last for ever."""
    tries: Count = 4
    """Attempts of one call, for failures that may be over in seconds: network, 5xx, not JSON."""
    max_body_mb: Count = 64
    """Largest answer, in MB; reading stops there. The largest known report has 3 MB."""


class PaceSettings(Table, frozen=True):
    """How fast requests are sent."""

    rate_per_min: Rate = 30.0
    """Never exceeded; QuantConnect publishes no limit, and careful users keep to 30."""
    burst: Count = 1
    """Requests that may start at once after a pause."""
    workers: Count = 4
    """Requests in flight at once."""
    pause: Duration = Duration(5)
    """First hold after "slow down" without a figure, or the time of 8 requests if shorter; then doubled."""
    max_hold: Duration = Duration(3600)
    """If the server asks for a longer hold than this, the run commits what it has and ends."""


class ReportSettings(Table, frozen=True):
    """How reports are requested."""

    max_generating: Count = 100
    """Reports that the server may be generating for this account at once."""
    first_poll: Duration = Duration(10)
    """Wait before a generating report is requested again, until typical times are known."""
    deadline: Duration = Duration(1800)
    """This long after its first request a report ends as `pending` or `failed` in this run."""
    retry_after: Duration = Duration(120)
    """A report is requested again this long after a failed call, then after twice as long, and so on."""
    tries: Count = 3
    """Failed calls for one report in one run after which it is `failed`."""
    retry_unavailable_days: Count = 7
    """An `unavailable` report is requested again after this many days."""
    optimizations: bool = True
    """Read the optimizations of each project with a changed listing: they may name backtests it lacks."""
    include_broken: bool = False
    """Request reports of backtests that ended in a runtime error; as far as is known there are none."""


class FilterSettings(Table, frozen=True):
    """Filters; what was archived before stays in the Archive, whatever is filtered."""

    projects: tuple[str, ...] = ()
    """Project ids, or globs of the project's name; empty: all."""
    exclude_projects: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """Globs of the backtest's name; empty: all."""
    tags: tuple[str, ...] = ()
    """A backtest with any of these tags is wanted; empty: all."""
    organizations: tuple[str, ...] = ()
    """Organization ids; empty: all that the account belongs to."""
    created_after: str = ""
    """A date or time; this one is included."""
    created_before: str = ""
    """A date or time; this one is not included."""
    optimizations: bool = True
    """Include the backtests of optimizations."""
    recycle_bin: bool = False
    """Include projects that were deleted but are still in the recycle bin."""


class ArchiveSettings(Table, frozen=True):
    """Where Snapshots go."""

    dir: str = "archive"
    """One directory for one account; a relative one starts where the command is run."""
    timezone: str = "UTC"
    """Time zone of the dates that name the Snapshots."""
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
    """After this long the run commits what it has and ends; 0: no bound."""


class CredentialSettings(Table, frozen=True):
    """Where the user id and the token come from, if not from the environment."""

    user_id: str = ""
    token_file: str = ""
    """A file that holds only the token; an absolute path works in cron too."""
    token_command: str = ""
    """A command that prints the token: `pass show quantconnect`, `op read ...`."""


class NotifySettings(Table, frozen=True):
    """Who is notified of a run; an address is a secret and is never shown."""

    healthchecks_url: str = ""
    """Receives `/start` before a run and `/EXITCODE` after it, as Healthchecks expects it."""
    webhook_url: str = ""
    """Receives the JSON summary of each run."""
    apprise_urls: tuple[str, ...] = ()
    """Mail, chats and everything else that apprise supports; requires `apprise` to be installed."""
    apprise_when: Literal["trouble", "always"] = "trouble"
    """Whether apprise notifies only of runs that need attention, or of all runs."""


class MetricsSettings(Table, frozen=True):
    """Metrics for a monitoring system."""

    textfile: str = ""
    """A file for node_exporter (Prometheus), replaced after each run; its name should end in .prom."""


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
    """Return `archive.mode` as the number that `chmod` takes."""
    return 0o700 if archive.mode == "private" else int(archive.mode, 8)
