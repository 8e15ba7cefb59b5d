"""Signs requests as QuantConnect's API requires it."""

from __future__ import annotations

import base64
import hashlib


def sign(user_id: int, token: str, timestamp_s: int) -> dict[str, str]:
    """Return the two headers of one request, computed together so that they always agree.

    Args:
        user_id: Number of the Account.
        token: API token of the Account.
        timestamp_s: Unix time in whole seconds; the server accepts about two hours of age.

    Source: API reference "Authentication"; api-token first, then `:` and the time.
    """
    digest = hashlib.sha256(f"{token}:{timestamp_s}".encode()).hexdigest()
    basic = base64.b64encode(f"{user_id}:{digest}".encode()).decode("ascii")
    return {"Authorization": f"Basic {basic}", "Timestamp": str(timestamp_s)}


class Signer:
    """Signs for one Account; its representation shows neither token nor user id."""

    def __init__(self, user_id: int, token: str) -> None:
        self._user_id = user_id
        self._token = token

    def __repr__(self) -> str:
        return "Signer(...)"

    def __reduce__(self) -> str:
        raise TypeError("a Signer holds a token and is never serialised")

    def headers(self, timestamp_s: int) -> dict[str, str]:
        """Return the headers of a request that starts at this Unix time."""
        return sign(self._user_id, self._token, timestamp_s)
