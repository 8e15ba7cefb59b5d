"""Groups of commands that import a command's module only when it is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group


@dataclass(frozen=True)
class Lazy:
    """A command that is not imported yet."""

    module: str
    """In `harvester.cli.commands`."""
    function: str
    help: str
    """Its line in the list of commands."""

    def load(self, name: str) -> Any:
        """Import the command."""
        function = getattr(import_module(f"harvester.cli.commands.{self.module}"), self.function)
        alone = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        alone.command(name, short_help=self.help)(function)
        return get_command(alone)


@dataclass(frozen=True)
class LazyCommands:
    """A group of commands below the main one."""

    help: str
    commands: Mapping[str, Lazy]

    def load(self, name: str) -> Any:
        """Build the group."""
        group = typer.Typer(
            name=name,
            cls=lazy_group(self.commands),
            help=self.help,
            no_args_is_help=True,
            rich_markup_mode=None,
        )
        return get_group(group)


class LazyGroup(TyperGroup):
    """Knows names and help lines of its commands from a table."""

    table: ClassVar[Mapping[str, Lazy | LazyCommands]] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands, in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import a command; None if there is none of that name."""
        entry = self.table.get(cmd_name)
        return entry and entry.load(cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands for `--help`, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.table.items()])


def lazy_group(table: Mapping[str, Lazy | LazyCommands]) -> type[LazyGroup]:
    """Return a group class with these commands, for `typer.Typer(cls=...)`."""
    return type("Group", (LazyGroup,), {"table": table})
