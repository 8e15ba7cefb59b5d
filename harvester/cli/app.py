"""The command line as a whole: the list of commands, global options, and the one place where errors end."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Final

import typer

from harvester import __version__
from harvester.cli.invocation import Invocation
from harvester.cli.lazy import Lazy, LazyCommands, lazy_group

_HELP = """Copy every backtest report of a QuantConnect account into a dated archive.

Data goes to stdout, logs and progress to stderr. Credentials come from QUANTCONNECT_USER_ID and
QUANTCONNECT_API_TOKEN, from files or commands named in the configuration, or from `lean login`.

\b
Three ways to use it:
  harvester -q run                   every night; silent when all is well
  harvester run --dry-run, then run  everything out, once
  harvester run --refresh=30         read again what is older than 30 days

\b
Exit codes, the worst wins:
  0 ok          complete, also when nothing was new
  1 error       anything not named below
  2 usage       arguments or configuration, or no credentials were found
  3 partial     some reports or lists failed; committed, marked incomplete
  4 pending     some reports are still being generated
  6 unpushed    committed, but the bucket is not up to date; run or push again
  10 time       --max-duration was reached; committed, marked incomplete
  11 locked     another run, prune, repair or rebuild holds the archive
  12 auth       credentials refused or locked out, or the clock is off
  16 disk       full, read-only or not writable
  18 throttled  the server keeps saying slow down
  20 damaged    the archive is damaged; a run continues without the damage
  130, 143      interrupted by a signal; what was finished is kept
"""

COMMANDS: Final[Mapping[str, Lazy | LazyCommands]] = {
    "run": Lazy("run", "run", "Make one Snapshot: read what is new, carry the rest."),
    "demo": Lazy("demo", "demo", "Try it with a simulated account."),
    "simulate": Lazy("simulate", "simulate", "Serve a simulated QuantConnect API on this machine."),
    "doctor": Lazy("doctor", "doctor", "Check whether everything is in place for a run."),
    "snapshots": Lazy("snapshots", "snapshots", "List the Snapshots, oldest first."),
    "list": Lazy("list", "list_backtests", "List the backtests of a Snapshot."),
    "history": Lazy("history", "history", "Follow one backtest through all Snapshots."),
    "diff": Lazy("diff", "diff", "Show what changed between two Snapshots."),
    "verify": Lazy("verify", "verify", "Check that the archive is what was committed."),
    "export": Lazy("export", "export", "Copy a Snapshot, or a part of it, for somebody else."),
    "prune": Lazy("prune", "prune", "Remove the Snapshots that no rule keeps."),
    "push": Lazy("push", "push", "Bring the copy in the bucket up to date."),
    "restore": Lazy("restore", "restore", "Get a date back from the bucket, or the whole archive."),
    "browse": Lazy("browse", "browse", "Look at a date in the bucket."),
    "schedule": Lazy("schedule", "schedule", "Print a systemd timer or a crontab line."),
    "help": Lazy("help", "show_help", "Show the manual: `harvester help TOPIC`."),
    "config": LazyCommands(
        "Look at the configuration.",
        {"show": Lazy("config", "config_show", "Show every setting and where it came from.")},
    ),
    "catalog": LazyCommands(
        "The index over all Snapshots.",
        {"rebuild": Lazy("catalog", "catalog_rebuild", "Rebuild the index from the Snapshots.")},
    ),
}
"""Every command and the function behind it, in the order of the help."""

app = typer.Typer(
    name="harvester",
    cls=lazy_group(COMMANDS),
    help=_HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
        typer.Option("-q", "--quiet", help="No progress, no summary: only problems, and what was asked for."),
    ] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Log more, and show tracebacks.")] = False,
    log_format: Annotated[str, typer.Option(metavar="text|json", help="How logs are written.")] = "text",
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version.")
    ] = False,
) -> None:
    """Options before the command's name."""
    if log_format not in {"text", "json"}:
        raise typer.BadParameter("use text or json", param_hint="--log-format")
    if quiet and verbose:
        raise typer.BadParameter("-q and -v cannot be combined")
    invocation = context.ensure_object(Invocation)
    invocation.config, invocation.quiet, invocation.verbose = config, quiet, verbose
    invocation.log_format = log_format


def expand_bare_refresh(words: Sequence[str]) -> list[str]:
    """Return the arguments with `--refresh` as `--refresh=0`: typer has no options with an optional value."""
    return [
        "--refresh=0" if word == "--refresh" and not _is_number(after) else word
        for word, after in zip(words, [*words, ""][1:], strict=True)
    ]


def _is_number(word: str) -> bool:
    return word.replace(".", "", 1).isdecimal()


def main() -> None:
    """Run the command line. Every error becomes a message and an exit code here, and nowhere else."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name in the archive never ends a command
    invocation = Invocation()
    try:
        app(args=expand_bare_refresh(sys.argv[1:]), prog_name="harvester", obj=invocation)
    except (Exception, KeyboardInterrupt) as exc:
        # Imported when it is needed: 40 ms that `--version` and `--help` need not wait for.
        from harvester.cli.output.errors import report_error  # noqa: PLC0415

        sys.exit(report_error(exc, invocation))
