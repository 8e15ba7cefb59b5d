"""`harvester run`: the main job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from harvester.cli import options
from harvester.cli.console import ExitCode, Session, leave

if TYPE_CHECKING:
    from harvester.config import Loaded


def run(
    context: typer.Context,
    archive: options.Archive = None,
    account: options.Account = None,
    all_accounts: options.AllAccounts = False,
    dry_run: options.DryRun = False,
    refresh: options.Refresh = None,
    project: options.Projects = None,
    exclude_project: options.ExcludeProjects = None,
    name: options.Names = None,
    tag: options.Tags = None,
    organization: options.Organizations = None,
    created_after: options.CreatedAfter = None,
    created_before: options.CreatedBefore = None,
    optimizations: options.Optimizations = None,
    recycle_bin: options.RecycleBin = None,
    accept_gone: options.AcceptGone = False,
    max_duration: options.MaxDuration = None,
    lock_wait: options.LockWait = None,
    workers: options.Workers = None,
    rate: options.Rate = None,
    open_index: options.Open = False,
    json: options.Json = False,
) -> None:
    """Make one Snapshot: read every report that is new or has changed, carry the rest.

    Interrupted by Ctrl-C or a kill it keeps what it has, and the next run takes it up.

    \b
    Examples:
      harvester run                                   the nightly job
      harvester run --dry-run                         what would be requested, and how long it takes
      harvester run --project 'Momentum*' --tag live  a part; of the rest, what is archived is carried
      harvester run --refresh=30                      read again what is older than 30 days
      harvester run --max-duration 2h                 commit after two hours, whatever is left
      harvester run --accept-gone                     after deleting most of the account on purpose
      harvester run --all-accounts                    one Snapshot for each of [accounts]

    \b
    Exit codes:
      0 ok            3 partial: some reports failed, or it is not proven that everything was listed
      4 pending: some are still being generated            6 unpushed: the bucket is not up to date
      1 error         10 time: --max-duration reached      11 another run holds the archive
      2 usage         12 credentials, or the clock is off  16 disk full or not writable
      18 throttled    20 the archive was found damaged     130, 143 interrupted
    """
    session: Session = context.obj
    loaded = session.load_all(
        archive__dir=str(archive) if archive else None,
        archive__lock_wait=lock_wait,
        run__max_duration=max_duration,
        pace__workers=workers,
        pace__rate_per_min=rate,
        **options.overriding(options.filters(context)),
    )
    if all_accounts:
        alone = {
            "--account": account,
            "--archive": archive,
            "--dry-run": dry_run,
            "--accept-gone": accept_gone,
            "--open": open_index,
        }
        leave(_run_all(session, loaded, alone={option: bool(given) for option, given in alone.items()}))
    asked = {
        "refresh_days": refresh,
        "accept_gone": accept_gone,
        "json": json,
        "open_index": open_index,
    }
    leave(_run_one(session, loaded, account, asked, dry_run=dry_run))


def _run_all(session: Session, loaded: Loaded, *, alone: dict[str, bool]) -> ExitCode:
    from harvester.app import check_all_accounts, perform_all, tell_others

    check_all_accounts(loaded, alone=alone)
    return tell_others(session, loaded.settings, lambda: perform_all(session, loaded))


def _run_one(
    session: Session, loaded: Loaded, account: str | None, asked: dict[str, Any], *, dry_run: bool
) -> ExitCode:
    from harvester.app import Job, perform, preview_only, tell_others
    from harvester.config import pick_account

    picked = pick_account(loaded, account)
    session.account = picked.account

    def make_job() -> Job:
        return Job(session, picked.settings, session.credentials(picked), **asked)

    if dry_run:
        return preview_only(make_job())
    return tell_others(session, picked.settings, lambda: perform(make_job()))
