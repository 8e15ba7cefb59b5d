"""Settings from their four places: flag, environment, TOML file, default. All mistakes at once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from harvester.config.settings import ApiSettings, Duration, Settings
from harvester.config.units import parse_duration
from harvester.errors import ConfigError

PREFIX: Final = "HARVESTER_"
_MAX_FILE_BYTES: Final = 1_000_000
_HEADER: Final = re.compile(r"\s*\[\s*([A-Za-z0-9_.\"'-]+)\s*\]")
_KEY: Final = re.compile(r"\s*[\"']?([A-Za-z0-9_.-]+)[\"']?\s*=")


@dataclass(frozen=True)
class Loaded:
    """Settings and where each came from."""

    settings: Settings
    origins: dict[str, str]
    """By `table.key`: `flag`, an environment variable, `FILE line N` or `default`."""
    path: Path | None
    """The TOML file that was read, if there was one."""


@dataclass
class _Draft:
    """What the places say, before it is checked."""

    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)

    def put(self, table: str, key: str, value: Any, origin: str) -> None:
        self.values.setdefault(table, {})[key] = value
        self.origins[f"{table}.{key}"] = origin


def load_settings(
    *,
    path: Path | None,
    environ: Mapping[str, str],
    overrides: Mapping[str, Any],
    user_dir: Path | None = None,
    working_dir: Path | None = None,
) -> Loaded:
    """All settings in force.

    Args:
        path: The file that was asked for; None: `harvester.toml` here, then in the user's directory.
        environ: `HARVESTER_TABLE_KEY` as text; lists separated by commas.
        overrides: What arguments say, by `table.key`.
        user_dir: The user's configuration directory.
        working_dir: Where `./harvester.toml` is looked for.

    Raises:
        ConfigError: one line for each mistake, with its place and the nearest known key.
    """
    draft = _Draft()
    found = path or _find(working_dir or Path(), user_dir)
    if found is not None:
        _from_file(found, draft)
    _from_environment(environ, draft)
    for name, value in overrides.items():
        table, _, key = name.partition(".")
        draft.put(table, key, value, "flag")
    settings = _convert(draft)
    if draft.mistakes or settings is None:
        raise ConfigError(*draft.mistakes)
    origins = {name: draft.origins.get(name, "default") for name, _ in all_keys()}
    return Loaded(settings, origins, found)


def all_keys() -> Iterator[tuple[str, msgspec.structs.FieldInfo]]:
    """Every setting by `table.key`, in the order of the file."""
    for table in msgspec.structs.fields(Settings):
        for info in msgspec.structs.fields(table.type):
            yield f"{table.name}.{info.name}", info


def _find(working_dir: Path, user_dir: Path | None) -> Path | None:
    places = [working_dir / "harvester.toml", *([user_dir / "harvester.toml"] if user_dir else [])]
    return next((place for place in places if place.is_file()), None)


def _from_file(path: Path, draft: _Draft) -> None:
    content, lines = _parse_file(path)
    tables = [table.name for table in msgspec.structs.fields(Settings)]
    for table, keys in content.items():
        place = f"{path} line {lines.get((table, ''), lines.get(('', table), 1))}"
        if table not in tables:
            draft.mistakes.append(f"{place}: unknown table [{table}]{_nearest(table, tables)}")
        elif not isinstance(keys, dict):
            draft.mistakes.append(f"{place}: `{table}` is a table; write [{table}] on a line of its own")
        else:
            for key, value in keys.items():
                _put_known(table, key, value, f"{path} line {lines.get((table, key), '?')}", draft)


def _parse_file(path: Path) -> tuple[dict[str, Any], dict[tuple[str, str], int]]:
    """The file's content, and the line of each key."""
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise ConfigError(f"{path} is larger than {_MAX_FILE_BYTES} bytes; that is no configuration")
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text), _line_numbers(text)
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror or exc}") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path} is not UTF-8 text") from exc
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        raise ConfigError(f"{path} is not valid TOML: {exc}") from exc


def _put_known(table: str, key: str, value: Any, place: str, draft: _Draft) -> None:
    known = [name.partition(".")[2] for name, _ in all_keys() if name.startswith(f"{table}.")]
    if key in known:
        draft.put(table, key, value, place)
        return
    elsewhere = [name for name, _ in all_keys() if name.partition(".")[2] == key]
    hint = f"; it belongs into [{elsewhere[0].partition('.')[0]}]" if elsewhere else _nearest(key, known)
    draft.mistakes.append(f"{place}: unknown key {table}.{key}{hint}")


def _line_numbers(text: str) -> dict[tuple[str, str], int]:
    """The line of each (table, key), and of each table as (table, ""); good enough for messages."""
    found: dict[tuple[str, str], int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        header, key = _HEADER.match(line), _KEY.match(line)
        if header:
            table = header[1].strip("\"'")
            found.setdefault((table, ""), number)
        elif key:
            name = key[1]
            place = (table, name) if table or "." not in name else tuple(name.split(".", 1))
            found.setdefault((str(place[0]), str(place[1])), number)
    return found


def _from_environment(environ: Mapping[str, str], draft: _Draft) -> None:
    names = {PREFIX + name.replace(".", "_").upper(): name for name, _ in all_keys()}
    infos = dict(all_keys())
    for variable in sorted(environ):
        if not variable.startswith(PREFIX):
            continue
        name = names.get(variable)
        if name is None:
            draft.mistakes.append(f"environment: unknown {variable}{_nearest(variable, list(names))}")
            continue
        value: Any = environ[variable]
        if infos[name].type == tuple[str, ...]:
            value = [part.strip() for part in value.split(",") if part.strip()]
        table, _, key = name.partition(".")
        draft.put(table, key, value, f"environment {variable}")


def _nearest(word: str, known: list[str]) -> str:
    near = get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"


def _convert(draft: _Draft) -> Settings | None:
    tables: dict[str, Any] = {}
    for table in msgspec.structs.fields(Settings):
        keys: dict[str, Any] = {}
        for info in msgspec.structs.fields(table.type):
            name = f"{table.name}.{info.name}"
            if name in draft.origins:
                _convert_key(name, info, draft, keys)
        tables[table.name] = table.type(**keys)
    settings = Settings(**tables)
    draft.mistakes += [
        f"{draft.origins.get(name, 'default')}: {name} {text}" for name, text in _contradictions(settings)
    ]
    return None if draft.mistakes else settings


def _convert_key(name: str, info: msgspec.structs.FieldInfo, draft: _Draft, keys: dict[str, Any]) -> None:
    table, _, key = name.partition(".")
    value, origin = draft.values[table][key], draft.origins[name]
    try:
        strict = not origin.startswith(("environment", "flag"))
        keys[key] = msgspec.convert(value, info.type, strict=strict, dec_hook=_decode)
    except (msgspec.ValidationError, ValueError) as exc:
        draft.mistakes.append(f"{origin}: {name} = {value!r:.80}: {_plain(str(exc))}")


def _decode(kind: type, value: Any) -> Any:
    if kind is Duration:
        return parse_duration(value)
    raise NotImplementedError(kind)


def _plain(text: str) -> str:
    """What msgspec says, for people: types by their TOML names."""
    words = {"`str`": "a text", "`int`": "a whole number", "`float`": "a number", "`bool`": "true or false",
             "`array`": "a list", "`null`": "nothing"}  # fmt: skip
    for word, plain in words.items():
        text = text.replace(word, plain)
    return text[:1].lower() + text[1:]


def _contradictions(settings: Settings) -> Iterator[tuple[str, str]]:
    """What each value allows by itself but the API, the calendar or common sense does not."""
    for key in ("created_after", "created_before"):
        text = getattr(settings.filters, key)
        if text and not _is_time(text):
            yield (
                f"filters.{key}",
                f"= {text!r}: write a date such as 2026-01-31, or a time such as 2026-01-31T08:00Z",
            )
    try:
        ZoneInfo(settings.archive.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield (
            "archive.timezone",
            f"= {settings.archive.timezone!r}: no time zone of that name, such as Europe/Berlin",
        )
    trouble = _url_trouble(settings.api)
    if trouble:
        yield "api.base_url", f"= {settings.api.base_url!r}: {trouble}"
    if not settings.archive.dir:
        yield "archive.dir", "is empty"


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _url_trouble(api: ApiSettings) -> str:
    try:
        url = urlsplit(api.base_url)
        host = url.hostname or ""
    except ValueError:
        return "not a URL"
    if url.scheme not in {"http", "https"} or not host:
        return "not a URL; it starts with https://"
    if url.username or url.password or url.query or url.fragment:
        return "it must hold no user, password, query or fragment"
    if url.scheme == "http" and not api.allow_http and not _is_loopback(host):
        return (
            "plain http would show the signature to everyone between; use https, or set api.allow_http = true"
        )
    return ""


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
