"""The event that reports a request, and the protocol of those that receive it."""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from harvester.errors import (
    ApiError,
    AuthenticationError,
    NotFoundError,
    ProtocolError,
    RateLimitedError,
    RefusedError,
    TransportError,
)


class RequestEvent(msgspec.Struct, frozen=True):
    """One request that has ended: what it asked for, how long it took and how it was answered."""

    endpoint: str
    project_id: int | None
    backtest_id: str | None
    attempt: int
    """Number of the attempt within its call, from 1."""
    started: float
    """Unix time at which it was sent."""
    waited_s: float
    """Seconds for which the rate limiter held it back."""
    took_s: float
    """Seconds from its start to the end of the answer."""
    answer: str
    """`ok`, `ready`, `generating`, `cut off` (interrupted), or what `answer_word` returns for its error."""
    size_bytes: int = 0
    error: str = ""
    hold_s: float = 0.0
    """Seconds for which all requests are held back because of it."""


class RequestObserver(Protocol):
    """Receives an event for every request; must return at once."""

    def request_ended(self, event: RequestEvent) -> None:
        """Take note of one request that has ended."""


class NullObserver:
    """Ignores every event."""

    def request_ended(self, event: RequestEvent) -> None:
        """Do nothing."""


# The first class that fits counts, so a class comes before its base.
_WORDS: Final[tuple[tuple[type[ApiError], str], ...]] = (
    (RateLimitedError, "slow down"),
    (TransportError, "again"),
    (AuthenticationError, "authentication"),
    (NotFoundError, "not found"),
    (RefusedError, "refused"),
    (ProtocolError, "malformed"),
)


def answer_word(error: ApiError) -> str:
    """Return the word for an error in `RequestEvent.answer`; journals store it."""
    return next(word for kind, word in _WORDS if isinstance(error, kind))
