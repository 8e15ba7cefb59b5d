"""The command line as a whole: global options, and one module a command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from harvester import __version__
from harvester.cli.commands.browse import browse
from harvester.cli.commands.catalog import catalog_rebuild
from harvester.cli.commands.config import config_show
from harvester.cli.commands.demo import demo
from harvester.cli.commands.diff import diff
from harvester.cli.commands.doctor import doctor
from harvester.cli.commands.export import export
from harvester.cli.commands.help import show_help
from harvester.cli.commands.history import history
from harvester.cli.commands.list import list_backtests
from harvester.cli.commands.prune import prune
from harvester.cli.commands.push import push
from harvester.cli.commands.restore import restore
from harvester.cli.commands.run import run
from harvester.cli.commands.schedule import schedule
from harvester.cli.commands.simulate import simulate
from harvester.cli.commands.snapshots import snapshots
from harvester.cli.commands.verify import verify
from harvester.cli.console import Session, report_error

_HELP = """Copy every backtest report of a QuantConnect account into a dated archive.

Data goes to stdout, logs and progress to stderr. Credentials come from QUANTCONNECT_USER_ID and
QUANTCONNECT_API_TOKEN, from files or commands named in the configuration, or from `lean login`.

\b
Three ways to use it:
  harvester -q run                       every night from cron or a timer; silent when all is well
  harvester run --dry-run, then run      everything out, once, through interruptions
  harvester run --refresh=30             read again what is older than 30 days, before an audit

\b
Exit codes, the worst wins:
  0 ok        complete, also when nothing was new
  1 error     anything not named below
  2 usage     arguments or configuration, or no credentials were found
  3 partial   some reports failed, or some project could not be listed; committed, marked incomplete
  4 pending   some reports are still being generated
  6 unpushed  committed, but the bucket could not be brought up to date; the next run pushes it
  10 time     --max-duration was reached; committed, marked incomplete
  11 locked   another run, prune, repair or rebuild holds the archive
  12 auth     credentials refused or locked out, or the clock is off
  16 disk     full, read-only or not writable
  18 throttled  the server keeps saying slow down
  20 damaged  the archive contradicts itself, or a run met damage in it (and went on without)
  130, 143    interrupted by a signal; what was finished is kept
"""

app = typer.Typer(
    name="harvester",
    help=_HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
config = typer.Typer(help="Look at the configuration.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(config, name="config")
catalog = typer.Typer(help="The index over all Snapshots.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(catalog, name="catalog")

app.command(short_help="Make one Snapshot: read what is new, carry the rest.")(run)
app.command(short_help="The main job against a simulated account.")(demo)
app.command(short_help="Serve a simulated QuantConnect API on this machine.")(simulate)
app.command(short_help="Check whether everything is in place for a run.")(doctor)
app.command(short_help="List the Snapshots, oldest first.")(snapshots)
app.command("list", short_help="List the backtests of a Snapshot.")(list_backtests)
app.command(short_help="Follow one backtest through all Snapshots.")(history)
app.command(short_help="Tell what lies between two Snapshots.")(diff)
app.command(short_help="Check that the archive is what was committed.")(verify)
app.command(short_help="Copy a Snapshot or a part of it for somebody else.")(export)
app.command(short_help="Remove the Snapshots that no rule keeps.")(prune)
app.command(short_help="Bring the copy in the bucket up to date.")(push)
app.command(short_help="Get a date back from the bucket, or the whole archive.")(restore)
app.command(short_help="Look at a date in the bucket.")(browse)
app.command(short_help="Print a systemd timer or a crontab line.")(schedule)
app.command("help", short_help="Show the manual: `harvester help TOPIC`.")(show_help)
config.command("show", short_help="Show every setting and where it came from.")(config_show)
catalog.command("rebuild", short_help="Make the index again from the Snapshots.")(catalog_rebuild)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"harvester {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="The TOML file; HARVESTER_CONFIG names it too."),
    ] = None,
    quiet: Annotated[
        bool,
        typer.Option("-q", "--quiet", help="No progress, no summary: only trouble, and what was asked for."),
    ] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Say more, and show tracebacks.")] = False,
    log_format: Annotated[str, typer.Option(metavar="text|json", help="How logs are written.")] = "text",
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version.")
    ] = False,
) -> None:
    """Options before the command's name."""
    if log_format not in {"text", "json"}:
        raise typer.BadParameter("it is text or json", param_hint="--log-format")
    if quiet and verbose:
        raise typer.BadParameter("-q and -v contradict each other")
    session = context.ensure_object(Session)
    session.config, session.quiet, session.verbose = config, quiet, verbose
    session.log_format = log_format


def spell_out(words: Sequence[str]) -> list[str]:
    """Arguments as the parser knows them: it has no options like `--refresh`, whose value may be left out."""
    return [
        "--refresh=0" if word == "--refresh" and not _is_number(after) else word
        for word, after in zip(words, [*words, ""][1:], strict=True)
    ]


def _is_number(word: str) -> bool:
    return word.replace(".", "", 1).isdecimal()


def narrow(words: Sequence[str]) -> None:
    """Leave out the commands that no word names: to build all of them takes a fifth of the start.

    Help that lists them, a word that is none, and completion, which comes without words, keep them all.
    """
    commands = {info.name or getattr(info.callback, "__name__", ""): info for info in app.registered_commands}
    groups = {str(info.name): info for info in app.registered_groups}
    named = [word for word in words if word in commands or word in groups]
    before = words[: words.index(named[0])] if named else words
    if {"-h", "--help"} & {*before} or not (named or "--version" in words):
        return
    app.registered_commands = [commands[word] for word in {*named} & {*commands}]
    app.registered_groups = [groups[word] for word in {*named} & {*groups}]


def main() -> None:
    """Run the command line; every error becomes a message and an exit code here and nowhere else."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name in the archive never ends a command
    session, words = Session(), sys.argv[1:]
    narrow(words)
    try:
        app(args=spell_out(words), prog_name="harvester", obj=session)
    except (Exception, KeyboardInterrupt) as exc:
        sys.exit(report_error(exc, session))
