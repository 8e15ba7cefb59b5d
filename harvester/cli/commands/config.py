"""`harvester config show`: every setting in force, and where it came from."""

from __future__ import annotations

import json
from shutil import which
from typing import NamedTuple

import msgspec
import typer

from harvester.cli.options import with_options
from harvester.cli.output.emit import emit_json
from harvester.cli.session import Session
from harvester.config import Loaded, all_keys, is_address, is_own, is_user_id, may_be_token
from harvester.secrets import MASK
from harvester.text import Duration, render_duration


@with_options("account", "json")
def config_show(context: typer.Context) -> None:
    """Show every setting in force and where it came from; secrets are masked.

    If there are several accounts, shared settings are shown first, then the settings of each.

    \b
    Exit codes:
      0 ok · 2 the configuration is wrong; every mistake is listed
    """
    session = Session.of(context)
    loaded = session.pick(session.load_all(), allow_shared=True)
    rows = _rows(loaded)
    own = {
        name: [row for row in _rows(one) if is_own(row.name) or loaded.origins[row.name] != row.origin]
        for name, one in loaded.accounts.items()
    }
    if session.json:
        document: dict[str, object] = {row.name: row.document() for row in rows}
        accounts = {name: {row.name: row.document() for row in changed} for name, changed in own.items()}
        emit_json(document | ({"accounts": accounts} if accounts else {}))
        return
    session.show(f"# {loaded.path or 'no configuration file; every default can be set in ./harvester.toml'}")
    _show(session, rows)
    for name, changed in own.items():
        session.show("", f"[accounts.{name}]")
        _show(session, changed)


class _Row(NamedTuple):
    """One setting."""

    name: str
    value: object
    """Masked where it may be a secret."""
    origin: str

    def document(self) -> dict[str, object]:
        return {"value": self.value, "from": self.origin}


def _rows(loaded: Loaded) -> list[_Row]:
    rows = []
    for name, info in all_keys():
        table, _, key = name.partition(".")
        value = getattr(getattr(loaded.settings, table), key)
        shown = render_duration(value) if info.type is Duration else msgspec.to_builtins(value)
        rows.append(_Row(name, _masked(name, shown), loaded.origins[name]))
    return rows


def _show(session: Session, rows: list[_Row]) -> None:
    width = max(len(row.name) for row in rows)
    for name, value, origin in rows:
        session.show(f"{name:<{width}} = {_toml(value):<30}  # {origin}")


def _masked(name: str, value: object) -> object:
    """The value, masked where it may be a secret: people put tokens into the wrong settings."""
    text = str(value)
    if not value:
        return value
    if name == "credentials.token_command":
        return _program_of(text)
    if name == "credentials.user_id":
        return value if is_user_id(text.strip()) else MASK
    if name == "credentials.token_file":
        return MASK if may_be_token(text) else value
    return MASK if is_address(name) else value


def _program_of(command: str) -> str:
    """The command with its arguments masked: people put secrets into them."""
    program = command.partition(" ")[0]
    return f"{program} {MASK}" if which(program) else MASK


def _toml(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
