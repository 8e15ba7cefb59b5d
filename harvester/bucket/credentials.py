"""Keys for object stores, from the environment and the files that every tool for them reads.

Only S3 needs code of ours: its library reads the environment and the instance's own service, but not the
files of `aws configure`. Google's and Azure's files are read by the library itself.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harvester.errors import CredentialsError
from harvester.secrets import Secret, hide

_FILE_BYTES: Final = 2**20
_SECRET_NAMES: Final = re.compile(
    r"AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN|AWS_TOKEN|AWS_CONTAINER_AUTHORIZATION_TOKEN"
    r"|AZURE_STORAGE_(ACCOUNT_KEY|ACCESS_KEY|MASTER_KEY|CLIENT_SECRET|SAS_KEY|SAS_TOKEN|TOKEN)|AZURE_CLIENT_SECRET"
    r"|GOOGLE_SERVICE_ACCOUNT_KEY"
)


@dataclass(frozen=True)
class S3Keys:
    """What requests to S3 are signed with."""

    key_id: str
    secret: Secret
    token: Secret | None = None


@dataclass(frozen=True)
class S3Profile:
    """What environment and files say about S3; empty where they say nothing."""

    keys: S3Keys | None
    """None: neither has keys, so the library looks for a role (web identity, container, instance)."""
    region: str = ""
    endpoint: str = ""


def hide_store_secrets(environ: Mapping[str, str]) -> None:
    """Mask the secrets of object stores that the environment holds."""
    for name, value in environ.items():
        if _SECRET_NAMES.fullmatch(name) and value.strip():
            hide(value.strip())


def load_s3_profile(environ: Mapping[str, str], home: Path) -> S3Profile:
    """Keys, region and endpoint for S3, in the order in which AWS's own tools look for them.

    Raises:
        CredentialsError: a file is damaged, or the profile that was asked for is in none.
    """
    hide_store_secrets(environ)
    profile = environ.get("AWS_PROFILE", "").strip()
    found = {**_read_config(environ, home, profile), **_read_credentials(environ, home, profile)}
    if profile and not found:
        raise CredentialsError(
            f"AWS_PROFILE names {profile!r}, which neither ~/.aws/credentials nor ~/.aws/config has. "
            "Unset it, or add the profile (aws configure --profile NAME)"
        )
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or found.get("region", "")
    endpoint = (
        environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL") or found.get("endpoint_url", "")
    )
    if not profile and environ.get("AWS_ACCESS_KEY_ID") and environ.get("AWS_SECRET_ACCESS_KEY"):
        keys = _keys(
            environ["AWS_ACCESS_KEY_ID"],
            environ["AWS_SECRET_ACCESS_KEY"],
            environ.get("AWS_SESSION_TOKEN", ""),
        )
    elif found.get("aws_access_key_id") and found.get("aws_secret_access_key"):
        keys = _keys(
            found["aws_access_key_id"], found["aws_secret_access_key"], found.get("aws_session_token", "")
        )
    else:
        keys = None
    return S3Profile(keys, region.strip(), endpoint.strip())


def _keys(key_id: str, secret: str, token: str) -> S3Keys:
    return S3Keys(key_id.strip(), Secret(secret.strip()), Secret(token.strip()) if token.strip() else None)


def _read_credentials(environ: Mapping[str, str], home: Path, profile: str) -> dict[str, str]:
    path = environ.get("AWS_SHARED_CREDENTIALS_FILE")
    return _section(Path(path) if path else home / ".aws" / "credentials", profile or "default")


def _read_config(environ: Mapping[str, str], home: Path, profile: str) -> dict[str, str]:
    path = environ.get("AWS_CONFIG_FILE")
    section = f"profile {profile}" if profile and profile != "default" else "default"
    return _section(Path(path) if path else home / ".aws" / "config", section)


def _section(path: Path, section: str) -> dict[str, str]:
    """The settings below one heading of an ini file; none when there is no such file or heading."""
    try:
        with path.expanduser().open("rb") as file:
            text = file.read(_FILE_BYTES).decode("utf-8", "replace")
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise CredentialsError(f"{path} cannot be read: {exc.strerror}. Check its permissions") from exc
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except configparser.Error as exc:  # its text may quote a line that holds a key
        raise CredentialsError(f"{path} is not an ini file as `aws configure` writes it") from exc
    return dict(parser.items(section)) if parser.has_section(section) else {}
