"""The user id and the API token: where they are looked for, in which order, and what is wrong with them.

No value that is found is ever shown, the user id included: people mix the two up.
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
    """Who asks, and the proof."""

    user_id: int
    token: Secret
    origin: str
    """Where they came from, for people."""
    warnings: tuple[str, ...] = ()
    """What is unsafe about that place, with the command that mends it."""


@dataclass(frozen=True)
class Place:
    """One place that was looked at, and what it holds."""

    name: str
    user_id: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    files: tuple[Path, ...] = ()
    """Files that the secret was read from."""


def find_credentials(
    settings: CredentialSettings,
    environ: Mapping[str, str],
    *,
    home: Path | None,
    run_command: Callable[[str], str] | None = None,
    account: str = "",
) -> Credentials:
    """The first place that has a token, with the user id of that place or of the settings.

    Args:
        settings: `user_id` completes a place that has a token only, as the environment does.
        environ: Of the process.
        home: Where `.lean/credentials` is; None when the user has no home.
        run_command: Runs `token_command` and gives what it prints.
        account: Of several; the environment and `lean` know only one, so they are not looked at.

    Raises:
        CredentialsError: nothing was found, or a place holds half of what is needed; says where it looked.
    """
    looked: list[Place] = []
    run_command = run_command or run_token_command
    if account:
        places = _own_places(settings, environ.get("CREDENTIALS_DIRECTORY", ""), run_command, account)
    else:
        places = _places(settings, environ, home, run_command)
    for place in places:
        looked.append(place)
        if place.token:
            user_id = place.user_id or settings.user_id.strip() or ("" if account else _env_user(environ))
            return _checked(place, user_id, account)
    raise CredentialsError(_nothing_own(looked, account) if account else _nothing(looked, settings))


def _own_places(
    settings: CredentialSettings,
    directory: str,
    run_command: Callable[[str], str],
    account: str,
) -> Iterator[Place]:
    """Where the token of one of several accounts may be."""
    name = f"accounts.{account}.credentials.token_command"
    yield Place(name, token=run_command(settings.token_command)) if settings.token_command else Place(name)
    yield _systemd(directory, f"_{account}")
    yield _token_file(settings.token_file, f"accounts.{account}.")


def _nothing_own(looked: list[Place], account: str) -> str:
    places = "; ".join(place.name for place in looked)
    return (
        f"account {account}: no token was found; set token_file and user_id in "
        f"[accounts.{account}.credentials]. Looked at: {places}"
    )


def _places(
    settings: CredentialSettings,
    environ: Mapping[str, str],
    home: Path | None,
    run_command: Callable[[str], str],
) -> Iterator[Place]:
    """Every place in order; a later one is looked at only when no earlier one has a token."""
    for prefix in _PREFIXES:
        user, token = environ.get(f"{prefix}_USER_ID", ""), environ.get(f"{prefix}_API_TOKEN", "")
        yield Place(f"environment {prefix}_USER_ID and {prefix}_API_TOKEN", user.strip(), token.strip())
    for prefix in _PREFIXES:
        yield _environment_files(prefix, environ)
    name = "credentials.token_command"
    yield Place(name, token=run_command(settings.token_command)) if settings.token_command else Place(name)
    yield _systemd(environ.get("CREDENTIALS_DIRECTORY", ""))
    yield _token_file(settings.token_file)
    yield _lean(home)


def _environment_files(prefix: str, environ: Mapping[str, str]) -> Place:
    name = f"environment {prefix}_USER_ID_FILE and {prefix}_API_TOKEN_FILE"
    user_file, token_file = (
        environ.get(f"{prefix}_USER_ID_FILE", ""),
        environ.get(f"{prefix}_API_TOKEN_FILE", ""),
    )
    return Place(
        name,
        _load_text(Path(user_file)) if user_file else "",
        _load_text(Path(token_file)) if token_file else "",
        (Path(token_file),) if token_file else (),
    )


def _systemd(directory: str, suffix: str = "") -> Place:
    user_name, token_name = f"{_SYSTEMD_USER}{suffix}", f"{_SYSTEMD_TOKEN}{suffix}"
    name = f"systemd's $CREDENTIALS_DIRECTORY ({user_name}, {token_name})"
    if not directory:
        return Place(name)
    user, token = Path(directory, user_name), Path(directory, token_name)
    return Place(name, _load_text(user) if user.exists() else "", _load_text(token) if token.exists() else "")


def _token_file(path: str, table: str = "") -> Place:
    name = f"{table}credentials.token_file"
    if not path:
        return Place(name)
    if may_be_token(path):
        raise CredentialsError(
            f"{name} leads to no file; it takes the path of one, and never the token itself"
        )
    file = Path(path)
    return Place(f"{name} ({file})", token=_load_text(file), files=(file,))


def _lean(home: Path | None) -> Place:
    """What the official `lean login` has stored."""
    name = "~/.lean/credentials"
    path = home / ".lean" / "credentials" if home else None
    if path is None or not path.is_file() or not path.stat().st_size:
        return Place(name)
    try:
        content = msgspec.json.decode(_load_text(path), type=dict[str, Any])
    except msgspec.DecodeError as exc:
        raise CredentialsError(f"{path} is not what `lean login` writes; log in with it again") from exc
    user, token = (str(content.get(key) or "").strip() for key in ("user-id", "api-token"))
    return Place(str(path), user, token, (path,))


def _load_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
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
    """A user id that stands in the environment without a token beside it."""
    for prefix in _PREFIXES:
        if user := environ.get(f"{prefix}_USER_ID", "").strip():
            return user
        if path := environ.get(f"{prefix}_USER_ID_FILE", ""):
            return _load_text(Path(path))
    return ""


def _checked(place: Place, user_id: str, account: str = "") -> Credentials:
    if not user_id:
        where = f"user_id in [accounts.{account}.credentials]" if account else "credentials.user_id"
        either = "" if account else "QUANTCONNECT_USER_ID or "
        raise CredentialsError(f"{place.name}: there is a token but no user id; set {either}{where}")
    if not is_user_id(user_id):
        raise CredentialsError(
            f"{place.name}: the user id is not a number; it stands on quantconnect.com/settings"
        )
    if not all("!" <= char <= "~" for char in place.token):
        raise CredentialsError(f"{place.name}: the token holds characters that no token has; copy it again")
    return Credentials(int(user_id), Secret(place.token), place.name, tuple(_exposed(place.files)))


def is_user_id(text: str) -> bool:
    """Whether a text may be a user id; anything else is not shown, since it may be the token."""
    return text.isascii() and text.isdigit() and len(text) <= 18


def _exposed(files: tuple[Path, ...]) -> Iterator[str]:
    for path in files:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield f"{path} can be read by others; run: chmod 600 {shlex.quote(str(path))}"


def _nothing(looked: list[Place], settings: CredentialSettings) -> str:
    half = [place.name for place in looked if place.user_id]
    half += ["credentials.user_id"] if settings.user_id else []
    found = f"a user id (in {half[0]}) but no token was found" if half else "no credentials were found"
    remedy = "set QUANTCONNECT_API_TOKEN" if half else "set QUANTCONNECT_USER_ID and QUANTCONNECT_API_TOKEN"
    places = "; ".join(place.name for place in looked)
    return f"{found}; {remedy}, or run `lean login`. Looked at: {places}"
