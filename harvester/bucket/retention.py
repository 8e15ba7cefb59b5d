"""For how long the store keeps objects against everybody (Object Lock): pure."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Final, Literal

from harvester.bucket.packs import StoredObject
from harvester.errors import ConfigError
from harvester.text import parse_moment, render_moment

Mode = Literal["governance", "compliance"]

_SPEC: Final = re.compile(r"(governance|compliance):([1-9]\d{0,4})([dwmy])")
_UNIT_DAYS: Final = {"d": 1.0, "w": 7.0, "m": 365.25 / 12, "y": 365.25}
_SLACK: Final = 7
"""Objects are locked for a seventh longer than is asked for, so that each is extended once in that time."""
_MOST_DAYS: Final = 100 * 365.25


@dataclass(frozen=True)
class LockPolicy:
    """`bucket.retention`, such as `governance:7y`."""

    mode: Mode
    period: dt.timedelta

    def until(self, now: dt.datetime) -> dt.datetime:
        """The end of the lock of an object that is put now: whole seconds."""
        return (now + self.period + self.period / _SLACK).replace(microsecond=0)

    def headers(self, now: dt.datetime) -> dict[str, str]:
        """What S3 is told with every object that is meant to stay."""
        return {
            "x-amz-object-lock-mode": self.mode.upper(),
            "x-amz-object-lock-retain-until-date": render_moment(self.until(now)),
        }


def parse_retention(text: str) -> LockPolicy | None:
    """The policy that a setting asks for; None for an empty text.

    Raises:
        ConfigError: it is not MODE:PERIOD.
    """
    if not text:
        return None
    match = _SPEC.fullmatch(text.strip().lower())
    if match is None:
        raise ConfigError(
            f"bucket.retention: {text!r} must be MODE:PERIOD, such as governance:7y or compliance:90d"
        )
    days = int(match[2]) * _UNIT_DAYS[match[3]]
    if days > _MOST_DAYS:
        raise ConfigError(f"bucket.retention: {text!r} is longer than the 100 years that stores allow")
    mode: Mode = "compliance" if match[1] == "compliance" else "governance"
    return LockPolicy(mode, dt.timedelta(days=round(days)))


def parse_lock_end(text: str) -> dt.datetime | None:
    """The recorded or reported end of a lock; None when there is none that can be read."""
    try:
        return parse_moment(text) if text else None
    except ValueError:
        return None


def needs_extension(stored: StoredObject, policy: LockPolicy, now: dt.datetime) -> bool:
    """Whether a live Snapshot needs the object for longer than it is locked."""
    until = parse_lock_end(stored.retained_until)
    return until is None or until < now + policy.period


def is_locked(stored_until: str, now: dt.datetime) -> bool:
    """Whether the lock that was recorded for an object has not ended; an unreadable one has not."""
    if not stored_until:
        return False
    until = parse_lock_end(stored_until)
    return until is None or until > now
