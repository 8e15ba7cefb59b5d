"""Options that several commands have, each defined once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from harvester.cli.console import Session

FLAGS: Final = {
    "archive.dir": "--archive",
    "archive.lock_wait": "--lock-wait",
    "filters.projects": "--project",
    "filters.exclude_projects": "--exclude-project",
    "filters.names": "--name",
    "filters.tags": "--tag",
    "filters.created_after": "--created-after",
    "filters.created_before": "--created-before",
    "run.max_duration": "--max-duration",
    "pace.workers": "--workers",
    "pace.rate_per_min": "--rate",
}
"""The option that sets a setting, for messages."""

Archive = Annotated[
    Path | None, typer.Option("--archive", metavar="DIR", help="The archive; default: archive.dir.")
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
    list[str] | None, typer.Option("--name", metavar="GLOB", help="Only backtests of this name.")
]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="Only backtests with this tag.")]
CreatedAfter = Annotated[
    str | None, typer.Option("--created-after", metavar="DATE", help="Only backtests created then or later.")
]
CreatedBefore = Annotated[
    str | None, typer.Option("--created-before", metavar="DATE", help="Only backtests created earlier.")
]
Open = Annotated[bool, typer.Option("--open", help="Open the Snapshot's index in a browser.")]
Workers = Annotated[int | None, typer.Option("--workers", metavar="N", help="Requests in flight at once.")]
Rate = Annotated[
    str | None, typer.Option("--rate", metavar="N/min", help="Requests a minute, never exceeded.")
]
