"""Finds the user id and the API token, and says what is wrong with them.

The places, in their order:

1. The environment: `QUANTCONNECT_USER_ID` and `QUANTCONNECT_API_TOKEN`, then `QC_...`.
2. Files that the environment names: `QUANTCONNECT_API_TOKEN_FILE` and so on, then `QC_...`.
3. `credentials.token_command`.
4. systemd's `$CREDENTIALS_DIRECTORY`.
5. `credentials.token_file`.
6. `~/.lean/credentials`, as `lean login` writes it.

For one of several accounts only 3 to 5 are searched, since the others know one account only. No value is ever
shown, the user id included: people mix the two up.
"""

from __future__ import annotations

import shlex
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from harvester.config.paths import may_be_token
from harvester.config.settings import CredentialSettings
from harvester.config.token_command import run_token_command
from harvester.errors import CredentialsError
from harvester.secrets import Secret

_MAX_BYTES: Final = 64_000
_PREFIXES: Final = ("QUANTCONNECT", "QC")
_SYSTEMD_USER: Final = "quantconnect_user_id"
_SYSTEMD_TOKEN: Final = "quantconnect_api_token"


@dataclass(frozen=True)
class Credentials:
    """A user id and its API token."""

    user_id: int
    token: Secret
    origin: str
    """The place where the token was found, for people."""
    warnings: tuple[str, ...] = ()
    """What is unsafe about that place, with the command that fixes it."""


@dataclass(frozen=True)
class Place:
    """One place that was searched, and what it holds."""

    name: str
    user_id: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    files: tuple[Path, ...] = ()
    """Files from which the token was read."""


def find_credentials(
    settings: CredentialSettings,
    environ: Mapping[str, str],
    *,
    home: Path | None,
    run_command: Callable[[str], str] | None = None,
    account: str = "",
) -> Credentials:
    """Return the token of the first place that has one, with the user id of that place or of the settings.

    Args:
        settings: Their `user_id` completes a place that has a token only, as the environment does.
        environ: Environment of the process.
        home: Directory that holds `.lean/credentials`; None if the user has no home.
        run_command: Runs `token_command` and returns what it prints; None: as a program, without a shell.
        account: Name of one of several accounts; empty: there is only one.

    Raises:
        CredentialsError: nothing was found, or a place has no user id; names the places that were searched.
    """
    searched: list[Place] = []
    run_command = run_command or run_token_command
    if account:
        places = _account_places(settings, environ.get("CREDENTIALS_DIRECTORY", ""), run_command, account)
    else:
        places = _places(settings, environ, home, run_command)
    for place in places:
        searched.append(place)
        if place.token:
            user_id = place.user_id or settings.user_id.strip() or ("" if account else _env_user(environ))
            return _check(place, user_id, account)
    raise CredentialsError(
        _not_found_for_account(searched, account) if account else _not_found(searched, settings)
    )


def _account_places(
    settings: CredentialSettings,
    directory: str,
    run_command: Callable[[str], str],
    account: str,
) -> Iterator[Place]:
    """Yield the places where the token of one of several accounts may be."""
    name = f"accounts.{account}.credentials.token_command"
    yield Place(name, token=run_command(settings.token_command)) if settings.token_command else Place(name)
    yield _read_systemd(directory, f"_{account}")
    yield _read_token_file(settings.token_file, f"accounts.{account}.")


def _not_found_for_account(searched: list[Place], account: str) -> str:
    places = "; ".join(place.name for place in searched)
    return (
        f"account {account}: no token was found; set token_file and user_id in "
        f"[accounts.{account}.credentials]. Searched: {places}"
    )


def _places(
    settings: CredentialSettings,
    environ: Mapping[str, str],
    home: Path | None,
    run_command: Callable[[str], str],
) -> Iterator[Place]:
    """Yield every place in order; the caller stops at the first token, so later places are not read."""
    for prefix in _PREFIXES:
        user, token = environ.get(f"{prefix}_USER_ID", ""), environ.get(f"{prefix}_API_TOKEN", "")
        yield Place(f"environment {prefix}_USER_ID and {prefix}_API_TOKEN", user.strip(), token.strip())
    for prefix in _PREFIXES:
        yield _read_environment_files(prefix, environ)
    name = "credentials.token_command"
    yield Place(name, token=run_command(settings.token_command)) if settings.token_command else Place(name)
    yield _read_systemd(environ.get("CREDENTIALS_DIRECTORY", ""))
    yield _read_token_file(settings.token_file)
    yield _read_lean(home)


def _read_environment_files(prefix: str, environ: Mapping[str, str]) -> Place:
    name = f"environment {prefix}_USER_ID_FILE and {prefix}_API_TOKEN_FILE"
    user_file, token_file = (
        environ.get(f"{prefix}_USER_ID_FILE", ""),
        environ.get(f"{prefix}_API_TOKEN_FILE", ""),
    )
    return Place(
        name,
        _read_text(Path(user_file)) if user_file else "",
        _read_text(Path(token_file)) if token_file else "",
        (Path(token_file),) if token_file else (),
    )


def _read_systemd(directory: str, suffix: str = "") -> Place:
    user_name, token_name = f"{_SYSTEMD_USER}{suffix}", f"{_SYSTEMD_TOKEN}{suffix}"
    name = f"systemd's $CREDENTIALS_DIRECTORY ({user_name}, {token_name})"
    if not directory:
        return Place(name)
    user, token = Path(directory, user_name), Path(directory, token_name)
    return Place(name, _read_text(user) if user.exists() else "", _read_text(token) if token.exists() else "")


def _read_token_file(path: str, table: str = "") -> Place:
    name = f"{table}credentials.token_file"
    # A place that is not configured is named in the error too: the user sees all the possibilities.
    if not path:
        return Place(name)
    if may_be_token(path):
        raise CredentialsError(
            f"{name} does not exist; write the path of a file there, and never the token itself"
        )
    file = Path(path)
    return Place(f"{name} ({file})", token=_read_text(file), files=(file,))


def _read_lean(home: Path | None) -> Place:
    """Read what the official `lean login` has stored."""
    name = "~/.lean/credentials"
    path = home / ".lean" / "credentials" if home else None
    # An empty file counts as missing, so that the error names every place and how to log in.
    if path is None or not path.is_file() or not path.stat().st_size:
        return Place(name)
    try:
        content = msgspec.json.decode(_read_text(path), type=dict[str, Any])
    except msgspec.DecodeError as exc:
        raise CredentialsError(f"{path} is not what `lean login` writes; run `lean login` again") from exc
    user, token = (str(content.get(key) or "").strip() for key in ("user-id", "api-token"))
    return Place(str(path), user, token, (path,))


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            # The path may be a device or a pipe without an end.
            content = file.read(_MAX_BYTES + 1)
    except OSError as exc:
        raise CredentialsError(f"{path} cannot be read: {exc.strerror or exc}") from exc
    if not content.strip():
        raise CredentialsError(f"{path} is empty")
    if len(content) > _MAX_BYTES:
        raise CredentialsError(f"{path} is larger than {_MAX_BYTES} bytes; that is no credential")
    try:
        return content.decode().strip()
    except UnicodeDecodeError:
        raise CredentialsError(f"{path} is not text") from None


def _env_user(environ: Mapping[str, str]) -> str:
    """Return a user id of the environment that has no token next to it; empty if there is none."""
    for prefix in _PREFIXES:
        if user := environ.get(f"{prefix}_USER_ID", "").strip():
            return user
        if path := environ.get(f"{prefix}_USER_ID_FILE", ""):
            return _read_text(Path(path))
    return ""


def _check(place: Place, user_id: str, account: str = "") -> Credentials:
    if not user_id:
        where = f"user_id in [accounts.{account}.credentials]" if account else "credentials.user_id"
        either = "" if account else "QUANTCONNECT_USER_ID or "
        raise CredentialsError(f"{place.name}: there is a token but no user id; set {either}{where}")
    if not is_user_id(user_id):
        raise CredentialsError(
            f"{place.name}: the user id is not a number; you find it on quantconnect.com/settings"
        )
    # A byte order mark or a line break within the token would break the Authorization header.
    if not all("!" <= char <= "~" for char in place.token):
        raise CredentialsError(f"{place.name}: the token has characters that no token has; copy it again")
    return Credentials(int(user_id), Secret(place.token), place.name, tuple(_warnings(place.files)))


def is_user_id(text: str) -> bool:
    """Whether a text may be a user id; anything else is not shown, since it may be the token."""
    return text.isascii() and text.isdigit() and len(text) <= 18


def _warnings(files: tuple[Path, ...]) -> Iterator[str]:
    for path in files:
        mode = path.stat().st_mode
        # Pipes and /dev/stdin have modes that say nothing about who may read the token.
        if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield f"{path} can be read by others; run: chmod 600 {shlex.quote(str(path))}"


def _not_found(searched: list[Place], settings: CredentialSettings) -> str:
    half = [place.name for place in searched if place.user_id]
    half += ["credentials.user_id"] if settings.user_id else []
    found = f"a user id (in {half[0]}) but no token was found" if half else "no credentials were found"
    advice = "set QUANTCONNECT_API_TOKEN" if half else "set QUANTCONNECT_USER_ID and QUANTCONNECT_API_TOKEN"
    places = "; ".join(place.name for place in searched)
    return f"{found}; {advice}, or run `lean login`. Searched: {places}"
