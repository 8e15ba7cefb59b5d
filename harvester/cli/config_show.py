"""`harvester config show`: every setting in force, and where it came from."""

from __future__ import annotations

import typer

from harvester.cli import options
from harvester.cli.console import Session, emit_json
from harvester.cli.redact import MASK


def config_show(context: typer.Context, json: options.Json = False) -> None:
    """Show every setting in force and where it came from; secrets are masked.

    \b
    Exit codes:
      0 ok · 2 the configuration is wrong; every mistake is named
    """
    import msgspec

    from harvester.config.load import all_keys
    from harvester.config.settings import Duration
    from harvester.config.units import render_duration

    session: Session = context.obj
    loaded = session.load()
    rows = []
    for name, info in all_keys():
        table, _, key = name.partition(".")
        value = getattr(getattr(loaded.settings, table), key)
        shown = render_duration(value) if info.type is Duration else msgspec.to_builtins(value)
        rows.append((name, _unrevealing(name, shown), loaded.origins[name]))
    if json:
        emit_json({name: {"value": value, "from": origin} for name, value, origin in rows})
        return
    session.show(f"# {loaded.path or 'no configuration file; every default can be set in ./harvester.toml'}")
    width = max(len(name) for name, _, _ in rows)
    for name, value, origin in rows:
        session.show(f"{name:<{width}} = {_toml(value):<30}  # {origin}")


def _unrevealing(name: str, value: object) -> object:
    """A command by its program alone, since people write secrets into its arguments; addresses not at all."""
    if name == "credentials.token_command" and value:
        return f"{str(value).split()[0]} {MASK}"
    return MASK if name.startswith("notify.") and value else value


def _toml(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)
