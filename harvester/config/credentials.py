"""The user id and the API token: where they are looked for, in which order, and what is wrong with them."""

from __future__ import annotations

import shlex
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from harvester.config.settings import CredentialSettings
from harvester.errors import CredentialsError

_MAX_BYTES: Final = 64_000
_COMMAND_TIMEOUT_S: Final = 30
_PREFIXES: Final = ("QUANTCONNECT", "QC")


class Secret:
    """A text that is never shown by accident."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __reduce__(self) -> str:
        raise TypeError("a secret is never serialised")


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
    """One place that was looked at."""

    name: str
    user_id: str = ""
    token: str = ""
    files: tuple[Path, ...] = ()
    """Files that the secret was read from."""


def find_credentials(
    settings: CredentialSettings,
    environ: Mapping[str, str],
    *,
    home: Path,
    run_command: Callable[[str], str] | None = None,
) -> Credentials:
    """The first complete pair of user id and token.

    Args:
        settings: `user_id` completes a place that has a token only.
        environ: Of the process.
        home: Where `.lean/credentials` is.
        run_command: Runs `token_command` and gives what it prints.

    Raises:
        CredentialsError: nothing was found, or a place holds half of what is needed; says where it looked.
    """
    looked = []
    for place in _places(settings, environ, home, run_command or _run):
        looked.append(place.name)
        user_id = place.user_id or (settings.user_id or _env_user(environ) if place.token else "")
        if place.token and user_id:
            return _checked(place, user_id)
        if place.token:
            raise CredentialsError(
                f"{place.name} has a token but no user id; set QUANTCONNECT_USER_ID or credentials.user_id"
            )
    raise CredentialsError(
        "no credentials found; set QUANTCONNECT_USER_ID and QUANTCONNECT_API_TOKEN, or run `lean login`. "
        f"Looked at: {'; '.join(looked)}"
    )


def _places(
    settings: CredentialSettings, environ: Mapping[str, str], home: Path, run_command: Callable[[str], str]
) -> Iterator[Place]:
    for prefix in _PREFIXES:
        user, token = environ.get(f"{prefix}_USER_ID", ""), environ.get(f"{prefix}_API_TOKEN", "")
        yield Place(f"environment {prefix}_USER_ID and {prefix}_API_TOKEN", user, token)
    for prefix in _PREFIXES:
        name = f"environment {prefix}_API_TOKEN_FILE"
        path = environ.get(f"{prefix}_API_TOKEN_FILE", "")
        user_path = environ.get(f"{prefix}_USER_ID_FILE", "")
        user = environ.get(f"{prefix}_USER_ID", "") or (_read(Path(user_path)) if user_path else "")
        yield Place(name, user, _read(Path(path)), (Path(path),)) if path else Place(name)
    command = settings.token_command
    yield Place("credentials.token_command", token=run_command(command) if command else "")
    yield _systemd(environ.get("CREDENTIALS_DIRECTORY", ""))
    path = settings.token_file
    file = Path(path).expanduser()
    yield (
        Place("credentials.token_file", token=_read(file), files=(file,))
        if path
        else Place("credentials.token_file")
    )
    yield _lean(home / ".lean" / "credentials")


def _systemd(directory: str) -> Place:
    name = "systemd's $CREDENTIALS_DIRECTORY"
    if not directory:
        return Place(name)
    token, user = Path(directory, "quantconnect_api_token"), Path(directory, "quantconnect_user_id")
    return Place(name, _read(user) if user.exists() else "", _read(token) if token.exists() else "")


def _lean(path: Path) -> Place:
    if not path.is_file():
        return Place(str(path))
    try:
        content = msgspec.json.decode(_read(path), type=dict[str, str])
    except msgspec.DecodeError as exc:
        raise CredentialsError(f"{path} is not what `lean login` writes; log in again with it") from exc
    return Place(str(path), content.get("user-id", ""), content.get("api-token", ""), (path,))


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as exc:
        raise CredentialsError(f"{path} cannot be read: {exc.strerror or exc}") from exc
    if len(content) > _MAX_BYTES:
        raise CredentialsError(f"{path} is larger than {_MAX_BYTES} bytes; that is no credential")
    try:
        return content.decode().strip()
    except UnicodeDecodeError as exc:
        raise CredentialsError(f"{path} is not text") from exc


def _run(command: str) -> str:
    try:
        words = shlex.split(command)
        done = subprocess.run(words, capture_output=True, timeout=_COMMAND_TIMEOUT_S, check=True, text=True)
    except subprocess.CalledProcessError as exc:
        raise CredentialsError(f"credentials.token_command failed with exit code {exc.returncode}") from None
    except (OSError, ValueError, subprocess.TimeoutExpired) as exc:
        raise CredentialsError(f"credentials.token_command could not be run: {type(exc).__name__}") from None
    return done.stdout.strip()


def _env_user(environ: Mapping[str, str]) -> str:
    return next((environ[f"{p}_USER_ID"] for p in _PREFIXES if environ.get(f"{p}_USER_ID")), "")


def _checked(place: Place, user_id: str) -> Credentials:
    if not (user_id.isascii() and user_id.isdigit()) or len(user_id) > 18:
        raise CredentialsError(f"{place.name}: the user id {user_id!r:.40} is not a number")
    if any(char.isspace() or not char.isprintable() or ord(char) > 126 for char in place.token):
        raise CredentialsError(f"{place.name}: the token holds characters that no token has")
    return Credentials(int(user_id), Secret(place.token), place.name, tuple(_exposed(place.files)))


def _exposed(files: tuple[Path, ...]) -> Iterator[str]:
    for path in files:
        if path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield f"{path} can be read by others; run: chmod 600 {shlex.quote(str(path))}"
