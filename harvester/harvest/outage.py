"""Tells a server that nobody can reach from a failure of one item; pure, but for the one request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import anyio

from harvester.errors import ApiError, AuthenticationError, ThrottledError, TransportError

_SUSPICIOUS: Final = 3


class Authenticator(Protocol):
    """A server that can be asked whether it is there."""

    async def authenticate(self) -> None:
        """Send the cheapest authenticated request."""


@dataclass
class Outage:
    """Calls in a row that got no complete answer, and how long everybody waits while the server is away."""

    first_wait_s: float
    """Of the first pause; doubled for each further one."""
    longest_s: float
    """When the server was away for longer than this, the run ends."""
    suspicious: int = _SUSPICIOUS
    """After this many calls in a row without a complete answer the server is asked whether it is there."""
    _broken: int = 0
    _since: float | None = None
    _pauses: int = 0
    _until: float = float("-inf")

    def record_answer(self) -> None:
        """Count an answer of the server, whatever it says."""
        self._broken, self._since, self._pauses = 0, None, 0

    async def wait_s(self, server: Authenticator) -> float | None:
        """Count a call without a complete answer, and ask the server if that makes it suspicious.

        Returns:
            Seconds that everybody waits; 0 if the server is there after all; None if it was away for too
            long.

        Raises:
            AuthenticationError: it is there, and refuses the credentials.
            ThrottledError: it is there, and keeps saying slow down.
        """
        self._broken += 1
        if self._broken < self.suspicious or await self._answers(server):
            return 0.0
        return self.start_pause(anyio.current_time())

    async def _answers(self, server: Authenticator) -> bool:
        try:
            await server.authenticate()
        except TransportError:
            return False
        except (AuthenticationError, ThrottledError):
            raise
        except ApiError:
            pass  # whatever it says: it is there
        self.record_answer()
        return True

    def start_pause(self, now: float) -> float | None:
        """Begin a pause, or join the one in progress; returns its seconds, None if it took too long."""
        # Several workers notice one outage; only the first one lengthens the pause.
        if now < self._until:
            return self._until - now
        self._since = now if self._since is None else self._since
        if now - self._since >= self.longest_s:
            return None
        pause_s = min(self.first_wait_s * 2.0**self._pauses, self._since + self.longest_s - now)
        self._pauses += 1
        self._until = now + pause_s
        return pause_s
