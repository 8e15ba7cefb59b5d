"""`harvester diff`: what lies between two Snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from harvester.cli import options
from harvester.cli.console import Session, emit_json

if TYPE_CHECKING:
    from harvester.audit import Diff
    from harvester.model import InventoryEntry


def diff(
    context: typer.Context,
    earlier: Annotated[str, typer.Argument(metavar="A", help="A Snapshot.")],
    later: Annotated[
        str, typer.Argument(metavar="B", show_default=False, help="Another one; default: latest.")
    ] = "latest",
    archive: options.Archive = None,
    account: options.Account = None,
    json: options.Json = False,
) -> None:
    """Tell which reports are new, changed, renamed or gone, and which statistics have moved.

    \b
    Examples:
      harvester diff 2026-11-21                  since then
      harvester diff 2026-10-31 2026-11-30 --json

    \b
    Exit codes:
      0 ok, whether anything differs or not · 1 no such Snapshot · 2 usage · 20 an inventory is damaged
    """
    from harvester.audit import compare_snapshots as compare

    session: Session = context.obj
    settings = session.load(account, archive__dir=str(archive) if archive else None).settings
    found = session.read_archive(settings)
    sides = found.snapshot(earlier), found.snapshot(later)
    between = compare(*sides)
    if json:
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
    for item in between.moved:
        lines.append(f"moved     {_label(item.entry)}")
        lines += [
            f"            {name:<28} {_number(before):>14} -> {_number(after)}"
            for name, (before, after) in item.statistics.items()
        ]
    lost = f"{len(between.lost)} lost, " if between.lost else ""
    return [
        *lines,
        f"{len(between.new)} new, {len(between.changed)} changed, {len(between.renamed)} renamed, "
        f"{len(between.gone)} gone, {lost}{len(between.moved)} moved, {between.same} the same",
    ]


def _label(entry: InventoryEntry) -> str:
    return f"{entry.project} / {entry.name} [{entry.backtest_id}]"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _document(between: Diff) -> dict[str, Any]:
    import msgspec

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
            for item in between.moved
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
