"""`harvester list`: the backtests of a Snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from harvester.cli import options
from harvester.cli.console import Session, emit_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from harvester.model import InventoryEntry

_ALIASES = {
    "sharpe": "sharpeRatio",
    "cagr": "compoundingAnnualReturn",
    "profit": "netProfit",
    "sortino": "sortinoRatio",
}
_FIELDS = ("name", "project", "created", "outcome", "read_at", "saved_in", "payload_bytes", "images")

_FORMULA_SIGNS = frozenset("=+-@\t\r\uff1d\uff0b\uff0d\uff20")
"""What begins a formula, full-width forms included, which some spreadsheets take for the plain ones."""


def list_backtests(
    context: typer.Context,
    date: options.Snapshot = "latest",
    archive: options.Archive = None,
    account: options.Account = None,
    project: options.Projects = None,
    exclude_project: options.ExcludeProjects = None,
    name: options.Names = None,
    tag: options.Tags = None,
    organization: options.Organizations = None,
    created_after: options.CreatedAfter = None,
    created_before: options.CreatedBefore = None,
    optimizations: options.Optimizations = None,
    recycle_bin: options.RecycleBin = None,
    outcome: options.Outcomes = None,
    sort: Annotated[str, typer.Option(metavar="[-]KEY", help="By a figure or a field; - is downwards.")] = "",
    csv: Annotated[bool, typer.Option("--csv", help="Comma-separated values on stdout.")] = False,
    json: options.Json = False,
) -> None:
    """List the backtests of a Snapshot, with what became of them and their figures.

    \b
    Examples:
      harvester list --sort -sharpe                      the best first
      harvester list --outcome failed --outcome pending  what is missing
      harvester list 2026-11-22 --project 'Mom*' --csv   for a spreadsheet

    \b
    Sort keys: sharpe, cagr, drawdown, profit, psr, sortino, trades and every other figure of the listing;
    name, project, created, outcome, read_at, saved_in, payload_bytes, images.

    \b
    Exit codes:
      0 ok · 1 no such Snapshot · 2 usage · 20 its inventory is damaged
    """
    from harvester.config import Selection
    from harvester.errors import ConfigError

    session: Session = context.obj
    if csv and json:
        raise ConfigError("--csv and --json: one of them at a time")
    loaded = session.load(
        account,
        archive__dir=str(archive) if archive else None,
        **options.only(options.filters(context)),
    )
    snapshot = session.read_archive(loaded.settings).snapshot(date)
    selection = Selection(loaded.settings.filters)
    chosen = _outcomes(outcome)
    found = [entry for entry in snapshot.inventory() if selection.wants(entry) and chosen(entry)]
    found = _sorted(found, sort)
    if json:
        emit_json({"snapshot": snapshot.name, "backtests": [_document(entry) for entry in found]})
    elif csv:
        _emit_csv(found)
    else:
        _show(session, found)


def _outcomes(wanted: list[str] | None) -> Callable[[InventoryEntry], bool]:
    from harvester.errors import ConfigError
    from harvester.model import Outcome

    known = [outcome.value for outcome in Outcome] + ["gone"]
    unknown = [text for text in wanted or () if text not in known]
    if unknown:
        raise ConfigError(f"--outcome {unknown[0]}: known are {', '.join(known)}")
    return lambda entry: not wanted or _state(entry) in wanted


def _state(entry: InventoryEntry) -> str:
    return "gone" if entry.gone_since and not entry.lost_since else entry.outcome.value


def _sorted(entries: list[InventoryEntry], sort: str) -> list[InventoryEntry]:
    """By a key; what does not have it comes last, whichever way it goes."""
    from harvester.errors import ConfigError

    if not sort:
        return entries
    down, key = sort.startswith("-"), sort.removeprefix("-")
    field = _ALIASES.get(key, key)
    if field in _FIELDS:
        found = [(entry, getattr(entry, field)) for entry in entries]
    else:
        found = [(entry, entry.statistics.get(field, "")) for entry in entries]
        if entries and all(value == "" for _, value in found):
            known = sorted({*_ALIASES, *_FIELDS, *(name for entry in entries for name in entry.statistics)})
            raise ConfigError(f"--sort {sort}: no backtest has that; known are {', '.join(known)}")
    having = sorted((pair for pair in found if pair[1] != ""), key=lambda pair: pair[1], reverse=down)
    return [entry for entry, _ in having] + [entry for entry, value in found if value == ""]


def _document(entry: InventoryEntry) -> dict[str, Any]:
    import msgspec

    built: dict[str, Any] = msgspec.to_builtins(entry)
    return built | {"state": _state(entry)}


def _emit_csv(entries: list[InventoryEntry]) -> None:
    import csv
    import sys

    from harvester.cli.output.terminal import printable

    figures = sorted({name for entry in entries for name in entry.statistics})
    head = ["project_id", "project", "backtest_id", "name", "created", "state", "read_at", "saved_in", "path"]
    writer = csv.writer(sys.stdout)
    writer.writerow([*head, *(_inert(printable(name)) for name in figures)])
    for entry in entries:
        document = _document(entry)
        cells = [_inert(printable(str(document.get(column, "")))) for column in head]
        writer.writerow([*cells, *(entry.statistics.get(name, "") for name in figures)])


def _inert(cell: str) -> str:
    """A name that a spreadsheet does not take for a formula."""
    return f"'{cell}" if cell[:1] in _FORMULA_SIGNS else cell


def _show(session: Session, entries: list[InventoryEntry]) -> None:
    from harvester.cli.output.table import render_table
    from harvester.cli.output.terminal import printable

    def figure(entry: InventoryEntry, name: str) -> str:
        value = entry.statistics.get(name)
        return "" if value is None else f"{value:.2f}"

    rows = [
        [
            entry.created[:10],
            _state(entry),
            figure(entry, "sharpeRatio"),
            figure(entry, "compoundingAnnualReturn"),
            figure(entry, "drawdown"),
            entry.backtest_id,
            printable(entry.project),
            printable(entry.name),
        ]
        for entry in entries
    ]
    head = ("created", "state", "sharpe", "cagr", "drawdown", "id", "project", "name")
    session.show(*render_table(head, rows, right="sharpe cagr drawdown"), f"{len(entries)} backtests")
