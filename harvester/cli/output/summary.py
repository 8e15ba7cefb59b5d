"""The summary of a run and of a dry run, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from harvester.app import AccountEnd
from harvester.harvest import Preview, RunResult
from harvester.model import SnapshotRecord, UnreadOptimization
from harvester.text import render_duration, render_size

_EXAMPLES: Final = 3
"""Rows without a usable id in a summary."""


def summary_lines(result: RunResult, *, took_s: float) -> list[str]:
    """Return the summary of a run as lines of text."""
    record = result.record
    if record is None:
        return [f"interrupted; what was read is kept in {result.path}, and the next run resumes there"]
    state = "complete" if record.complete else f"INCOMPLETE ({record.ending.value})"
    lines = [f"Snapshot {record.name}: {state}", f"  listed      {_proof(record)}"]
    if record.gone:
        lines.append(f"  gone        {record.gone} no longer listed, kept")
    if record.lost:
        lines.append(
            f"  lost        {record.lost} damaged, and no copy was found; `harvester verify` names them"
        )
    lines += [
        f"  damaged     {name} is damaged and was not used; `harvester verify` says where"
        for name in record.passed_over
    ]
    lines += [f"  unread      project {unread.name}: {unread.error}" for unread in record.unread_projects]
    lines += _unread_optimizations(record.unread_optimizations)
    if not record.settings.get("reports", {}).get("optimizations", True):
        lines.append("  not listed  optimizations: reports.optimizations is false")
    lines += _doubts(record)
    lines += [
        f"  requests    {record.requests}, {record.throttled} of them throttled, in {took_s:.0f} s",
        f"  payload     {record.files} files, {render_size(record.payload_bytes)}, "
        f"{render_size(record.written_bytes)} of it written by this run",
        f"  browse      {index_of(result.path).resolve().as_uri()}",
        f"  verify      harvester verify {record.name} --archive {result.path.parent}",
    ]
    return lines


def summary_json(result: RunResult, *, code: int, name: str, took_s: float) -> dict[str, Any]:
    """Return the summary of a run as a JSON document."""
    record: Any = msgspec.to_builtins(result.record) if result.record else None
    return {
        "exit_code": code,
        "exit": name,
        "path": str(result.path),
        "seconds": round(took_s, 3),
        "notes": list(result.notes),
        "snapshot": record,
    }


def account_lines(end: AccountEnd) -> list[str]:
    """Return the summary of one of several accounts as lines of text, its name first."""
    summary = end.summary
    if "path" not in summary:
        lines = summary.get("errors", [])
    else:
        record = summary["snapshot"] and msgspec.convert(summary["snapshot"], SnapshotRecord)
        result = RunResult(Path(summary["path"]), record, tuple(summary["notes"]))
        lines = summary_lines(result, took_s=summary["seconds"])
    return [f"Account {end.name}: {end.code.label}", *(f"  {line}" for line in lines)]


def preview_lines(found: Preview, rate_per_min: float) -> list[str]:
    """Return what a run would do as lines of text."""
    least, most = found.requests()
    shortest, longest = (render_duration(minutes * 60, rough=True) for minutes in found.minutes(rate_per_min))
    lines = [
        f"{found.listed} backtests in {found.projects} projects; {found.reports} reports would be fetched",
        f"  requests    {least} if all are ready, about {most} if all must be generated first",
        f"  time        {shortest} to {longest} at {rate_per_min:g} requests a minute",
    ]
    lines += [f"  not fetched {number} {reason}" for reason, number in found.reasons.most_common()]
    if found.gone:
        lines.append(f"  gone        {found.gone} no longer listed, kept")
    lines += [f"  unread      project {unread.name}: {unread.error}" for unread in found.unread]
    lines += _unread_optimizations(found.unread_optimizations)
    lines += [f"  incomplete  {doubt}" for doubt in found.doubts]
    lines += [
        f"  report      {project} / {name} ({backtest_id})" for project, name, backtest_id in found.examples
    ]
    if found.reports > len(found.examples):
        lines.append(f"  report      ... and {found.reports - len(found.examples)} more")
    return lines


def preview_json(found: Preview, rate_per_min: float) -> dict[str, Any]:
    """Return what a run would do as a JSON document."""
    return {
        "projects": found.projects,
        "listed": found.listed,
        "reports": found.reports,
        "requests": found.requests(),
        "minutes": [round(minutes, 2) for minutes in found.minutes(rate_per_min)],
        "not_asked": dict(found.reasons),
        "gone": found.gone,
        "unread_projects": [unread.project_id for unread in found.unread],
        "unread_optimizations": [
            [unread.project_id, unread.optimization_id] for unread in found.unread_optimizations
        ],
        "doubts": found.doubts,
    }


def _unread_optimizations(found: Iterable[UnreadOptimization]) -> list[str]:
    """Return the optimizations with backtests that may be missing, as lines of text."""
    return [
        f"  unread      optimization {unread.optimization_id or 'list'} of project {unread.project}: "
        f"{unread.error}"
        for unread in found
    ]


def _doubts(record: SnapshotRecord) -> list[str]:
    """Why something may be missing from what was listed, as lines of text."""
    lines = [f"  unproven    {record.unproven}"] if record.unproven else []
    if record.bad_rows:
        named = record.bad_row_examples[:_EXAMPLES]
        more = f" and {record.bad_rows - len(named)} more" if record.bad_rows > len(named) else ""
        lines.append(f"  bad rows    {record.bad_rows} without a usable id: {'; '.join(named)}{more}")
    if record.withheld_gone:
        lines.append(
            f"  not gone    {record.withheld_gone} archived reports are no longer listed, more than half at "
            "once, and none was marked as gone; if they were deleted, run once with --accept-gone"
        )
    return lines


def _proof(record: SnapshotRecord) -> str:
    parts = [f"{number} {outcome}" for outcome, number in record.counts.items() if number]
    return f"{record.listed} = {' + '.join(parts) or '0'}"


def index_of(snapshot: Path) -> Path:
    """The page to open first."""
    return snapshot / "index.html"
