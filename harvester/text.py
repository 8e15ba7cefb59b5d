"""Spans of time, rates, moments and sizes as people write and read them."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Final

_UNITS_S: Final = {"d": 86400.0, "h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0, "ms": 0.001}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(min|ms|[dhms])", re.ASCII)
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)(?:/(s|sec|second|m|min|minute|h|hour))?", re.ASCII)
_PER_MIN: Final = {"s": 60.0, "m": 1.0, "h": 1 / 60}
_LONGEST_S: Final = 3650 * 86400.0
"""Ten years: nobody means more, and calendars overflow not far above."""


class Duration(float):
    """A span of time in seconds; written `90s`, `10m`, `1h30m` or `2d` in settings and arguments."""


def parse_duration(value: object) -> Duration:
    """A span from `90s`, `10m`, `1h30m`, `2d`, or a bare number of seconds.

    Raises:
        ValueError: it is none of these, negative, or longer than ten years.
    """
    seconds = _seconds(value)
    if seconds is None or not 0 <= seconds < math.inf:
        raise ValueError("no span of time; write 90s, 10m, 1h30m or 2d")
    if seconds > _LONGEST_S:
        raise ValueError("longer than ten years; write 90s, 10m, 1h30m or 2d")
    return Duration(seconds)


def parse_rate(text: str) -> float:
    """Requests a minute from `30`, `30/min`, `2/s` or `1800/h`.

    Raises:
        ValueError: it is none of these, or not above zero.
    """
    match = _RATE.fullmatch(_squeezed(text))
    rate_per_min = float(match[1]) * _PER_MIN[(match[2] or "m")[0]] if match else 0.0
    if not 0 < rate_per_min < math.inf:
        raise ValueError("no rate; write 30/min, 2/s or 1800/h")
    return rate_per_min


def parse_moment(text: str) -> datetime:
    """A moment in UTC from a date or an ISO 8601 time; one without a zone is UTC already.

    Raises:
        ValueError: it is neither.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise ValueError("write a date such as 2026-01-31, or a time such as 2026-01-31T08:00Z") from exc


def render_duration(seconds: float) -> str:
    """The shortest text that `parse_duration` reads as the same span."""
    for unit in ("d", "h", "m"):
        if seconds and seconds % _UNITS_S[unit] == 0:
            return f"{seconds / _UNITS_S[unit]:.0f}{unit}"
    whole = seconds == int(seconds)
    return f"{seconds:.0f}s" if whole else f"{seconds:.6f}".rstrip("0") + "s"


def render_size(number: int) -> str:
    """Bytes as people read them; a unit is a thousand of the one before."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def _seconds(value: object) -> float | None:
    """The span in seconds; None when the value has no such form."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    text = _squeezed(str(value))
    if _NUMBER.fullmatch(text):
        return float(text)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


def _squeezed(text: str) -> str:
    return text.lower().replace(" ", "")
