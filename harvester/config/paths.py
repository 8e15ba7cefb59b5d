"""Paths in settings: their `~`, and tokens that were written in place of a path."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

PATHS: Final = ("archive.dir", "credentials.token_file", "metrics.textfile")
"""The settings, by `table.key`, that name a file or directory."""


def may_be_token(path: str) -> bool:
    """Whether a setting for the path of a token's file may hold the token itself; then it must not be shown.

    Existing files and absolute paths are not tokens; a bare name that does not exist may be one.
    """
    if path.startswith(("/", "./", "../")):
        return False
    try:
        return not Path(path).exists()
    except OSError:  # too long for a file name, as a token may be, or not accessible
        return True


def with_home(value: Any) -> Any:
    """Return a path with its leading `~` or `~user` replaced; unchanged if that home is unknown."""
    if not isinstance(value, str) or not value.startswith("~"):
        return value
    try:
        return str(Path(value).expanduser())
    except (RuntimeError, ValueError):  # no such user, or characters that a path cannot have
        return value
