"""`harvester help`: the manual in the terminal."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markdown import Markdown
from typer.core import TyperGroup

from harvester.manual import text, topics

_WIDEST = 100
"""Columns; longer lines are hard to read, however wide the terminal is."""


def show_help(
    context: typer.Context,
    topic: Annotated[
        str, typer.Argument(metavar="[TOPIC]", help="A topic of the manual, or a command.")
    ] = "",
) -> None:
    """Show a topic of the manual; without one, list the topics.

    On a terminal the text is formatted and shown with your pager (PAGER); otherwise it is plain Markdown.
    The name of a command shows that command's help.

    \b
    Exit codes:
      0 ok · 2 there is no such topic
    """
    known = topics()
    if topic in known:
        _show(text(topic))
    elif not topic:
        print("Topics of the manual; read one with `harvester help TOPIC`:\n")
        for name, title in known.items():
            print(f"  {name:<12}{title}")
        print("\nHelp for a command: `harvester help COMMAND`. All commands: `harvester --help`.")
    else:
        print(_command_help(context.parent, topic, known))


def _show(markdown: str) -> None:
    if not sys.stdout.isatty():
        print(markdown, end="")
        return
    console = Console()
    console.width = min(console.width, _WIDEST)
    # Like git: `less` keeps colours, and ends by itself when all fits on the screen.
    os.environ.setdefault("LESS", "FRX")
    with console.pager(styles=True):
        console.print(Markdown(markdown))


def _command_help(parent: Any, name: str, known: dict[str, str]) -> str:
    """Return what `harvester NAME --help` prints; `parent` is the context of the whole program."""
    program = parent.command
    if isinstance(program, TyperGroup) and (command := program.get_command(parent, name)):
        return command.get_help(typer.Context(command, parent=parent, info_name=name))
    raise typer.BadParameter(
        f"the manual has no topic {name!r}, and there is no such command; topics: {', '.join(known)}",
        param_hint="TOPIC",
    )
