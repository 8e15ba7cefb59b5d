"""`harvester prune --bucket`: retention of the copy in the bucket."""

from __future__ import annotations

from datetime import date
from typing import Any

from harvester.app import ExitCode, connect_bucket
from harvester.audit import Retention, plan_retention
from harvester.bucket import BucketPrune, BucketPrunePlan, LeaseTimes
from harvester.cli.output.emit import emit_json
from harvester.cli.session import Session
from harvester.config import Loaded
from harvester.text import render_size


def prune_bucket(
    session: Session,
    loaded: Loaded,
    retention: Retention,
    today: date,
    *,
    drop_superseded: bool,
    yes: bool,
) -> ExitCode:
    """Remove from the Bucket the Snapshots that no rule keeps; without `yes` nothing is changed.

    Raises:
        BucketLockedError: a push holds the Bucket.
        CorruptBucketError: lists are damaged, so nobody knows what is needed.
        BucketError: the store failed.
    """
    connection = connect_bucket(loaded, session.invocation.environ)
    given = loaded.settings.bucket
    reasons: dict[str, tuple[str, ...]] = {}

    def choose(names: list[str]) -> list[str]:
        reasons.update(plan_retention(names, today, retention))
        return [name for name, why in reasons.items() if not why]

    wait_s = float(loaded.settings.archive.lock_wait)
    work = BucketPrune(connection.store, times=LeaseTimes(float(given.lease), float(given.beat), wait_s))
    plan = work.run(choose, dry_run=not yes, drop_superseded=drop_superseded)
    kept = {name: why for name, why in reasons.items() if why}
    if session.json:
        emit_json(_document(plan, kept, done=yes))
    else:
        show = session.say if yes else session.show
        show(*_lines(plan, kept, done=yes))
    return ExitCode.OK


def _lines(plan: BucketPrunePlan, kept: dict[str, tuple[str, ...]], *, done: bool) -> list[str]:
    verb = "removed" if done else "would remove"
    hint = "" if done or not (plan.remove or plan.keys) else "; add --yes to remove them"
    waiting = []
    if plan.young:
        waiting.append(f"{plan.young} unused objects are younger than 7 days")
    if plan.locked:
        waiting.append(f"{plan.locked} unused objects are locked")
    return [
        *(f"keep    {name:<13} {', '.join(why)}" for name, why in kept.items()),
        *(f"refuse  {name:<13} {why}" for name, why in plan.refused.items()),
        *(f"remove  {name}" for name in plan.remove),
        *(f"kept for now: {text}" for text in waiting),
        f"{verb} {len(plan.remove)} Snapshots from the bucket, {len(plan.keys)} objects, "
        f"{render_size(plan.freed_bytes)}{hint}",
    ]


def _document(plan: BucketPrunePlan, kept: dict[str, tuple[str, ...]], *, done: bool) -> dict[str, Any]:
    return {
        "exit_code": 0,
        "exit": "ok",
        "done": done,
        "keep": {name: list(why) for name, why in kept.items()},
        "remove": plan.remove,
        "refused": plan.refused,
        "objects": len(plan.keys),
        "freed_bytes": plan.freed_bytes,
        "young": plan.young,
        "locked": plan.locked,
    }
