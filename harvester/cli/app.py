"""The command line as a whole: global options, and one module a command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from harvester import __version__
from harvester.cli.config_show import config_show
from harvester.cli.console import Session, report_error
from harvester.cli.demo import demo
from harvester.cli.run import run
from harvester.cli.simulate import simulate
from harvester.cli.snapshots import snapshots

app = typer.Typer(
    name="harvester",
    help="Copy every backtest report of a QuantConnect account into a dated archive.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
config = typer.Typer(help="Look at the configuration.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(config, name="config")

app.command()(run)
app.command()(demo)
app.command()(simulate)
app.command()(snapshots)
config.command("show")(config_show)

_session = Session()


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"harvester {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="The TOML file.")] = None,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Say nothing unless something is wrong.")
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
    _session.config, _session.quiet, _session.verbose = config, quiet, verbose
    _session.log_format = log_format
    context.obj = _session


def main() -> None:
    """Run the command line; every error becomes a message and an exit code here and nowhere else."""
    try:
        app()
    except Exception as exc:
        sys.exit(report_error(exc, _session))
    except KeyboardInterrupt as exc:
        sys.exit(report_error(exc, _session))
