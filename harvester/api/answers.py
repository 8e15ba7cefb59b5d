"""Maps what a request ended with to an error: the one table of it.

| a request ended with | error | then |
|---|---|---|
| no connection, name not found, TLS, reset, timeout, truncated | TransportError | retried after a wait |
| 407, 408, 425, 5xx, Cloudflare's 52x, not JSON, `Internal Error` | TransportError | retried after a wait |
| "too many failed attempts", "account is locked" | LockedOutError | no further request is sent |
| 429, or words such as "slow down" | RateLimitedError | every request waits, then retried |
| 401, or words about hash, user id or timestamp | AuthenticationError | retried once with a new signature |
| 404, or "not found" (not "endpoint not found") | NotFoundError | final for the call; proves nothing |
| any other 3xx or 4xx, or `success: false` | RefusedError | final for the call |
| JSON of another shape, or larger than the limit | ProtocolError | final for the call |

Words have priority over the status, since most failures come as 200 and some as 500. The first row that fits
counts: a lock-out says "too many" as throttling does, and it may say "hash doesn't match" as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp

from harvester.api.wire import Answer, Meaning, classify, parse_answer
from harvester.errors import (
    ApiError,
    AuthenticationError,
    LockedOutError,
    NotFoundError,
    ProtocolError,
    RateLimitedError,
    RefusedError,
    TransportError,
)
from harvester.secrets import mask_answer

_WORDS: Final[tuple[tuple[re.Pattern[str], type[ApiError]], ...]] = (
    (
        re.compile(
            r"too many (failed|invalid|unsuccessful) (\w+ )?(attempts|log-?ins)|locked[- ]out|"
            r"\b(account|user|ip|ip address) ((is|has been|was) (\w+ )?)?locked",
            re.IGNORECASE,
        ),
        LockedOutError,
    ),
    (
        re.compile(
            r"hash doesn't match|hash is not valid|api token hash|userid not valid|invalid timestamp",
            re.IGNORECASE,
        ),
        AuthenticationError,
    ),
    (re.compile(r"too many|slow down|rate limit|throttl", re.IGNORECASE), RateLimitedError),
    (re.compile(r"internal error|temporarily|try again", re.IGNORECASE), TransportError),
    (re.compile(r"(?<!endpoint )not found|does not exist", re.IGNORECASE), NotFoundError),
)
_NETWORK: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (aiohttp.ClientConnectorCertificateError, "the server's TLS certificate is not trusted"),
    (aiohttp.ClientConnectorDNSError, "the server's name could not be looked up"),
    (aiohttp.ClientSSLError, "the TLS handshake failed"),
    (aiohttp.ClientProxyConnectionError, "the proxy could not be reached"),
    (aiohttp.ClientHttpProxyError, "the proxy refused to connect to the server"),
    (aiohttp.ConnectionTimeoutError, "no connection in time"),
    (aiohttp.SocketTimeoutError, "the answer stopped coming"),
    (aiohttp.ServerTimeoutError, "no answer in time"),
    (TimeoutError, "the answer took too long as a whole"),
    (aiohttp.ClientConnectorError, "no connection"),
    (aiohttp.ServerDisconnectedError, "the server closed the connection without an answer"),
    (aiohttp.ClientPayloadError, "the answer was truncated"),
    (aiohttp.ClientOSError, "the connection broke"),
    (aiohttp.ClientError, "the exchange failed"),
    (OSError, "the connection broke"),
)
NETWORK_ERRORS: Final = (aiohttp.ClientError, TimeoutError, OSError)
"""What an exchange raises if no complete answer came."""

_PROXY_STATUS: Final = 407
"""Comes from the proxy and says nothing about the request itself."""
_TRANSIENT_STATUSES: Final = frozenset({_PROXY_STATUS, 408, 425})
_FIX_PROXY: Final = "check the user and the password in HTTPS_PROXY or HTTP_PROXY"


def network_error(exc: BaseException, *, endpoint: str) -> TransportError:
    """Return the error for an exchange that ended without a complete answer."""
    words = next(words for kind, words in _NETWORK if isinstance(exc, kind))
    if isinstance(exc, aiohttp.ClientResponseError):
        # Its own text holds the URL, and a proxy's URL may hold a password.
        detail, refused = f"HTTP {exc.status} {exc.message}", exc.status == _PROXY_STATUS
    else:
        detail, refused = str(exc) or type(exc).__name__, False
    message = f"{endpoint}: {words} ({mask_answer(detail):.200})" + (f"; {_FIX_PROXY}" if refused else "")
    return TransportError(message, endpoint=endpoint)


def check_answer(
    status: int, headers: Mapping[str, str], body: bytes | bytearray, *, endpoint: str, now: float
) -> Answer:
    """Return the answer if it is not a failure.

    Args:
        status: Of the response.
        headers: Of the response.
        body: As received; a large one is overwritten.
        endpoint: For messages.
        now: Unix time, for a `Retry-After` that is a date.

    Raises:
        ApiError: by the table of this module.
    """
    try:
        answer = parse_answer(body, endpoint=endpoint)
    except (TransportError, ProtocolError):
        if status == 200:
            raise
        # An error page of a gateway: its status says more than its body.
        answer = Answer()
    if status == 200 and classify(answer) is not Meaning.FAILURE:
        return answer
    raise _refusal(status, headers, answer, endpoint=endpoint, now=now)


def retry_after_s(headers: Mapping[str, str], *, now: float) -> float | None:
    """Return the seconds that the server asks to wait, from `Retry-After`; None if it names no time."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # A date with the zone -0000 is parsed without a zone.
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return max(0.0, moment.timestamp() - now)


def server_time(headers: Mapping[str, str]) -> float | None:
    """Return Unix time by the server's clock; None if the response has no valid `Date`."""
    try:
        moment: datetime = parsedate_to_datetime(headers.get("Date", ""))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment.timestamp()


def too_large(limit_bytes: int, *, endpoint: str) -> ProtocolError:
    """Return the error for a body that exceeds the limit."""
    return ProtocolError(
        f"{endpoint}: the answer is larger than {limit_bytes // 2**20} MB; raise api.max_body_mb to read it",
        endpoint=endpoint,
    )


def _refusal(
    status: int, headers: Mapping[str, str], answer: Answer, *, endpoint: str, now: float
) -> ApiError:
    texts, code = answer.texts, answer.code
    words = "; ".join(texts)
    kind = next((kind for pattern, kind in _WORDS if pattern.search(words)), None) or _by_status(status)
    message = f"{endpoint}: {_statement(status, words)}" + (f" (errorCode {code})" if code else "")
    if kind is RateLimitedError:
        return RateLimitedError(message, endpoint=endpoint, retry_after_s=retry_after_s(headers, now=now))
    if kind is TransportError:
        return TransportError(message, endpoint=endpoint, status=status)
    if 300 <= status < 400:
        target = mask_answer(headers.get("Location", ""))[:200]
        message = (
            f"{endpoint}: the server redirects to {target!r}; signed requests do not follow redirects, "
            "fix api.base_url"
        )
    if kind is LockedOutError:
        message += ". The user or this IP address is locked out for a time: fix the token, then wait"
    # Only kinds of RefusedError are left here; the check is for the type checker.
    refusal = kind if issubclass(kind, RefusedError) else RefusedError
    return refusal(message, endpoint=endpoint, status=status, texts=texts, code=code)


def _statement(status: int, words: str) -> str:
    if words:
        return f"the server says {words!r}"
    if status == _PROXY_STATUS:
        return f"the proxy says no with HTTP {status}; {_FIX_PROXY}"
    return f"the server says no with HTTP {status}"


def _by_status(status: int) -> type[ApiError]:
    if status == 429:
        return RateLimitedError
    if status >= 500 or status in _TRANSIENT_STATUSES:
        return TransportError
    return {401: AuthenticationError, 404: NotFoundError}.get(status, RefusedError)
