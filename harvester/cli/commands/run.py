"""`harvester run`: the main job."""

from __future__ import annotations

import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import anyio
import typer

from harvester.app import (
    Display,
    ExitCode,
    Finished,
    RunEnd,
    RunOrder,
    check_all_accounts,
    make_snapshot,
    preview,
    run_accounts,
    with_notifications,
    worst,
)
from harvester.cli.options import FILTERS, with_options
from harvester.cli.output.bar import byte_bar
from harvester.cli.output.emit import emit_json
from harvester.cli.output.reporter import Reporter
from harvester.cli.output.summary import (
    account_lines,
    index_of,
    preview_json,
    preview_lines,
    summary_json,
    summary_lines,
)
from harvester.cli.session import Session, leave
from harvester.config import Loaded
from harvester.harvest import RunObserver
from harvester.operate import ProgressBar, ProgressLines, Tally
from harvester.secrets import mask_value


@with_options(
    *FILTERS, "max_duration", "lock_wait", "workers", "rate", "archive", "account", "open_index", "json"
)
def run(
    context: typer.Context,
    all_accounts: Annotated[
        bool, typer.Option("--all-accounts", help="Run every one of [accounts], side by side.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List and plan; fetch no report.")] = False,
    refresh: Annotated[
        float | None,
        typer.Option(
            metavar="[=DAYS]", min=0, help="Read again what was read DAYS ago or longer; bare: all."
        ),
    ] = None,
    accept_gone: Annotated[
        bool,
        typer.Option(
            "--accept-gone", help="Mark what is no longer listed as gone, even more than half of the archive."
        ),
    ] = False,
) -> None:
    """Make one Snapshot: read every report that is new or has changed, carry the rest.

    A run that is interrupted keeps what it has, and the next one resumes there.

    \b
    Examples:
      harvester run                        the nightly job
      harvester run --dry-run              what it would request, and for how long
      harvester run --project 'Mom*'       a part; the rest is carried, not read
      harvester run --refresh=30           read again what is older than 30 days
      harvester run --max-duration 2h      commit after two hours, done or not
      harvester run --accept-gone          after deleting most of the account
      harvester run --all-accounts         one Snapshot for each of [accounts]

    \b
    Exit codes:
      0 ok
      1 error
      2 usage, or no credentials
      3 partial: some reports failed, or a list could not be proven complete
      4 pending: some reports are still being generated
      6 unpushed: the bucket is not up to date
      10 time: --max-duration was reached
      11 another run holds the archive
      12 credentials refused or locked out, or the clock is off
      16 disk full or not writable
      18 the server keeps saying slow down
      20 the archive was found damaged
      130, 143 interrupted
    """
    session = Session.of(context)
    loaded = session.load_all()
    if all_accounts:
        single = {
            "--account": session.options["account"],
            "--archive": session.options["archive"],
            "--dry-run": dry_run,
            "--accept-gone": accept_gone,
            "--open": session.options["open_index"],
        }
        check_all_accounts(loaded, single={option: bool(given) for option, given in single.items()})
        leave(with_notifications(loaded.settings, session.log, lambda: _run_all(session, loaded), account=""))
    picked = session.pick(loaded)

    def order() -> RunOrder:
        return RunOrder(
            picked.settings,
            session.credentials(picked),
            refresh,
            accept_gone=accept_gone,
            account=picked.account,
            environ=session.invocation.environ,
        )

    if dry_run:
        _preview(session, order())
        return
    leave(
        with_notifications(
            picked.settings, session.log, lambda: _run_one(session, order()), account=picked.account
        )
    )


def _run_one(session: Session, order: RunOrder) -> RunEnd:
    return report_end(session, make_snapshot(order, session.log, display_of(session, order)))


def report_end(session: Session, finished: Finished) -> RunEnd:
    """Print the summary of a run on stdout, and log how it ended."""
    result, code, took_s = finished.result, finished.code, finished.seconds
    document = summary_json(result, code=code.value, name=code.label, took_s=took_s)
    document |= finished.pushed.document
    lines = [*summary_lines(result, took_s=took_s), *finished.pushed.lines]
    end = RunEnd(code, mask_value(document), lines, result.record)
    for note in result.notes:
        session.log.warning(note)
    _print_end(session, end)
    if session.options.get("open_index") and result.record is not None:
        _open(session, index_of(result.path))
    _log_end(session, code, seconds=round(took_s, 1))
    return end


def _run_all(session: Session, loaded: Loaded) -> RunEnd:
    def show(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    ends = anyio.run(run_accounts, loaded, sys.argv[1:], session.invocation.environ, show)
    code = worst(end.code for end in ends)
    document = {
        "exit_code": code.value,
        "exit": code.label,
        "accounts": {end.name: end.summary for end in ends},
    }
    lines = [line for end in ends for line in account_lines(end)]
    archives = [Path(one.settings.archive.dir) for one in loaded.accounts.values()]
    run_end = RunEnd(code, document, lines, archives=archives)
    _print_end(session, run_end)
    _log_end(session, code, accounts={end.name: end.code.label for end in ends})
    return run_end


def _print_end(session: Session, end: RunEnd) -> None:
    if session.json:
        emit_json(end.document)
    else:
        session.say(*end.lines)


def _log_end(session: Session, code: ExitCode, **fields: object) -> None:
    log = session.log.info if code is ExitCode.OK else session.log.warning
    log("ended", exit_code=code.value, exit=code.label, **fields)


def display_of(session: Session, order: RunOrder) -> Display:
    """Return what shows a run: the log, and a progress bar on a terminal or a line a minute elsewhere."""
    tally, invocation = Tally(order.settings.pace.rate_per_min), session.invocation
    on_terminal = sys.stderr.isatty() and not invocation.quiet and invocation.log_format == "text"

    @contextmanager
    def observers() -> Iterator[list[RunObserver]]:
        if not on_terminal:
            yield [Reporter(session.log), ProgressLines(tally, session.log.info)]
            return
        with ProgressBar(tally) as bar:
            yield [Reporter(session.log), bar]

    return Display(observers, lambda: byte_bar("pushing", wanted=session.wants_bar))


def _preview(session: Session, order: RunOrder) -> None:
    found = anyio.run(preview, order, session.log, Reporter(session.log))
    rate_per_min = order.settings.pace.rate_per_min
    if session.json:
        emit_json(preview_json(found, rate_per_min))
    else:
        session.say(*preview_lines(found, rate_per_min))


def _open(session: Session, index: Path) -> None:
    uri = index.resolve().as_uri()
    if not webbrowser.open(uri):
        session.log.warning(f"no browser was found; open {uri}")
