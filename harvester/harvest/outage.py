"""Tells a server that nobody can reach from an answer that cannot be had: pure, but for the one question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import anyio

from harvester.errors import ApiError, AuthenticationError, ThrottledError, TransportError

_SUSPICIOUS: Final = 3


class Authenticator(Protocol):
    """Whom the question is put to."""

    async def authenticate(self) -> None:
        """Ask the least that can be asked."""


@dataclass
class Outage:
    """Calls that broke, and how long everybody waits while the server is away."""

    first_wait_s: float
    """Of the first pause; doubled for each further one."""
    longest_s: float
    """When the server was away for longer than this, the run ends."""
    suspicious: int = _SUSPICIOUS
    """So many calls in a row without a complete answer may be everyone's trouble and not the one item's."""
    _broken: int = 0
    _since: float | None = None
    _pauses: int = 0
    _until: float = float("-inf")

    def good(self) -> None:
        """The server has answered."""
        self._broken, self._since, self._pauses = 0, None, 0

    def suspected(self) -> bool:
        """Count one more call that broke; whether it is worth asking if the server is there at all."""
        self._broken += 1
        return self._broken >= self.suspicious

    async def wait_s(self, server: Authenticator) -> float | None:
        """After a call that broke: seconds that everybody waits, 0 when the server is there after all.

        None when it was away for too long.

        Raises:
            AuthenticationError: it is there, and refuses the credentials.
            ThrottledError: it is there, and keeps saying slow down.
        """
        if not self.suspected() or await self._answers(server):
            return 0.0
        return self.pause_s(anyio.current_time())

    async def _answers(self, server: Authenticator) -> bool:
        try:
            await server.authenticate()
        except TransportError:
            return False
        except (AuthenticationError, ThrottledError):
            raise
        except ApiError:
            pass  # whatever it says: it is there
        self.good()
        return True

    def pause_s(self, now: float) -> float | None:
        """Seconds that everybody waits before the next try; None when it has lasted too long."""
        if now < self._until:
            return self._until - now
        self._since = now if self._since is None else self._since
        if now - self._since >= self.longest_s:
            return None
        pause_s = min(self.first_wait_s * 2.0**self._pauses, self._since + self.longest_s - now)
        self._pauses += 1
        self._until = now + pause_s
        return pause_s
