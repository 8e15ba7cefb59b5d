"""`harvester prune`: retention."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harvester.cli import options
from harvester.cli.console import ExitCode, Session, emit_json, leave

if TYPE_CHECKING:
    import datetime as dt

    from harvester.archive import Archive
    from harvester.audit import PrunePlan, Refused, Retention
    from harvester.model import InventoryEntry


def _count(period: str) -> Any:
    text = f"Keep the newest of each of the last N {period} that have one."
    return typer.Option(0, min=0, metavar="N", show_default=False, help=text)


def prune(
    context: typer.Context,
    keep_within: options.KeepWithin = None,
    keep_daily: int = _count("days"),
    keep_weekly: int = _count("weeks"),
    keep_monthly: int = _count("months"),
    keep_yearly: int = _count("years"),
    drop_superseded: options.DropSuperseded = False,
    forget: options.Forget = None,
    bucket: Annotated[bool, typer.Option("--bucket", help="Remove from the bucket, not from disk.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; otherwise only say what would be done.")] = False,
    archive: options.Archive = None,
    account: options.Account = None,
    lock_wait: options.LockWait = None,
    json: options.Json = False,
) -> None:
    """Remove the Snapshots that no rule keeps; without --yes nothing is changed.

    The newest Snapshot always stays, and so does one that alone holds a report: each version of a report
    counts, and what has vanished at QuantConnect too. One that holds the last undamaged copy stays as well.
    Those are refused and named.

    With --bucket the same is done in the bucket, where what is locked or younger than 7 days stays too.

    \b
    Examples:
      harvester prune --keep-within 30d --keep-weekly 8 --keep-monthly 24
      harvester prune --keep-daily 14 --drop-superseded --yes
      harvester prune --forget 2026-11-22 --yes       its directory was lost, and no backup is left
      harvester prune --bucket --keep-weekly 8 --keep-monthly 24 --yes

    \b
    Exit codes:
      0 ok, also when some were refused   1 error   2 usage   11 a run is under way   16 disk
      20 damaged: the lists of some are, or copies in others are, so that they were refused
    """
    from zoneinfo import ZoneInfo

    from harvester.archive import Archive
    from harvester.cli.commands.prune_bucket import prune_bucket
    from harvester.errors import ConfigError

    session: Session = context.obj
    loaded = session.load(
        account, archive__dir=str(archive) if archive else None, archive__lock_wait=lock_wait
    )
    settings = loaded.settings
    retention = _retention(keep_within, keep_daily, keep_weekly, keep_monthly, keep_yearly)
    forgotten = list(dict.fromkeys(forget or []))
    if retention.empty and not forgotten:
        raise ConfigError("--keep-...: give at least one rule; without one everything is kept")
    today = datetime.now(ZoneInfo(settings.archive.timezone)).date()
    if bucket:
        if forgotten:
            raise ConfigError("--forget: it is about the archive on disk, and does not go with --bucket")
        leave(prune_bucket(session, loaded, retention, today, drop_superseded=drop_superseded, yes=yes))
    found = Archive.open(Path(settings.archive.dir))
    order = _Order(found, retention, today, forgotten, drop_superseded)
    if not yes:
        plan = order.plan()
    else:
        with found.lock(command="prune", wait_s=float(settings.archive.lock_wait)):
            plan = order.carry_out()
        for note in order.notes:
            session.log.warning(note)
    code = ExitCode.DAMAGED if plan.is_damaged else ExitCode.OK
    if json:
        emit_json(_document(plan, forgotten, code, done=yes))
    else:
        # Cron mails whatever a job prints.
        tell = session.say if yes and code is ExitCode.OK else session.show
        tell(*_lines(plan, forgotten, done=yes))
    for name, why in plan.damaged.items():
        text = f"{why}; what {name} holds cannot be known, so it is kept and counts as a copy of nothing"
        session.log.warning(text, next=f"harvester verify {name} --repair, or restore the file from a backup")
    leave(code)


class _Order:
    """One prune as it was asked for."""

    def __init__(
        self, archive: Archive, retention: Retention, today: dt.date, forget: list[str], drop_superseded: bool
    ) -> None:
        self._archive = archive
        self._retention = retention
        self._today = today
        self._forget = forget
        self._drop_superseded = drop_superseded
        self.notes: tuple[str, ...] = ()
        """What was found and set aside in the Archive, for the user."""

    def plan(self) -> PrunePlan:
        """What would be done."""
        self._check_forgotten()
        return self._plan()

    def carry_out(self) -> PrunePlan:
        """Do it, under the lock."""
        from harvester.audit import prune_snapshots
        from harvester.text import render_moment

        at = render_moment(datetime.now(UTC))
        self._check_forgotten()
        prune_snapshots(self._archive, self._forget, at=at)
        self.notes = self._archive.recover()
        plan = self._plan()
        prune_snapshots(self._archive, plan.remove, at=at)
        return plan

    def _plan(self) -> PrunePlan:
        from harvester.audit import plan_prune

        return plan_prune(self._archive, self._today, self._retention, drop_superseded=self._drop_superseded)

    def _check_forgotten(self) -> None:
        from harvester.errors import ConfigError, UsageError

        if not self._forget:
            return
        standing = {snapshot.name for snapshot in self._archive.snapshots()}
        missing = [name for name in self._archive.ledger().committed if name not in standing]
        for name in self._forget:
            if name in standing:
                raise ConfigError(f"--forget {name}: it is not missing")
            if name not in missing:
                known = f"missing are {', '.join(missing)}" if missing else "none is missing"
                raise UsageError(f"--forget {name}: the Ledger has no such Snapshot; {known}")


def _retention(within: str | None, daily: int, weekly: int, monthly: int, yearly: int) -> Retention:
    from harvester.audit import Retention
    from harvester.errors import ConfigError
    from harvester.text import parse_duration

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
    hint = "" if done or not count else "; --yes does it"
    return [*lines, f"{verb} {count} of {count + len(plan.keep) + len(plan.refused)} Snapshots{hint}"]


def _refusal_lines(name: str, refused: Refused) -> list[str]:
    lines = []
    if refused.error:
        lines.append(f"refuse  {name:<13} {refused.error}")
    elif refused.reports:
        text = f"holds {refused.reports} reports (or versions of them) that no other one does:"
        lines.append(f"refuse  {name:<13} {text}")
    lines += [f"        {_title(entry)}" for entry in refused.examples]
    if refused.last_copies:
        text = (
            f"holds the last undamaged copies of {refused.last_copies} reports; "
            "`harvester verify --repair` restores the damaged ones:"
        )
        lines.append(f"refuse  {name:<13} {text}")
    for last in refused.last_copy_examples:
        lines.append(f"        {_title(last.entry)}, damaged is {last.damaged}")
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
