"""Paths in settings: whose `~` is whose home, and what may be a token in place of a path."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

PATHS: Final = ("archive.dir", "credentials.token_file", "metrics.textfile")
"""The settings, by `table.key`, that name a file or directory."""


def may_be_token(path: str) -> bool:
    """Whether what stands for the path of a token's file may be the token itself: it is not shown then.

    A file that is there, or an absolute path, is none; a name alone that leads nowhere may be one.
    """
    if path.startswith(("/", "./", "../")):
        return False
    try:
        return not Path(path).exists()
    except OSError:  # too long for a name, as a token may be, or not to be looked at
        return True


def with_home(value: Any) -> Any:
    """A path with `~` or `~user` at its front replaced; as it is where nobody knows that home."""
    if not isinstance(value, str) or not value.startswith("~"):
        return value
    try:
        return str(Path(value).expanduser())
    except (RuntimeError, ValueError):  # no such user, or characters that no path has
        return value
