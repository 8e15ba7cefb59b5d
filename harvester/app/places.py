"""What belongs to the user who runs the process: home directory, configuration files, credentials."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from pathlib import Path

from platformdirs import user_config_path

from harvester.config import Credentials, Loaded, find_credentials


def config_places() -> tuple[Path, ...]:
    """Return the directories that may hold `harvester.toml`: this one, then the user's for configuration."""
    try:
        return (Path(), user_config_path("harvester"))
    except RuntimeError:  # a user without a name or a home, as in containers
        return (Path(),)


def credentials_of(loaded: Loaded, environ: Mapping[str, str]) -> Credentials:
    """Find user id and token. The process writes no core file from now on: it would hold the token.

    Raises:
        CredentialsError: there are none, or half of what is needed; names the places that were tried.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    return find_credentials(loaded.settings.credentials, environ, home=_home(), account=loaded.account)


def _home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:
        return None
