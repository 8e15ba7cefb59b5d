"""The register of secrets, and the masks that keep them out of everything that is written.

It is below every room that writes: logs, JSON output, journal, records, messages. There is one register for
the process on purpose, so no writer can forget to pass it on. There are two masks:

* `mask` replaces what was registered, and anything that looks like an Authorization header. It is the last
  step of everything that writes free text.
* `mask_answer` also replaces what a server may echo of a request: the user id and the signature. It is used
  where text of a server is read, and nowhere else: our own texts contain sha256 digests that must stay.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, unquote, unquote_to_bytes

MASK: Final = "***"
_SHORTEST: Final = 6
"""Shorter texts are not masked, since they occur within ordinary words."""
_AUTHORIZATION: Final = re.compile(r"\b(Basic|Bearer) +[A-Za-z0-9+/=._~-]{32,}")
_SIGNATURE: Final = re.compile(r"[0-9a-f]{64,}", re.IGNORECASE)
_USER_ID: Final = re.compile(r"\b(UID\W{0,5}|User ?ID(?: not valid)?\W{0,5})\d+", re.IGNORECASE)

_hidden: frozenset[str] = frozenset()
_compiled: tuple[frozenset[str], re.Pattern[str] | None] = (_hidden, None)
"""The register at the time when the pattern was compiled, and the pattern."""


class Secret:
    """Holds a text that is masked from now on; printing it shows the mask, and it cannot be pickled."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        hide(value)

    def reveal(self) -> str:
        """Return the text itself."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret('{MASK}')"

    def __str__(self) -> str:
        return MASK

    def __reduce__(self) -> str:
        raise TypeError("a secret is never serialised")


def hide(secret: str) -> None:
    """Mask this text from now on, also as it is written in a URL, in JSON and by `repr`."""
    global _hidden  # noqa: PLW0603 -- replaced and never changed, since other threads may be reading it
    # The forms in which a URL, JSON and a traceback show it.
    written = (secret, quote(secret, safe="", errors="replace"), json.dumps(secret)[1:-1], repr(secret)[1:-1])
    _hidden |= {text for text in written if len(text) >= _SHORTEST}


def hide_environment(environ: Mapping[str, str]) -> None:
    """Mask the API tokens and the passwords of proxies that the environment holds."""
    for name, value in environ.items():
        if name.endswith("_API_TOKEN"):
            hide(value.strip())
        elif name.lower().endswith("_proxy"):
            hide_proxy(value)


def hide_proxy(address: str) -> None:
    """Mask the password in the address of a proxy: as written, decoded, and as the header carries it.

    Without a password the user name is masked: some proxies take an API key there.
    """
    userinfo, found, _ = (address.partition("://")[2] or address).rpartition("@")
    if found:
        user, _, password = userinfo.partition(":")
        for secret in (password or user, unquote(password or user), basic_credentials(userinfo)):
            hide(secret)


def mask(text: str) -> str:
    """Return a text without registered secrets and without anything like an Authorization header."""
    pattern = _pattern()
    # Registered secrets first: one may be part of an Authorization header.
    if pattern is not None:
        text = pattern.sub(MASK, text)
    return _AUTHORIZATION.sub(rf"\1 {MASK}", text)


def mask_value(value: Any) -> Any:
    """Return a JSON value with all its texts masked, including keys; sets and tuples become lists."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {mask_value(key): mask_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [mask_value(item) for item in value]
    return value


def mask_answer(text: str) -> str:
    """Return a text of the server without secrets, user ids and signatures.

    Any run of 64 or more hex digits counts as a signature: it is valid for about two hours, and captured
    answers echo it (`Hash doesn't match. UID: 123455 Hash: ...`).
    """
    return _USER_ID.sub(rf"\1{MASK}", _SIGNATURE.sub(MASK, mask(text)))


def basic_credentials(userinfo: str) -> str:
    """Return the Basic credentials of a header for the percent-encoded `user:password` of a URL."""
    user, _, password = userinfo.partition(":")
    parts = (unquote_to_bytes(os.fsencode(part)) for part in (user, password))
    return base64.b64encode(b":".join(parts)).decode("ascii")


def _pattern() -> re.Pattern[str] | None:
    global _compiled  # noqa: PLW0603 -- a cache of the register, which is one for the process too
    hidden, pattern = _compiled
    # Compared by identity: `hide` replaces the set, so equal content is not compared on each call.
    if hidden is not _hidden:
        hidden = _hidden
        # The longest first: a secret may contain another one.
        pattern = re.compile("|".join(map(re.escape, sorted(hidden, key=len, reverse=True))) or "(?!)")
        _compiled = (hidden, pattern)
    return pattern
