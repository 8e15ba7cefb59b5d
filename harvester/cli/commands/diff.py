"""`harvester diff`: what changed between two Snapshots."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from harvester.audit import Diff, compare_snapshots
from harvester.cli.options import with_options
from harvester.cli.output.emit import emit_json
from harvester.cli.session import Session
from harvester.model import InventoryEntry


@with_options("archive", "account", "json")
def diff(
    context: typer.Context,
    earlier: Annotated[str, typer.Argument(metavar="A", help="A Snapshot.")],
    later: Annotated[
        str, typer.Argument(metavar="B", show_default=False, help="Another one; default: latest.")
    ] = "latest",
) -> None:
    """Show which reports are new, changed, renamed or gone, and which statistics changed.

    \b
    Examples:
      harvester diff 2026-11-21                  since then
      harvester diff 2026-10-31 2026-11-30 --json

    \b
    Exit codes:
      0 ok, with or without changes
      1 no such Snapshot
      2 usage
      20 an inventory is damaged
    """
    session = Session.of(context)
    archive = session.archive()
    sides = archive.snapshot(earlier), archive.snapshot(later)
    between = compare_snapshots(*sides)
    if session.json:
        emit_json({"earlier": sides[0].name, "later": sides[1].name, **_document(between)})
    else:
        session.show(f"{sides[0].name} .. {sides[1].name}", *_lines(between))


def _lines(between: Diff) -> list[str]:
    lines = [f"new       {_label(entry)}" for entry in between.new]
    lines += [
        f"changed   {_label(item.after)}  ({item.differs or 'record damaged'})" for item in between.changed
    ]
    lines += [f"renamed   {_label(item.before)} -> {_label(item.after)}" for item in between.renamed]
    lines += [f"gone      {_label(entry)}" for entry in between.gone]
    lines += [f"lost      {_label(entry)}  ({entry.reason})" for entry in between.lost]
    for item in between.statistics_changed:
        lines.append(f"stats     {_label(item.entry)}")
        lines += [
            f"            {name:<28} {_number(before):>14} -> {_number(after)}"
            for name, (before, after) in item.statistics.items()
        ]
    lost = f"{len(between.lost)} lost, " if between.lost else ""
    return [
        *lines,
        f"{len(between.new)} new, {len(between.changed)} changed, {len(between.renamed)} renamed, "
        f"{len(between.gone)} gone, {lost}{len(between.statistics_changed)} with changed statistics, "
        f"{between.same} unchanged",
    ]


def _label(entry: InventoryEntry) -> str:
    return f"{entry.project} / {entry.name} [{entry.backtest_id}]"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _document(between: Diff) -> dict[str, Any]:
    return {
        "new": [_brief(entry) for entry in between.new],
        "changed": [{**_brief(item.after), "differs": item.differs} for item in between.changed],
        "renamed": [
            {**_brief(item.after), "before": {"project": item.before.project, "name": item.before.name}}
            for item in between.renamed
        ],
        "gone": [_brief(entry) for entry in between.gone],
        "lost": [_brief(entry) for entry in between.lost],
        "moved": [
            {**_brief(item.entry), "statistics": msgspec.to_builtins(item.statistics)}
            for item in between.statistics_changed
        ],
        "same": between.same,
    }


def _brief(entry: InventoryEntry) -> dict[str, Any]:
    return {
        "project_id": entry.project_id,
        "project": entry.project,
        "backtest_id": entry.backtest_id,
        "name": entry.name,
        "path": entry.path,
    }
