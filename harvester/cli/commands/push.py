"""`harvester push`: bring the copy in the bucket up to date."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harvester.cli import options
from harvester.cli.console import ExitCode, Session, emit_json, leave, report_error

if TYPE_CHECKING:
    from harvester.bucket import PushPlan


def push(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent; send nothing.")] = False,
    archive: options.Archive = None,
    account: options.Account = None,
    lock_wait: Annotated[
        str | None, typer.Option(metavar="10m", help="Wait for another push or run to end.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Send every Snapshot, ledger line and timestamp that the bucket does not have.

    With bucket.url set each run does it after its commit. Interrupted at any point, the next push goes on;
    nobody sees half a Snapshot. Damage on disk is not sent.

    \b
    Examples:
      harvester push --dry-run       objects, bytes and requests, and the date of the lock
      harvester push

    \b
    Exit codes:
      0 ok, also when nothing was new   2 usage   6 unpushed: the bucket could not be brought up to date
      11 a run is under way             16 disk   20 damaged: something in the archive, which was not sent
    """
    from harvester.app import PushJob, pushed_document, pushed_line
    from harvester.archive import Archive
    from harvester.errors import BucketError

    session: Session = context.obj
    loaded = session.load(
        account, archive__dir=str(archive) if archive else None, archive__lock_wait=lock_wait
    )
    found = Archive.open(Path(loaded.settings.archive.dir))
    wait_s = float(loaded.settings.archive.lock_wait)
    job = PushJob(session, loaded.settings, loaded.account, found, show_bar=not json, wait_s=wait_s)
    try:
        if dry_run:
            _tell(session, job.plan(), json=json)
            return
        with found.lock(command="push", wait_s=wait_s):
            pushed = job.run()
    except BucketError as exc:
        report_error(exc, session, code=ExitCode.UNPUSHED)
        leave(ExitCode.UNPUSHED)
    if json:
        emit_json({"exit_code": 0, "exit": "ok", **pushed_document(pushed)})
    else:
        session.say(pushed_line(pushed, job.url))


def _tell(session: Session, plan: PushPlan, *, json: bool) -> None:
    import msgspec

    from harvester.text import render_size

    if json:
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
