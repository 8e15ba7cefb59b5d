"""Settings from their four places: flag, environment, TOML file, default. All mistakes at once."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import msgspec

from harvester.config.check import find_contradictions
from harvester.config.lines import KeyPath, find_lines
from harvester.config.settings import Duration, Settings
from harvester.config.units import parse_duration
from harvester.errors import ConfigError

PREFIX: Final = "HARVESTER_"
FILE_NAME: Final = "harvester.toml"
_MAX_FILE_BYTES: Final = 1_000_000
_SECRET_TABLE: Final = "credentials"
"""Its values are never shown: people put tokens where none belong."""


@dataclass(frozen=True)
class Loaded:
    """Settings and where each came from."""

    settings: Settings
    origins: dict[str, str]
    """By `table.key`: `flag --rate`, an environment variable, `FILE line N` or `default`."""
    path: Path | None
    """The TOML file that was read, if there was one."""


@dataclass
class _Draft:
    """What the places say, before it is checked."""

    values: dict[str, Any] = field(default_factory=dict)
    """By `table.key`."""
    origins: dict[str, str] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)

    def put(self, name: str, value: Any, origin: str) -> None:
        self.values[name] = value
        self.origins[name] = origin

    def wrong(self, name: str, text: str) -> None:
        self.mistakes.append(f"{self.origins.get(name, 'default')}: {name} {text}")


def load_settings(
    *,
    path: Path | None,
    environ: Mapping[str, str],
    overrides: Mapping[str, Any],
    flags: Mapping[str, str] | None = None,
    places: Sequence[Path] = (Path(),),
) -> Loaded:
    """All settings in force.

    Args:
        path: The file that was asked for; None: the first `harvester.toml` found in `places`.
        environ: `HARVESTER_TABLE_KEY` as text; lists separated by commas.
        overrides: What arguments say, by `table.key`.
        flags: What the argument of a `table.key` is called, for messages.
        places: Directories that may hold a `harvester.toml`.

    Raises:
        ConfigError: one line for each mistake, with its place and the nearest known key.
    """
    draft = _Draft()
    found = path or next((place / FILE_NAME for place in places if (place / FILE_NAME).is_file()), None)
    if found is not None:
        _take_file(found, draft)
    _take_environment(environ, draft)
    for name, value in overrides.items():
        draft.put(name, value, f"flag {(flags or {}).get(name, '')}".strip())
    settings = _settle(draft)
    if draft.mistakes:
        raise ConfigError(*draft.mistakes)
    return Loaded(settings, {name: draft.origins.get(name, "default") for name, _ in all_keys()}, found)


def all_keys() -> Iterator[tuple[str, msgspec.structs.FieldInfo]]:
    """Every setting by `table.key`, in the order of the file."""
    for table in msgspec.structs.fields(Settings):
        for info in msgspec.structs.fields(table.type):
            yield f"{table.name}.{info.name}", info


def _take_file(path: Path, draft: _Draft) -> None:
    content, lines = _parse_file(path)
    tables = [table.name for table in msgspec.structs.fields(Settings)]
    for table, keys in content.items():
        place = f"{path} line {lines.get((table,), 1)}"
        if table not in tables:
            draft.mistakes.append(f"{place}: unknown table [{table}]{_table_hint(table, tables)}")
        elif not isinstance(keys, dict):
            draft.mistakes.append(f"{place}: {table} is a table; write [{table}] on a line of its own")
        else:
            for key, value in keys.items():
                line = lines.get((table, key)) or lines.get((table,), 1)
                _take_known(table, key, value, f"{path} line {line}", draft)


def _parse_file(path: Path) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """The file's content, and the line of each key."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror or exc}") from exc
    if len(raw) > _MAX_FILE_BYTES:
        raise ConfigError(f"{path} is larger than {_MAX_FILE_BYTES} bytes; that is no configuration")
    try:
        text = raw.decode()
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise ConfigError(f"{path} line {line}: not UTF-8 text") from exc
    try:
        return tomllib.loads(text), find_lines(text)
    except (ValueError, RecursionError) as exc:
        raise ConfigError(f"{path} is not valid TOML: {exc}") from exc


def _take_known(table: str, key: str, value: Any, place: str, draft: _Draft) -> None:
    names = [name for name, _ in all_keys()]
    name = f"{table}.{key}"
    if name in names:
        draft.put(name, value, place)
        return
    elsewhere = next((other for other in names if other.endswith(f".{key}")), None)
    known = [other.partition(".")[2] for other in names if other.startswith(f"{table}.")]
    if table == _SECRET_TABLE and "token" in key:
        hint = "; a token never stands in a configuration, name its file in credentials.token_file"
    elif elsewhere:
        hint = f"; it belongs into [{elsewhere.partition('.')[0]}]"
    else:
        hint = _nearest(key, known)
    draft.mistakes.append(f"{place}: unknown key {name}{hint}")


def _take_environment(environ: Mapping[str, str], draft: _Draft) -> None:
    keys = {PREFIX + name.replace(".", "_").upper(): (name, info) for name, info in all_keys()}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX):
            continue
        if variable not in keys:
            draft.mistakes.append(f"environment: unknown {variable}{_nearest(variable, list(keys))}")
            continue
        name, info = keys[variable]
        value: Any = environ[variable]
        if info.type == tuple[str, ...]:
            value = [part.strip() for part in value.split(",") if part.strip()]
        draft.put(name, value, f"environment {variable}")


def _table_hint(table: str, tables: list[str]) -> str:
    """Where to put a key that stands before the first table."""
    owner = next((name.partition(".")[0] for name, _ in all_keys() if name.endswith(f".{table}")), None)
    return f"; {table} is a key of [{owner}]" if owner else _nearest(table, tables)


def _nearest(word: str, known: list[str]) -> str:
    near = get_close_matches(word, known, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; known are {', '.join(known)}" if len(known) <= 12 else ""


def _settle(draft: _Draft) -> Settings:
    """The settings, wrong ones at their defaults; every mistake is in the draft afterwards."""
    tables = {}
    for table in msgspec.structs.fields(Settings):
        keys: dict[str, Any] = {}
        for info in msgspec.structs.fields(table.type):
            name = f"{table.name}.{info.name}"
            if name in draft.values:
                _settle_key(name, info, draft, keys)
        tables[table.name] = table.type(**keys)
    settings = Settings(**tables)
    for name, text in find_contradictions(settings):
        draft.wrong(name, text)
    return settings


def _settle_key(name: str, info: msgspec.structs.FieldInfo, draft: _Draft, keys: dict[str, Any]) -> None:
    value = draft.values[name]
    strict = not draft.origins[name].startswith(("environment", "flag"))
    try:
        keys[info.name] = msgspec.convert(_as_text(value, info), info.type, strict=strict, dec_hook=_decode)
    except (msgspec.ValidationError, ValueError, OverflowError) as exc:
        shown = "" if name.startswith(f"{_SECRET_TABLE}.") else f"= {value!r:.80}: "
        draft.wrong(name, shown + _plain(str(exc)))


def _as_text(value: Any, info: msgspec.structs.FieldInfo) -> Any:
    """Numbers and dates where a text is wanted: TOML has types of its own for what ids and days look like."""
    if info.type is str:
        return _text_of(value)
    if info.type == tuple[str, ...] and isinstance(value, list):
        return [_text_of(item) for item in value]
    return value


def _text_of(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _decode(kind: type, value: Any) -> Any:
    if kind is Duration:
        return parse_duration(value)
    raise AssertionError("unreachable")


def _plain(text: str) -> str:
    """What msgspec says, for people: types by their TOML names."""
    words = {"`str`": "a text", "`int`": "a whole number", "`float`": "a number", "`bool`": "true or false",
             "`array`": "a list", "`object`": "a table", "`null`": "nothing"}  # fmt: skip
    for word, plain in words.items():
        text = text.replace(word, plain)
    return text[:1].lower() + text[1:]
