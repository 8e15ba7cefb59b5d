"""Options that several commands have, each defined once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from harvester.cli.console import Session

FLAGS: Final = {
    "archive.dir": "--archive",
    "archive.lock_wait": "--lock-wait",
    "filters.projects": "--project",
    "filters.exclude_projects": "--exclude-project",
    "filters.names": "--name",
    "filters.tags": "--tag",
    "filters.organizations": "--organization",
    "filters.created_after": "--created-after",
    "filters.created_before": "--created-before",
    "filters.optimizations": "--optimizations",
    "filters.recycle_bin": "--recycle-bin",
    "run.max_duration": "--max-duration",
    "pace.workers": "--workers",
    "pace.rate_per_min": "--rate",
}
"""The option that sets a setting, for messages."""

_FILTERS: Final = {
    "project": "projects",
    "exclude_project": "exclude_projects",
    "name": "names",
    "tag": "tags",
    "organization": "organizations",
    "created_after": "created_after",
    "created_before": "created_before",
    "optimizations": "optimizations",
    "recycle_bin": "recycle_bin",
}
"""The setting below `filters` that each parameter of a command stands for."""


def filters(context: typer.Context) -> dict[str, Any]:
    """What the filters among a command's options say, by setting; those that were not given are left out."""
    given = {key: context.params.get(parameter) for parameter, key in _FILTERS.items()}
    return {key: value for key, value in given.items() if value not in (None, [], (), "")}


def overriding(filters: Mapping[str, Any]) -> dict[str, Any]:
    """The same as `Session.load` takes it."""
    return {f"filters__{key}": value for key, value in filters.items()}


def only(filters: Mapping[str, Any]) -> dict[str, Any]:
    """The same without what the configuration filters: that says what a run reads, not what there is."""
    from harvester.config import FilterSettings

    wide = FilterSettings(recycle_bin=True)
    return overriding({key: filters.get(key, getattr(wide, key)) for key in wide.__struct_fields__})


Archive = Annotated[
    Path | None, typer.Option("--archive", metavar="DIR", help="The archive; default: archive.dir.")
]


InBucket = Annotated[
    bool, typer.Option("--bucket", help="Check the copy in the bucket, not the archive on disk.")
]
FromUrl = Annotated[
    str, typer.Option("--from", metavar="URL", help="Where the archive is; default: bucket.url.")
]
Account = Annotated[
    str | None, typer.Option("--account", metavar="NAME", help="One of [accounts] in the configuration.")
]


def _remember_json(context: typer.Context, wanted: bool) -> bool:
    context.ensure_object(Session).json = wanted
    return wanted


Json = Annotated[bool, typer.Option("--json", callback=_remember_json, help="One JSON document on stdout.")]
Projects = Annotated[
    list[str] | None,
    typer.Option("--project", metavar="ID|GLOB", help="Only these projects; may be repeated."),
]
ExcludeProjects = Annotated[
    list[str] | None,
    typer.Option("--exclude-project", metavar="ID|GLOB", help="Not these projects; may be repeated."),
]
Names = Annotated[
    list[str] | None,
    typer.Option("--name", metavar="GLOB", help="Only backtests whose name fits; may be repeated."),
]
Tags = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="TAG", help="Only backtests with this tag; repeated: any of them will do."),
]
CreatedAfter = Annotated[
    str | None, typer.Option("--created-after", metavar="DATE", help="Only backtests created then or later.")
]
CreatedBefore = Annotated[
    str | None, typer.Option("--created-before", metavar="DATE", help="Only backtests created earlier.")
]
Organizations = Annotated[
    list[str] | None,
    typer.Option("--organization", metavar="ID", help="Only projects of this organization; may be repeated."),
]
Optimizations = Annotated[
    bool | None,
    typer.Option("--optimizations/--no-optimizations", help="With or without backtests of an optimization."),
]
RecycleBin = Annotated[
    bool | None,
    typer.Option("--recycle-bin/--no-recycle-bin", help="With or without projects in the recycle bin."),
]
Open = Annotated[bool, typer.Option("--open", help="Open the Snapshot's index in a browser.")]
Workers = Annotated[int | None, typer.Option("--workers", metavar="N", help="Requests in flight at once.")]
Rate = Annotated[
    str | None, typer.Option("--rate", metavar="N/min", help="Requests a minute, never exceeded.")
]
LockWait = Annotated[
    str | None, typer.Option("--lock-wait", metavar="10m", help="Wait for another run to end.")
]
AllAccounts = Annotated[bool, typer.Option("--all-accounts", help="Every one of [accounts], side by side.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="List and plan; ask for no report.")]
Refresh = Annotated[
    float | None,
    typer.Option(
        "--refresh", metavar="[=DAYS]", min=0, help="Read again what was read DAYS ago or longer; bare: all."
    ),
]
AcceptGone = Annotated[
    bool,
    typer.Option(
        "--accept-gone", help="Mark what is no longer listed as gone, even more than half of the archive."
    ),
]
MaxDuration = Annotated[
    str | None, typer.Option("--max-duration", metavar="2h", help="Commit after this long, whatever is left.")
]
Snapshot = Annotated[str, typer.Argument(metavar="DATE", help="A Snapshot, or latest.")]
Outcomes = Annotated[
    list[str] | None,
    typer.Option("--outcome", metavar="OUTCOME", help="Only these outcomes, or gone; may be repeated."),
]
KeepWithin = Annotated[
    str | None, typer.Option("--keep-within", metavar="30d", help="Keep everything that is not older.")
]
DropSuperseded = Annotated[
    bool,
    typer.Option("--drop-superseded", help="An earlier version of a report may go when a later one is kept."),
]
Forget = Annotated[
    list[str] | None,
    typer.Option(
        "--forget", metavar="DATE", help="Strike off a Snapshot that is missing for good; may be repeated."
    ),
]
