"""Where settings are written: the TOML file, the environment, arguments. Each is read into a `Source`.

A source holds what was written, where it was written, and what is wrong with names and places. Whether the
values themselves are right is decided later, over all sources together (`harvester.config.load`).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import msgspec

from harvester.config.lines import KeyPath, find_lines
from harvester.config.paths import PATHS, with_home
from harvester.config.settings import Settings, all_keys
from harvester.config.trust import find_distrust
from harvester.errors import ConfigError

PREFIX: Final = "HARVESTER_"
CONFIG_VARIABLE: Final = "HARVESTER_CONFIG"
"""Names the file to read, as `--config` does; `--config` has priority."""
FILE_NAME: Final = "harvester.toml"
_MAX_FILE_BYTES: Final = 100_000
"""Ten times the size of `config.example.toml`; a parser with quadratic time needs seconds for it."""
_MAX_DEPTH: Final = 20
_LARGEST_NUMBER: Final = 10**100
_ACCOUNTS: Final = "accounts"
_ACCOUNT_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


@dataclass
class Source:
    """What one place says about settings, before the values are checked."""

    values: dict[str, Any] = field(default_factory=dict)
    """By `table.key`."""
    origins: dict[str, str] = field(default_factory=dict)
    """By `table.key`: where it is written, for people."""
    errors: list[str] = field(default_factory=list)
    """What is wrong, one line each."""
    accounts: dict[str, Source] = field(default_factory=dict)
    """One source for each table `[accounts.NAME]`, by name."""
    place: str = ""
    """Where the table of an account begins, for people."""

    def overlaid_by(self, *others: Source) -> Source:
        """Return the values of this source and of the others; a later source has priority."""
        merged = Source(dict(self.values), dict(self.origins))
        for other in others:
            merged.values |= other.values
            merged.origins |= other.origins
        return merged

    def set(self, name: str, value: Any, origin: str) -> None:
        """Keep the value of a `table.key`."""
        self.values[name] = with_home(value) if name in PATHS else value
        self.origins[name] = origin

    def add_error(self, name: str, text: str) -> None:
        """Keep what is wrong with the value of a `table.key`."""
        self.errors.append(f"{self.origins.get(name, 'default')}: {name} {text}")


@dataclass(frozen=True)
class _Locator:
    """Finds the line of a table or key, for messages."""

    path: Path
    lines: Mapping[KeyPath, int]
    above: KeyPath = ()
    """The tables around it: `accounts` and a name, or none."""

    def __call__(self, *names: str) -> str:
        """Return the place of a key, or of the nearest table around it with a known line."""
        keys = (*self.above, *names)
        around = (self.lines.get(keys[:length]) for length in range(len(keys), 0, -1))
        return f"{self.path} line {next(filter(None, around), 1)}"


def find_file(path: Path | None, environ: Mapping[str, str], places: Sequence[Path]) -> Path | None:
    """Return the file to read: the named one, the one in `HARVESTER_CONFIG`, or the first one in `places`.

    Raises:
        ConfigError: a file in `places` may have been written by somebody else.
    """
    named = environ.get(CONFIG_VARIABLE, "")
    if path or named:
        return path or Path(with_home(named))
    found = next((place / FILE_NAME for place in places if (place / FILE_NAME).is_file()), None)
    # Only a file that nobody named is checked: `cd` into a foreign directory must not run its commands.
    distrust = find_distrust(found) if found else None
    if distrust:
        raise ConfigError(
            f"{found} is not used: {distrust.problem}, and a configuration can run commands and choose the "
            f"server; name it with --config or {CONFIG_VARIABLE} if you trust it, or {distrust.fix}"
        )
    return found


def read_file(path: Path) -> Source:
    """Read a TOML file, with the tables of its accounts.

    Raises:
        ConfigError: it cannot be read, is too large or is not TOML.
    """
    source = Source()
    content, lines = _parse_file(path)
    # The other tables are those of settings; [accounts.NAME] holds such tables once more.
    accounts = content.pop(_ACCOUNTS, {})
    locate = _Locator(path, lines)
    _read_tables(content, locate, source)
    if not isinstance(accounts, dict) or not all(isinstance(tables, dict) for tables in accounts.values()):
        source.errors.append(f"{locate(_ACCOUNTS)}: write a table [accounts.NAME] for each account")
        return source
    for account, tables in accounts.items():
        locate = _Locator(path, lines, (_ACCOUNTS, account))
        if not _ACCOUNT_NAME.fullmatch(account):
            source.errors.append(f"{locate()}: {account!r:.80} is no name; use letters, digits, - and _")
            continue
        source.accounts[account] = Source(place=locate())
        _read_tables(tables, locate, source.accounts[account])
    return source


def read_environment(environ: Mapping[str, str]) -> Source:
    """Read the variables `HARVESTER_TABLE_KEY`; lists are separated by commas."""
    source = Source()
    keys = {PREFIX + name.replace(".", "_").upper(): (name, info) for name, info in all_keys()}
    # Sorted, so that several errors come in the same order every time.
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE:
            continue
        if variable not in keys:
            source.errors.append(f"environment: unknown {variable}{_nearest(variable, list(keys))}")
            continue
        name, info = keys[variable]
        value: Any = environ[variable]
        if info.type == tuple[str, ...]:
            value = [part.strip() for part in value.split(",") if part.strip()]
        source.set(name, value, f"environment {variable}")
    return source


def read_arguments(overrides: Mapping[str, Any], flags: Mapping[str, str]) -> Source:
    """Keep what the arguments say, by `table.key`; `flags` has the name of the argument for each."""
    source = Source()
    for name, value in overrides.items():
        source.set(name, value, f"flag {flags.get(name, '')}".strip())
    return source


def _parse_file(path: Path) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """Return the file's content, and the line of each key."""
    try:
        with path.open("rb") as file:
            # One byte more than allowed shows that there is more, without reading all of it.
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
        _check_printable(content)
        return content, find_lines(text)
    except (ValueError, RecursionError) as exc:
        raise ConfigError(f"{path} is not valid TOML: {exc}") from exc


def _check_printable(content: dict[str, Any]) -> None:
    """Raise ValueError for what TOML allows but no message could show: deep nesting, giant numbers."""
    # A list and not recursion: the nesting may be deeper than the stack.
    waiting: list[tuple[Any, int]] = [(content, 0)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, dict | list):
            if depth > _MAX_DEPTH:
                raise ValueError(f"it nests deeper than {_MAX_DEPTH} levels")
            inner = value.values() if isinstance(value, dict) else value
            waiting += [(item, depth + 1) for item in inner]
        elif isinstance(value, int) and abs(value) > _LARGEST_NUMBER:
            raise ValueError("it has a number of more than a hundred digits")


def _read_tables(content: Mapping[str, Any], locate: _Locator, source: Source) -> None:
    tables = [table.name for table in msgspec.structs.fields(Settings)]
    title = "".join(f"{name}." for name in locate.above)
    for table, keys in content.items():
        if table not in tables:
            hint = _table_hint(table, tables, title)
            source.errors.append(f"{locate(table)}: unknown table [{title}{table}]{hint}")
        elif not isinstance(keys, dict):
            source.errors.append(
                f"{locate(table)}: {table} is a table; write [{title}{table}] on a line of its own"
            )
        else:
            for key, value in keys.items():
                _read_key(f"{table}.{key}", value, locate(table, key), source)


def _read_key(name: str, value: Any, place: str, source: Source) -> None:
    if any(name == known for known, _ in all_keys()):
        source.set(name, value, place)
    else:
        source.errors.append(f"{place}: unknown key {name}{_key_hint(name)}")


def _key_hint(name: str) -> str:
    """Return what may have been meant by an unknown key.

    1. A token is never written into a configuration.
    2. The key of another table belongs there.
    3. A key with nearly that name in this table.
    """
    table, _, key = name.partition(".")
    names = [known for known, _ in all_keys()]
    if table == "credentials" and "token" in key:
        return "; a token never goes into a configuration, name its file in credentials.token_file"
    elsewhere = next((known for known in names if known.endswith(f".{key}")), None)
    if elsewhere:
        return f"; it belongs into [{elsewhere.partition('.')[0]}]"
    return _nearest(key, [known.partition(".")[2] for known in names if known.startswith(f"{table}.")])


def _table_hint(table: str, tables: list[str], title: str) -> str:
    """Return the table to which a key belongs that was written outside of it, or the nearest table."""
    owner = next((name.partition(".")[0] for name, _ in all_keys() if name.endswith(f".{table}")), None)
    return f"; {table} is a key of [{title}{owner}]" if owner else _nearest(table, [*tables, _ACCOUNTS])


def _nearest(word: str, known: list[str]) -> str:
    near = get_close_matches(word, known, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; known are {', '.join(known)}" if len(known) <= 12 else ""
