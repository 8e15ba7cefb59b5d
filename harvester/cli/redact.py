"""Masks secrets in everything that is printed or logged.

The register is one for the process, on purpose: whoever prints cannot forget to pass it on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

MASK: Final = "***"
_SHORTEST: Final = 6
"""A shorter text would mask parts of innocent words."""
_AUTHORIZATION: Final = re.compile(r"\b(Basic|Bearer) +[A-Za-z0-9+/=._~-]{32,}")

_secrets: set[str] = set()


def hide(secret: str) -> None:
    """From now on this text is never shown."""
    if len(secret) >= _SHORTEST:
        _secrets.add(secret)


def hide_environment(environ: Mapping[str, str]) -> None:
    """Hide what the environment is known to hold: API tokens and the passwords of proxies."""
    for name, value in environ.items():
        if name.endswith("_API_TOKEN"):
            hide(value.strip())
        elif name.lower().endswith("_proxy"):
            for password in _passwords(value):
                hide(password)


def masked(text: str) -> str:
    """The text without any hidden one, and without anything that looks like an Authorization header."""
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return _AUTHORIZATION.sub(rf"\1 {MASK}", text)


def clean(text: str) -> str:
    """Text that a terminal shows and does not obey: secrets masked, control characters visible."""
    return "".join(
        char if char.isprintable() or char == "\t" else f"\\x{ord(char):02x}" for char in masked(text)
    )


def clean_value(value: Any) -> Any:
    """The same for every text of a value, at any depth; control characters are left to its renderer."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {clean_value(key): clean_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [clean_value(item) for item in value]
    return value


def _passwords(proxy: str) -> tuple[str, ...]:
    """As it is written and as it is meant; a proxy may be named without `http://`."""
    try:
        password = urlsplit(proxy if "://" in proxy else f"http://{proxy}").password or ""
    except ValueError:
        return ()
    return password, unquote(password)
