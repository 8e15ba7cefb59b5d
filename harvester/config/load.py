"""Settings from their four places: flag, environment, TOML file, default. All mistakes at once.

A file may have tables for several accounts; each of them comes out as settings of its own.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import msgspec

from harvester.config.check import find_clashes, find_contradictions, is_address, is_own
from harvester.config.lines import KeyPath, find_lines
from harvester.config.paths import PATHS, with_home
from harvester.config.settings import Settings
from harvester.config.trust import find_distrust
from harvester.errors import ConfigError
from harvester.secrets import hide
from harvester.text import Duration, parse_duration, parse_rate

PREFIX: Final = "HARVESTER_"
CONFIG_VARIABLE: Final = "HARVESTER_CONFIG"
"""Names the file to read, as `--config` does, which goes before it."""
FILE_NAME: Final = "harvester.toml"
_MAX_FILE_BYTES: Final = 100_000
"""Ten times what `config.example.toml` has; a parser's quadratic time is seconds within it."""
_DEEPEST: Final = 20
_LARGEST: Final = 10**100
_ACCOUNTS: Final = "accounts"
_ACCOUNT_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_RATE: Final = "pace.rate_per_min"


@dataclass(frozen=True)
class Loaded:
    """Settings and where each came from."""

    settings: Settings
    origins: dict[str, str]
    """By `table.key`: `flag --rate`, an environment variable, `FILE line N` or `default`."""
    path: Path | None
    """The TOML file that was read, if there was one."""
    account: str = ""
    """Whose they are; empty: of the only one."""
    accounts: dict[str, Loaded] = field(default_factory=dict)
    """The same for each table below `[accounts]`, by its name."""


@dataclass
class _Draft:
    """What the places say, before it is checked."""

    values: dict[str, Any] = field(default_factory=dict)
    """By `table.key`."""
    origins: dict[str, str] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)
    accounts: dict[str, _Draft] = field(default_factory=dict)
    place: str = ""
    """Where the table of an account begins."""

    def beneath(self, *others: _Draft) -> _Draft:
        """This one and others that go before it, the last one first."""
        merged = _Draft(dict(self.values), dict(self.origins))
        for other in others:
            merged.values |= other.values
            merged.origins |= other.origins
        return merged

    def put(self, name: str, value: Any, origin: str) -> None:
        self.values[name] = with_home(value) if name in PATHS else value
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
        path: The file that was asked for; None: the one that `HARVESTER_CONFIG` names, or the first
            `harvester.toml` found in `places`, which nobody else may be able to write.
        environ: `HARVESTER_TABLE_KEY` as text; lists separated by commas.
        overrides: What arguments say, by `table.key`.
        flags: What the argument of a `table.key` is called, for messages.
        places: Directories that may hold a `harvester.toml`.

    Raises:
        ConfigError: one line for each mistake, with its place and the nearest known key.
    """
    file, above = _Draft(), _Draft()
    found = path or _named_file(environ) or _found_file(places)
    if found is not None:
        _take_file(found, file)
    _take_environment(environ, above)
    for name, value in overrides.items():
        above.put(name, value, f"flag {(flags or {}).get(name, '')}".strip())
    mistakes = file.mistakes + above.mistakes
    loaded = _loaded(file.beneath(above), found, mistakes)
    shared = _Draft({name: value for name, value in file.values.items() if not is_own(name)}, file.origins)
    for account, own in file.accounts.items():
        mistakes += own.mistakes
        loaded.accounts[account] = _loaded(shared.beneath(own, above), found, mistakes, account)
    clashes = find_clashes({account: own.values for account, own in file.accounts.items()})
    mistakes += [f"{file.accounts[account].place}: {text}" for account, text in clashes]
    if mistakes:
        raise ConfigError(*dict.fromkeys(mistakes))
    return loaded


def _named_file(environ: Mapping[str, str]) -> Path | None:
    name = environ.get(CONFIG_VARIABLE, "")
    return Path(with_home(name)) if name else None


def _found_file(places: Sequence[Path]) -> Path | None:
    """The first file that is there by itself.

    Raises:
        ConfigError: somebody else may have written it.
    """
    found = next((place / FILE_NAME for place in places if (place / FILE_NAME).is_file()), None)
    distrust = find_distrust(found) if found else None
    if distrust:
        raise ConfigError(
            f"{found} is not used: {distrust.problem}, and a configuration can run commands and choose the "
            f"server; name it with --config or {CONFIG_VARIABLE} if you trust it, or {distrust.fix}"
        )
    return found


def _loaded(draft: _Draft, path: Path | None, mistakes: list[str], account: str = "") -> Loaded:
    settings = _settle(draft)
    for address in (
        settings.notify.healthchecks_url,
        settings.notify.webhook_url,
        *settings.notify.apprise_urls,
    ):
        hide(address)
    mistakes += draft.mistakes
    origins = {name: draft.origins.get(name, "default") for name, _ in all_keys()}
    return Loaded(settings, origins, path, account)


def pick_account(loaded: Loaded, account: str | None, *, anyway: bool = False) -> Loaded:
    """The settings of one account, or of the only one.

    Args:
        loaded: Of all accounts.
        account: Its name; None: none was asked for.
        anyway: Whether the settings that all have in common will do, since the Archive is named elsewhere.

    Raises:
        ConfigError: there is no such account, or there are several.
    """
    names = ", ".join(loaded.accounts) or "none"
    if account is not None:
        if account not in loaded.accounts:
            raise ConfigError(f"--account {account}: the configuration has no such account; it has {names}")
        return loaded.accounts[account]
    if loaded.accounts and not anyway:
        raise ConfigError(f"the configuration has several accounts; add --account with one of {names}")
    return loaded


def all_keys() -> Iterator[tuple[str, msgspec.structs.FieldInfo]]:
    """Every setting by `table.key`, in the order of the file."""
    for table in msgspec.structs.fields(Settings):
        for info in msgspec.structs.fields(table.type):
            yield f"{table.name}.{info.name}", info


def _take_file(path: Path, draft: _Draft) -> None:
    content, lines = _parse_file(path)
    accounts = content.pop(_ACCOUNTS, {})
    where = _Where(path, lines)
    _take_tables(content, where, draft)
    if not isinstance(accounts, dict) or not all(isinstance(tables, dict) for tables in accounts.values()):
        draft.mistakes.append(f"{where(_ACCOUNTS)}: write a table [accounts.NAME] for each account")
        return
    for account, tables in accounts.items():
        below = _Where(path, lines, (_ACCOUNTS, account))
        if not _ACCOUNT_NAME.fullmatch(account):
            draft.mistakes.append(f"{below()}: {account!r:.80} is no name; use letters, digits, - and _")
            continue
        draft.accounts[account] = _Draft(place=below())
        _take_tables(tables, below, draft.accounts[account])


@dataclass(frozen=True)
class _Where:
    """The place of a table or key, for messages."""

    path: Path
    lines: Mapping[KeyPath, int]
    above: KeyPath = ()

    def __call__(self, *names: str) -> str:
        """Of the key, or of the nearest table around it that has a line."""
        keys = (*self.above, *names)
        around = (self.lines.get(keys[:length]) for length in range(len(keys), 0, -1))
        return f"{self.path} line {next(filter(None, around), 1)}"


def _take_tables(content: Mapping[str, Any], where: _Where, draft: _Draft) -> None:
    tables = [table.name for table in msgspec.structs.fields(Settings)]
    title = "".join(f"{name}." for name in where.above)
    for table, keys in content.items():
        if table not in tables:
            hint = _table_hint(table, tables, title)
            draft.mistakes.append(f"{where(table)}: unknown table [{title}{table}]{hint}")
        elif not isinstance(keys, dict):
            draft.mistakes.append(
                f"{where(table)}: {table} is a table; write [{title}{table}] on a line of its own"
            )
        else:
            for key, value in keys.items():
                _take_known(table, key, value, where(table, key), draft)


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
        content = tomllib.loads(text)
        _check_sane(content)
        return content, find_lines(text)
    except (ValueError, RecursionError) as exc:
        raise ConfigError(f"{path} is not valid TOML: {exc}") from exc


def _check_sane(content: dict[str, Any]) -> None:
    """Refuse what could not even be shown in a message; TOML itself allows it."""
    waiting: list[tuple[Any, int]] = [(content, 0)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, dict | list):
            if depth > _DEEPEST:
                raise ValueError(f"it nests deeper than {_DEEPEST} levels")
            inner = value.values() if isinstance(value, dict) else value
            waiting += [(item, depth + 1) for item in inner]
        elif isinstance(value, int) and abs(value) > _LARGEST:
            raise ValueError("it has a number of more than a hundred digits")


def _take_known(table: str, key: str, value: Any, place: str, draft: _Draft) -> None:
    names = [name for name, _ in all_keys()]
    name = f"{table}.{key}"
    if name in names:
        draft.put(name, value, place)
        return
    elsewhere = next((other for other in names if other.endswith(f".{key}")), None)
    known = [other.partition(".")[2] for other in names if other.startswith(f"{table}.")]
    if table == "credentials" and "token" in key:
        hint = "; a token never stands in a configuration, name its file in credentials.token_file"
    elif elsewhere:
        hint = f"; it belongs into [{elsewhere.partition('.')[0]}]"
    else:
        hint = _nearest(key, known)
    draft.mistakes.append(f"{place}: unknown key {name}{hint}")


def _take_environment(environ: Mapping[str, str], draft: _Draft) -> None:
    keys = {PREFIX + name.replace(".", "_").upper(): (name, info) for name, info in all_keys()}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE:
            continue
        if variable not in keys:
            draft.mistakes.append(f"environment: unknown {variable}{_nearest(variable, list(keys))}")
            continue
        name, info = keys[variable]
        value: Any = environ[variable]
        if info.type == tuple[str, ...]:
            value = [part.strip() for part in value.split(",") if part.strip()]
        draft.put(name, value, f"environment {variable}")


def _table_hint(table: str, tables: list[str], title: str) -> str:
    """Where to put a key that stands outside of its table."""
    owner = next((name.partition(".")[0] for name, _ in all_keys() if name.endswith(f".{table}")), None)
    return f"; {table} is a key of [{title}{owner}]" if owner else _nearest(table, [*tables, _ACCOUNTS])


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
        if name == _RATE and isinstance(value, str):
            value = parse_rate(value)
        keys[info.name] = msgspec.convert(_as_text(value, info), info.type, strict=strict, dec_hook=_decode)
    except (msgspec.ValidationError, ValueError, OverflowError) as exc:
        # People put tokens where none belong, and addresses are secrets.
        secret = name.startswith("credentials.") or is_address(name)
        shown = "" if secret else f"= {value!r:.80}: "
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
