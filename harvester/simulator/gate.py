"""What stands before every route: the signature's judge and the server's own rate limit. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping

from harvester.simulator.scenario import Limit, Scenario


def judge_signature(headers: Mapping[str, str], scenario: Scenario, *, now: float) -> str:
    """Why a request is refused, in the server's words; empty when it is genuine.

    Args:
        headers: Of the request.
        scenario: Whose token it is, and how old a signature may be.
        now: Unix time by the server's clock.
    """
    stamp = headers.get("Timestamp", "")
    if not (stamp.isascii() and stamp.isdigit()) or len(stamp) > 12:
        return "Invalid timestamp, value received: 0"
    user, _, digest = _decoded(headers.get("Authorization", "")).partition(":")
    if user != str(scenario.user_id):
        return f"UserID not valid ({user or 'None'}) REF #m2scDQ8GD7"
    age_s = now - int(stamp)
    if not -scenario.identity.future_s <= age_s <= scenario.identity.window_s:
        return "Hash doesn't match. Key is missing, invalid, or timestamp is too old for hash"
    if digest != hashlib.sha256(f"{scenario.token}:{stamp}".encode()).hexdigest():
        return "Hash doesn't match. Please check your user id and token"
    return ""


def _decoded(authorization: str) -> str:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return ""


class LimitGate:
    """A token bucket whose rate follows the steps of a scenario."""

    def __init__(self, limit: Limit, time_scale: float) -> None:
        self._limit = limit
        self._scale = time_scale
        self._full_at = float("-inf")

    def rate_per_s(self, elapsed_s: float) -> float | None:
        """The rate at a moment; None: there is no limit."""
        due = [step.per_min for step in self._limit.steps if step.after_s / self._scale <= elapsed_s]
        return due[-1] / 60 * self._scale if due else None

    def admits(self, elapsed_s: float) -> bool:
        """Whether a request at this moment is within the limit; it counts against it only then."""
        rate_per_s = self.rate_per_s(elapsed_s)
        if rate_per_s is None:
            return True
        full_at = max(self._full_at, elapsed_s)
        if full_at - elapsed_s > (self._limit.burst - 1) / rate_per_s + 1e-9:
            return False
        self._full_at = full_at + 1 / rate_per_s
        return True
