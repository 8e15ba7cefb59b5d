"""Options that several commands have: one table, and the decorator that adds them to a command."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Final

import typer

from harvester.cli.invocation import Invocation


def _remember_json(context: typer.Context, wanted: bool) -> bool:
    context.ensure_object(Invocation).json = wanted
    return wanted


@dataclass(frozen=True)
class Shared:
    """An option that several commands have."""

    help: str
    metavar: str | None = None
    kind: Any = str
    setting: str = ""
    """The setting that it overrides, `table.key`."""
    flag: str | None = None
    """Its name, unless that is the parameter's with dashes."""
    callback: Callable[..., Any] | None = None

    def parameter(self, name: str) -> inspect.Parameter:
        """Return the parameter of a command's function, as typer reads it."""
        is_switch = self.kind is bool and not self.setting
        flag = self.flag or (f"--{name}" if is_switch else None)  # named, it gets no --no-... twin
        default: Any = typer.Option(
            False if is_switch else None,
            *([flag] if flag else []),
            metavar=self.metavar,
            help=self.help,
            callback=self.callback,
        )
        kind = self.kind if is_switch else self.kind | None
        return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)


SHARED: Final = {
    "project": Shared("Only these projects; may be repeated.", "ID|GLOB", list[str], "filters.projects"),
    "exclude_project": Shared(
        "Not these projects; may be repeated.", "ID|GLOB", list[str], "filters.exclude_projects"
    ),
    "name": Shared(
        "Only backtests with a matching name; may be repeated.", "GLOB", list[str], "filters.names"
    ),
    "tag": Shared(
        "Only backtests with this tag; repeated: with any of them.", "TAG", list[str], "filters.tags"
    ),
    "organization": Shared(
        "Only projects of this organization; may be repeated.", "ID", list[str], "filters.organizations"
    ),
    "created_after": Shared("Only backtests created then or later.", "DATE", setting="filters.created_after"),
    "created_before": Shared("Only backtests created earlier.", "DATE", setting="filters.created_before"),
    "optimizations": Shared(
        "With or without backtests of an optimization.", None, bool, "filters.optimizations"
    ),
    "recycle_bin": Shared("With or without projects in the recycle bin.", None, bool, "filters.recycle_bin"),
    "max_duration": Shared("Commit after this long, whatever is left.", "2h", setting="run.max_duration"),
    "workers": Shared("Requests in flight at once.", "N", int, "pace.workers"),
    "rate": Shared("Requests a minute, never exceeded.", "N/min", setting="pace.rate_per_min"),
    "lock_wait": Shared("Wait this long for another run to end.", "10m", setting="archive.lock_wait"),
    "archive": Shared("The archive; default: archive.dir.", "DIR", Path, "archive.dir"),
    "account": Shared("One of [accounts] in the configuration.", "NAME"),
    "open_index": Shared("Open the Snapshot's index in a browser.", kind=bool, flag="--open"),
    "json": Shared("Print one JSON document on stdout.", kind=bool, callback=_remember_json),
}
"""By the parameter's name in `context.params`."""

FILTERS: Final = tuple(name for name, option in SHARED.items() if option.setting.startswith("filters."))
FLAGS: Final = {
    option.setting: f"--{name.replace('_', '-')}" for name, option in SHARED.items() if option.setting
}
"""The flag that overrides a setting, for messages."""


def with_options(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add shared options to a command, after its own ones.

    The function does not get them as arguments: it reads them through `Session.of(context)`.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True)

        @wraps(command)
        def call(**given: Any) -> None:
            command(**{name: value for name, value in given.items() if name in own.parameters})

        added = [SHARED[name].parameter(name) for name in names]
        kept = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own.parameters.values()]
        call.__signature__ = own.replace(parameters=[*kept, *added])  # type: ignore[attr-defined]
        return call

    return decorate


def given_settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that a command's options override; options that were not given are left out."""
    found = {option.setting: options.get(name) for name, option in SHARED.items() if option.setting}
    return {
        setting: str(value) if isinstance(value, Path) else value
        for setting, value in found.items()
        if value not in (None, [], (), "")
    }


def given_filters(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the filters among a command's options by the key in `[filters]`."""
    settings = given_settings({name: options.get(name) for name in FILTERS})
    return {setting.removeprefix("filters."): value for setting, value in settings.items()}
