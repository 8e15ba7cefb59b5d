"""Tells a server that nobody can reach from a report that cannot be read: pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_SUSPICIOUS: Final = 3
"""So many calls in a row without a complete answer may be everyone's trouble and not the report's."""


@dataclass
class Outage:
    """Calls that broke, and how long everybody waits while the server is away."""

    first_wait_s: float
    """Of the first pause; doubled for each further one."""
    longest_s: float
    """When the server was away for longer than this, the run ends."""
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
        return self._broken >= _SUSPICIOUS

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
