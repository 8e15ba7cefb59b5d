"""`harvester prune`: remove the Snapshots that no retention rule keeps."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from harvester.app import ExitCode
from harvester.archive import Archive
from harvester.audit import PrunePlan, Refusal, Retention, plan_prune, prune_snapshots
from harvester.cli.options import with_options
from harvester.cli.output.emit import emit_json
from harvester.cli.session import Session, leave
from harvester.errors import ConfigError, UsageError
from harvester.model import InventoryEntry
from harvester.text import parse_duration, render_moment


def _count(period: str) -> Any:
    text = f"Keep the newest of each of the last N {period} that have one."
    return typer.Option(0, min=0, metavar="N", show_default=False, help=text)


@with_options("archive", "account", "lock_wait", "json")
def prune(
    context: typer.Context,
    keep_within: Annotated[
        str | None, typer.Option(metavar="30d", help="Keep everything that is not older.")
    ] = None,
    keep_daily: int = _count("days"),
    keep_weekly: int = _count("weeks"),
    keep_monthly: int = _count("months"),
    keep_yearly: int = _count("years"),
    drop_superseded: Annotated[
        bool,
        typer.Option(
            "--drop-superseded", help="Allow removing a version of a report when a later one is kept."
        ),
    ] = False,
    forget: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DATE", help="Record as pruned a Snapshot that is missing for good; may be repeated."
        ),
    ] = None,
    bucket: Annotated[bool, typer.Option("--bucket", help="Remove from the bucket, not from disk.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Remove them; otherwise only show what would be removed.")
    ] = False,
) -> None:
    """Remove the Snapshots that no rule keeps; without --yes nothing is changed.

    The newest Snapshot is always kept. One that holds the only copy, or the only undamaged copy, of a report
    is refused and named; each version of a report counts, and so do reports that QuantConnect has deleted.

    With --bucket the same is done in the bucket, where objects that are locked or younger than 7 days are
    kept too.

    \b
    Examples:
      harvester prune --keep-within 30d --keep-weekly 8 --keep-monthly 24
      harvester prune --keep-daily 14 --drop-superseded --yes
      harvester prune --forget 2026-11-22 --yes  its directory is lost for good
      harvester prune --bucket --keep-weekly 8 --keep-monthly 24 --yes

    \b
    Exit codes:
      0 ok, also when some were refused
      1 error
      2 usage
      11 a run is under way
      16 disk
      20 a Snapshot was refused because lists or copies are damaged
    """
    session = Session.of(context)
    loaded = session.load()
    settings = loaded.settings.archive
    retention = _retention(keep_within, keep_daily, keep_weekly, keep_monthly, keep_yearly)
    forgotten = list(dict.fromkeys(forget or []))
    if retention.empty and not forgotten:
        raise ConfigError("give at least one --keep rule; without one everything is kept")
    today = datetime.now(ZoneInfo(settings.timezone)).date()
    if bucket:
        if forgotten:
            raise ConfigError("--forget is for the archive on disk and cannot be combined with --bucket")
        # Imported for --bucket: it needs the extra `bucket`.
        from harvester.cli.commands.prune_bucket import prune_bucket  # noqa: PLC0415

        leave(prune_bucket(session, loaded, retention, today, drop_superseded=drop_superseded, yes=yes))
    archive = Archive.open(Path(settings.dir))
    asked = _Prune(archive, retention, today, forgotten, drop_superseded)
    if not yes:
        plan = asked.plan()
    else:
        with archive.lock(command="prune", wait_s=float(settings.lock_wait)):
            plan = asked.carry_out()
        for note in asked.notes:
            session.log.warning(note)
    leave(_report(session, plan, forgotten, done=yes))


class _Prune:
    """One `prune` as it was asked for."""

    def __init__(
        self, archive: Archive, retention: Retention, today: date, forget: list[str], drop_superseded: bool
    ) -> None:
        self._archive = archive
        self._retention = retention
        self._today = today
        self._forget = forget
        self._drop_superseded = drop_superseded
        self.notes: tuple[str, ...] = ()
        """What recovery found and set aside in the Archive."""

    def plan(self) -> PrunePlan:
        """Return what would be done."""
        self._check_forgotten()
        return self._plan()

    def carry_out(self) -> PrunePlan:
        """Prune, under the lock, and return what was done."""
        at = render_moment(datetime.now(UTC))
        self._check_forgotten()
        prune_snapshots(self._archive, self._forget, at=at)
        self.notes = self._archive.recover()
        plan = self._plan()
        prune_snapshots(self._archive, plan.remove, at=at)
        return plan

    def _plan(self) -> PrunePlan:
        return plan_prune(self._archive, self._today, self._retention, drop_superseded=self._drop_superseded)

    def _check_forgotten(self) -> None:
        if not self._forget:
            return
        existing = {snapshot.name for snapshot in self._archive.snapshots()}
        missing = [name for name in self._archive.ledger().committed if name not in existing]
        for name in self._forget:
            if name in existing:
                raise ConfigError(f"--forget {name}: it is not missing; leave it to the rules")
            if name not in missing:
                known = f"missing are {', '.join(missing)}" if missing else "no Snapshot is missing"
                raise UsageError(f"--forget {name}: the Ledger has no such Snapshot; {known}")


def _report(session: Session, plan: PrunePlan, forgotten: list[str], *, done: bool) -> ExitCode:
    code = ExitCode.DAMAGED if plan.is_damaged else ExitCode.OK
    if session.json:
        emit_json(_document(plan, forgotten, code, done=done))
    else:
        # With --quiet a prune that did its work prints nothing: cron mails whatever a job prints.
        show = session.say if done and code is ExitCode.OK else session.show
        show(*_lines(plan, forgotten, done=done))
    for name, why in plan.damaged.items():
        session.log.warning(
            f"{why}; what {name} holds is not known, so it is kept, and no copy in it is relied on",
            next=f"harvester verify {name} --repair, or restore the file from a backup",
        )
    return code


def _retention(within: str | None, daily: int, weekly: int, monthly: int, yearly: int) -> Retention:
    try:
        span = None if within is None else timedelta(seconds=parse_duration(within))
    except ValueError as exc:
        raise ConfigError(f"--keep-within {within}: {exc}") from exc
    return Retention(span, daily, weekly, monthly, yearly)


def _lines(plan: PrunePlan, forgotten: list[str], *, done: bool) -> list[str]:
    verb = "removed" if done else "would remove"
    lines = [f"keep    {name:<13} {', '.join(why)}" for name, why in plan.keep.items()]
    for name, refused in plan.refused.items():
        lines += _refusal_lines(name, refused)
    lines += [f"remove  {name}" for name in plan.remove]
    lines += [f"forget  {name}" for name in forgotten]
    count = len(plan.remove) + len(forgotten)
    hint = "" if done or not count else "; add --yes to remove them"
    return [*lines, f"{verb} {count} of {count + len(plan.keep) + len(plan.refused)} Snapshots{hint}"]


def _refusal_lines(name: str, refused: Refusal) -> list[str]:
    lines = []
    if refused.error:
        lines.append(f"refuse  {name:<13} {refused.error}")
    elif refused.reports:
        text = f"holds {refused.reports} reports (or versions of them) that no other Snapshot holds:"
        lines.append(f"refuse  {name:<13} {text}")
    lines += [f"        {_title(entry)}" for entry in refused.examples]
    if refused.last_copies:
        text = (
            f"holds the last undamaged copies of {refused.last_copies} reports; "
            "`harvester verify --repair` restores the damaged ones:"
        )
        lines.append(f"refuse  {name:<13} {text}")
    for last in refused.last_copy_examples:
        lines.append(f"        {_title(last.entry)}, damaged in {last.damaged}")
    return lines


def _title(entry: InventoryEntry) -> str:
    return f"{entry.project} / {entry.name} [{entry.backtest_id}]"


def _row(entry: InventoryEntry) -> dict[str, Any]:
    return {"project_id": entry.project_id, "backtest_id": entry.backtest_id, "name": entry.name}


def _document(plan: PrunePlan, forgotten: list[str], code: ExitCode, *, done: bool) -> dict[str, Any]:
    return {
        "exit_code": code.value,
        "exit": code.label,
        "done": done,
        "keep": {name: list(why) for name, why in plan.keep.items()},
        "remove": plan.remove,
        "forget": forgotten,
        "damaged": plan.damaged,
        "refused": {
            name: {
                "reports": refused.reports,
                "error": refused.error,
                "examples": [_row(entry) for entry in refused.examples],
                "last_copies": refused.last_copies,
                "last_copy_examples": [
                    _row(last.entry) | {"damaged": last.damaged} for last in refused.last_copy_examples
                ],
            }
            for name, refused in plan.refused.items()
        },
    }
