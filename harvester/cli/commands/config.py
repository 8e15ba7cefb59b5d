"""`harvester config show`: every setting in force, and where it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import typer

from harvester.cli import options
from harvester.cli.console import Session, emit_json
from harvester.secrets import MASK

if TYPE_CHECKING:
    from harvester.config import Loaded


def config_show(context: typer.Context, account: options.Account = None, json: options.Json = False) -> None:
    """Show every setting in force and where it came from; secrets are masked.

    Of several accounts, what they share is shown first, then what is each one's own.

    \b
    Exit codes:
      0 ok · 2 the configuration is wrong; every mistake is named
    """
    from harvester.config import is_own, pick_account

    session: Session = context.obj
    loaded = pick_account(session.load_all(), account, allow_shared=True)
    rows = _rows(loaded)
    own = {
        name: [row for row in _rows(one) if is_own(row.name) or loaded.origins[row.name] != row.origin]
        for name, one in loaded.accounts.items()
    }
    if json:
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
    """Nothing that is secret."""
    origin: str

    def document(self) -> dict[str, object]:
        return {"value": self.value, "from": self.origin}


def _rows(loaded: Loaded) -> list[_Row]:
    import msgspec

    from harvester.config import all_keys
    from harvester.text import Duration, render_duration

    rows = []
    for name, info in all_keys():
        table, _, key = name.partition(".")
        value = getattr(getattr(loaded.settings, table), key)
        shown = render_duration(value) if info.type is Duration else msgspec.to_builtins(value)
        rows.append(_Row(name, _unrevealing(name, shown), loaded.origins[name]))
    return rows


def _show(session: Session, rows: list[_Row]) -> None:
    width = max(len(row.name) for row in rows)
    for name, value, origin in rows:
        session.show(f"{name:<{width}} = {_toml(value):<30}  # {origin}")


def _unrevealing(name: str, value: object) -> object:
    """A value without what may be a secret: people put tokens where none belong."""
    from harvester.config import is_address, is_user_id, may_be_token

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
    """A command by its program alone, since people write secrets into its arguments."""
    from shutil import which

    program = command.partition(" ")[0]
    return f"{program} {MASK}" if which(program) else MASK


def _toml(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)
