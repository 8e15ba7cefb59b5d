"""`harvester list`: the backtests of a Snapshot."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import typer

from harvester.app import printable
from harvester.cli.options import FILTERS, with_options
from harvester.cli.output.emit import emit_json
from harvester.cli.output.table import render_table
from harvester.cli.session import Session
from harvester.config import Selection
from harvester.errors import ConfigError
from harvester.model import InventoryEntry, Outcome

_ALIASES = {
    "sharpe": "sharpeRatio",
    "cagr": "compoundingAnnualReturn",
    "profit": "netProfit",
    "sortino": "sortinoRatio",
}
_FIELDS = ("name", "project", "created", "outcome", "read_at", "saved_in", "payload_bytes", "images")

_FORMULA_SIGNS = frozenset("=+-@\t\r\uff1d\uff0b\uff0d\uff20")
"""Characters that start a formula; some spreadsheets accept the full-width forms too."""


@with_options(*FILTERS, "archive", "account", "json")
def list_backtests(
    context: typer.Context,
    date: Annotated[str, typer.Argument(metavar="DATE", help="A Snapshot, or latest.")] = "latest",
    outcome: Annotated[
        list[str] | None,
        typer.Option(metavar="OUTCOME", help="Only these outcomes, or gone; may be repeated."),
    ] = None,
    sort: Annotated[
        str, typer.Option(metavar="[-]KEY", help="By a statistic or a field; with - descending.")
    ] = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma-separated values on stdout.")] = False,
) -> None:
    """List the backtests of a Snapshot with their Outcomes and statistics.

    \b
    Examples:
      harvester list --sort -sharpe                      the best first
      harvester list --outcome failed --outcome pending  what is missing
      harvester list 2026-11-22 --project 'Mom*' --csv   for a spreadsheet

    \b
    Sort keys: sharpe, cagr, drawdown, profit, psr, sortino, trades and every
    other statistic of the listing; name, project, created, outcome, read_at,
    saved_in, payload_bytes, images.

    \b
    Outcomes: saved, updated, unchanged, carried, skipped, pending, unavailable,
    failed, lost; `harvester help archive` explains them. --json gives reasons.

    \b
    Exit codes:
      0 ok
      1 no such Snapshot
      2 usage
      20 its inventory is damaged
    """
    session = Session.of(context)
    if as_csv and session.json:
        raise ConfigError("--csv and --json cannot be combined")
    settings = session.load(only_given_filters=True).settings
    snapshot = session.archive(settings).snapshot(date)
    selection = Selection(settings.filters)
    chosen = _outcomes(outcome)
    found = [entry for entry in snapshot.inventory() if selection.wants(entry) and chosen(entry)]
    found = _sorted(found, sort)
    if session.json:
        emit_json({"snapshot": snapshot.name, "backtests": [_document(entry) for entry in found]})
    elif as_csv:
        _emit_csv(found)
    else:
        _show(session, found)


def _outcomes(wanted: list[str] | None) -> Callable[[InventoryEntry], bool]:
    known = [outcome.value for outcome in Outcome] + ["gone"]
    unknown = [text for text in wanted or () if text not in known]
    if unknown:
        raise ConfigError(f"--outcome {unknown[0]}: unknown; use one of {', '.join(known)}")
    return lambda entry: not wanted or _state(entry) in wanted


def _state(entry: InventoryEntry) -> str:
    return "gone" if entry.gone_since and not entry.lost_since else entry.outcome.value


def _sorted(entries: list[InventoryEntry], sort: str) -> list[InventoryEntry]:
    """Entries sorted by a key; those without it come last in either direction."""
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
            raise ConfigError(f"--sort {sort}: no backtest has that; use one of {', '.join(known)}")
    having = sorted((pair for pair in found if pair[1] != ""), key=lambda pair: pair[1], reverse=down)
    return [entry for entry, _ in having] + [entry for entry, value in found if value == ""]


def _document(entry: InventoryEntry) -> dict[str, Any]:
    built: dict[str, Any] = msgspec.to_builtins(entry)
    return built | {"state": _state(entry)}


def _emit_csv(entries: list[InventoryEntry]) -> None:
    figures = sorted({name for entry in entries for name in entry.statistics})
    head = ["project_id", "project", "backtest_id", "name", "created", "state", "read_at", "saved_in", "path"]
    writer = csv.writer(sys.stdout)
    writer.writerow([*head, *(_without_formula(printable(name)) for name in figures)])
    for entry in entries:
        document = _document(entry)
        cells = [_without_formula(printable(str(document.get(column, "")))) for column in head]
        writer.writerow([*cells, *(entry.statistics.get(name, "") for name in figures)])


def _without_formula(cell: str) -> str:
    """The cell with a quote before it where a spreadsheet would run it as a formula."""
    return f"'{cell}" if cell[:1] in _FORMULA_SIGNS else cell


def _show(session: Session, entries: list[InventoryEntry]) -> None:
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
