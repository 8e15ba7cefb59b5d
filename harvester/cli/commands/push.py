"""`harvester push`: bring the copy in the bucket up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from harvester.app import ExitCode, PushJob, pushed_document, pushed_line
from harvester.archive import Archive
from harvester.bucket import PushPlan
from harvester.cli.options import with_options
from harvester.cli.output.bar import byte_bar
from harvester.cli.output.emit import emit_json
from harvester.cli.output.errors import report_error
from harvester.cli.session import Session, leave
from harvester.errors import BucketError
from harvester.text import render_size


@with_options("archive", "account", "lock_wait", "json")
def push(
    context: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be sent; send nothing.")
    ] = False,
) -> None:
    """Send every Snapshot, ledger line and timestamp that the bucket does not have.

    With bucket.url set each run does it after its commit. After an interruption the next push continues;
    nobody sees half a Snapshot. Damage on disk is not sent.

    \b
    Examples:
      harvester push --dry-run   objects, bytes, requests, the date of the lock
      harvester push

    \b
    Exit codes:
      0 ok, also when nothing was new
      2 usage
      6 unpushed: the bucket could not be brought up to date
      11 a run is under way
      16 disk
      20 something in the archive is damaged, and was not sent
    """
    session = Session.of(context)
    loaded = session.load()
    archive = Archive.open(Path(loaded.settings.archive.dir))
    wait_s = float(loaded.settings.archive.lock_wait)
    job = PushJob(loaded.settings, loaded.account, archive, session.invocation.environ, wait_s)
    try:
        if dry_run:
            _print_plan(session, job.plan())
            return
        with (
            archive.lock(command="push", wait_s=wait_s),
            byte_bar("pushing", wanted=session.wants_bar) as bar,
        ):
            pushed = job.run(bar)
    except BucketError as exc:
        report_error(exc, session.invocation, code=ExitCode.UNPUSHED)
        leave(ExitCode.UNPUSHED)
    if session.json:
        emit_json({"exit_code": 0, "exit": "ok", **pushed_document(pushed)})
    else:
        session.say(pushed_line(pushed, job.url))


def _print_plan(session: Session, plan: PushPlan) -> None:
    if session.json:
        emit_json(msgspec.to_builtins(plan) | {"up_to_date": plan.is_up_to_date})
        return
    if plan.is_up_to_date:
        session.show("the bucket is up to date")
        return
    session.show(*_lines(plan, render_size(plan.bytes)))


def _lines(plan: PushPlan, size: str) -> list[Any]:
    lines = [
        f"would push {', '.join(plan.snapshots) or 'no new date'} and {plan.entries} ledger entries",
        f"  {plan.packs} reports, {plan.records} changed records, {plan.tokens} timestamps, at most {size}",
        f"  {plan.put_requests} PUT, {plan.get_requests} GET, {plan.list_requests} LIST requests",
    ]
    if plan.locked_until:
        lines.append(f"  locked in {plan.lock_mode} mode until {plan.locked_until}")
    if plan.lock_mode == "compliance":
        lines.append(
            "  compliance mode: nobody can delete these objects before that date, and they are billed"
        )
    return lines
