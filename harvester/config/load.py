"""Settings in force: the sources merged, every value checked, all errors reported at once.

Priority, from the lowest: defaults, the file, the account's table in the file, the environment, arguments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from harvester.config.check import find_clashes, find_contradictions, is_address, is_own
from harvester.config.settings import Rate, Settings, all_keys
from harvester.config.sources import Source, find_file, read_arguments, read_environment, read_file
from harvester.errors import ConfigError
from harvester.secrets import hide
from harvester.text import Duration, parse_duration, parse_rate


@dataclass(frozen=True)
class Loaded:
    """Settings and where each came from."""

    settings: Settings
    origins: dict[str, str]
    """By `table.key`: `flag --rate`, an environment variable, `FILE line N` or `default`."""
    path: Path | None
    """The TOML file that was read, if there was one."""
    account: str = ""
    """Account name; empty if only one is configured."""
    accounts: dict[str, Loaded] = field(default_factory=dict)
    """The settings of each account that has a table in `[accounts]`, by its name."""


def load_settings(
    *,
    path: Path | None = None,
    environ: Mapping[str, str],
    overrides: Mapping[str, Any],
    flags: Mapping[str, str] | None = None,
    places: Sequence[Path] = (Path(),),
) -> Loaded:
    """Return all settings in force, of all accounts; the addresses of notifications are masked from now on.

    Args:
        path: The file to read; None: the one that `HARVESTER_CONFIG` names, or the first `harvester.toml`
            in `places`, which nobody else may be able to write.
        environ: `HARVESTER_TABLE_KEY` as text; lists separated by commas.
        overrides: What arguments say, by `table.key`.
        flags: The name of the argument of a `table.key`, for messages.
        places: Directories that may hold a `harvester.toml`.

    Raises:
        ConfigError: one line for each mistake, with its place and the nearest known key.
    """
    found = find_file(path, environ, places)
    file = read_file(found) if found is not None else Source()
    environment, arguments = read_environment(environ), read_arguments(overrides, flags or {})
    errors = file.errors + environment.errors
    merged = file.overlaid_by(environment, arguments)
    loaded = Loaded(_build(merged), _origins(merged), found)
    errors += merged.errors
    # What belongs to one account only, such as its archive, is never inherited from the shared tables.
    shared = Source({name: value for name, value in file.values.items() if not is_own(name)}, file.origins)
    for account, own in file.accounts.items():
        merged = shared.overlaid_by(own, environment, arguments)
        loaded.accounts[account] = Loaded(_build(merged), _origins(merged), found, account)
        errors += own.errors + merged.errors
    clashes = find_clashes({account: own.values for account, own in file.accounts.items()})
    errors += [f"{file.accounts[account].place}: {text}" for account, text in clashes]
    if errors:
        # A wrong shared value is found again for each account, but reported once.
        raise ConfigError(*dict.fromkeys(errors))
    return loaded


def pick_account(loaded: Loaded, account: str | None, *, allow_shared: bool = False) -> Loaded:
    """Return the settings of one account, or of the only one.

    Args:
        loaded: Of all accounts.
        account: Its name; None: none was given.
        allow_shared: Whether the settings that all accounts share will do, since the Archive is named
            elsewhere.

    Raises:
        ConfigError: there is no such account, or there are several and none was named.
    """
    names = ", ".join(loaded.accounts) or "none"
    if account is not None:
        if account not in loaded.accounts:
            raise ConfigError(f"--account {account}: the configuration has no such account; it has {names}")
        return loaded.accounts[account]
    if loaded.accounts and not allow_shared:
        raise ConfigError(f"the configuration has several accounts; add --account with one of {names}")
    return loaded


def _build(source: Source) -> Settings:
    """Return the settings, wrong values at their defaults; every error is in the source afterwards."""
    tables = {}
    for table in msgspec.structs.fields(Settings):
        keys: dict[str, Any] = {}
        for info in msgspec.structs.fields(table.type):
            name = f"{table.name}.{info.name}"
            if name in source.values:
                _convert_key(name, info, source, keys)
        tables[table.name] = table.type(**keys)
    # With wrong values at their defaults the others can still be checked, so all errors come at once.
    settings = Settings(**tables)
    for name, text in find_contradictions(settings):
        source.add_error(name, text)
    notify = settings.notify
    for address in (notify.healthchecks_url, notify.webhook_url, *notify.apprise_urls):
        hide(address)
    return settings


def _origins(source: Source) -> dict[str, str]:
    return {name: source.origins.get(name, "default") for name, _ in all_keys()}


def _convert_key(name: str, info: msgspec.structs.FieldInfo, source: Source, keys: dict[str, Any]) -> None:
    """Add the converted value to `keys`, or an error to the source."""
    value = source.values[name]
    # TOML has types, so `tries = "4"` is wrong there; variables and arguments are always text.
    strict = not source.origins[name].startswith(("environment", "flag"))
    try:
        value = _as_written(value, info)
        keys[info.name] = msgspec.convert(value, info.type, strict=strict, dec_hook=_convert_duration)
    except (msgspec.ValidationError, ValueError, OverflowError) as exc:
        # People put tokens into the wrong key, and addresses are secrets.
        is_secret = name.startswith("credentials.") or is_address(name)
        shown = "" if is_secret else f"= {value!r:.80}: "
        source.add_error(name, shown + _in_plain_words(str(exc)))


def _as_written(value: Any, info: msgspec.structs.FieldInfo) -> Any:
    """Return a value in the form that its type is converted from.

    TOML has types of its own for what looks like an id or a day, so numbers and dates become text where text
    is wanted. A rate that is written with its unit becomes a number.
    """
    if info.type is str:
        return _text_of(value)
    if info.type == tuple[str, ...] and isinstance(value, list):
        return [_text_of(item) for item in value]
    if info.type == Rate and isinstance(value, str):
        return parse_rate(value)
    return value


def _text_of(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _convert_duration(kind: type, value: Any) -> Any:
    if kind is Duration:
        return parse_duration(value)
    raise AssertionError("unreachable")


def _in_plain_words(text: str) -> str:
    """Return a message of msgspec with types by their TOML names."""
    words = {"`str`": "a text", "`int`": "a whole number", "`float`": "a number", "`bool`": "true or false",
             "`array`": "a list", "`object`": "a table", "`null`": "nothing"}  # fmt: skip
    for word, plain in words.items():
        text = text.replace(word, plain)
    return text[:1].lower() + text[1:]
