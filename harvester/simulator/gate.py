"""The checks of a request: its signature, its window of rows, and the server's own rate limit. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from harvester.simulator.protocol import Answer, number, refuse, signer_of
from harvester.simulator.scenario import Limit, Scenario

LOCKED_OUT: Final = "too many failed attempts for this user or ip"
HASH_CODE: Final[Answer] = {
    "errorCode": 10002,
    "errors": [
        "The API token hash is not valid. This could be due to an old hash, invalid API token, "
        "or an invalid timestamp."
    ],
    "success": False,
}


def judge_signature(headers: Mapping[str, str], scenario: Scenario, *, now: float) -> str:
    """Why a request is refused, in the server's words; empty if its signature is right.

    Args:
        headers: Of the request.
        scenario: Has the user id, the token, and how old a signature may be.
        now: Unix time by the server's clock.
    """
    stamp = headers.get("Timestamp", "")
    if not (stamp.isascii() and stamp.isdigit()) or len(stamp) > 12:
        return "Invalid timestamp, value received: 0"
    user, digest = signer_of(headers)
    if user != str(scenario.user_id):
        return f"UserID not valid ({user or 'None'}) REF #m2scDQ8GD7"
    age_s = now - int(stamp)
    if not -scenario.identity.future_s <= age_s <= scenario.identity.window_s:
        return "Hash doesn't match. Key is missing, invalid, or timestamp is too old for hash"
    if digest != hashlib.sha256(f"{scenario.token}:{stamp}".encode()).hexdigest():
        return "Hash doesn't match. Please check your user id and token"
    return ""


class Gatekeeper:
    """Checks signatures, and locks the user out after too many failures."""

    def __init__(self) -> None:
        self._failures = 0
        self._locked_until = float("-inf")

    def check(self, headers: Mapping[str, str], scenario: Scenario, *, now: float) -> Answer | None:
        """Check a signature and count failures; the answer to a refused request, None if it is right.

        Args:
            headers: Of the request.
            scenario: The current one; a test may have replaced it since the last request.
            now: Unix time by the server's clock.
        """
        identity = scenario.identity
        locked_s = identity.locked_s / scenario.time_scale
        if now < self._locked_until:
            self._locked_until = now + locked_s
            return refuse(LOCKED_OUT)
        words = judge_signature(headers, scenario, now=now)
        if not words:
            return None
        self._failures += 1
        if identity.locked_after and self._failures >= identity.locked_after:
            self._failures, self._locked_until = 0, now + locked_s
        if words.startswith("Hash") and identity.words == "echo":
            return refuse(echo_of(headers))
        return HASH_CODE if words.startswith("Hash") and identity.words == "code" else refuse(words)


def echo_of(headers: Mapping[str, str]) -> str:
    """The text that repeats a request's user id and signature."""
    user, digest = signer_of(headers)
    return f"Hash doesn't match. UID: {user} Hash: {digest} Timestamp: ''"


def find_window(arguments: Answer, *, widest: int, wider: str) -> slice | None:
    """The rows that `start` and `end` choose; None if such a window is refused.

    Args:
        arguments: Of the request; without an `end` the window is open.
        widest: Rows in a window at most; 0 means any number.
        wider: `refuse` or `clamp`.
    """
    start, end = number(arguments.get("start")), arguments.get("end")
    if start < 0:
        return None
    if end is None:
        return slice(start, None)
    stop = number(end)
    if start >= stop:
        return None
    if widest and stop - start > widest:
        return slice(start, start + widest) if wider == "clamp" else None
    return slice(start, stop)


class LimitGate:
    """A token bucket with a rate that follows the steps of a scenario."""

    def __init__(self, limit: Limit, time_scale: float) -> None:
        self._limit = limit
        self._scale = time_scale
        self._full_at = float("-inf")

    def rate_per_s(self, elapsed_s: float) -> float | None:
        """The rate at a moment; None: there is no limit."""
        due = [step.per_min for step in self._limit.steps if step.after_s / self._scale <= elapsed_s]
        return due[-1] / 60 * self._scale if due else None

    def admit(self, elapsed_s: float) -> bool:
        """Whether a request at this moment is within the limit; if so, count it against the limit."""
        rate_per_s = self.rate_per_s(elapsed_s)
        if rate_per_s is None:
            return True
        full_at = max(self._full_at, elapsed_s)
        if full_at - elapsed_s > (self._limit.burst - 1) / rate_per_s + 1e-9:
            return False
        self._full_at = full_at + 1 / rate_per_s
        return True
