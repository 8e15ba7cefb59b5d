"""Durations, rates, sizes and moments as people write and read them: one parser and one renderer for each."""

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
_MICROSECONDS: Final = {"d": 86_400_000_000, "h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000}


class Duration(float):
    """Seconds; written `90s`, `10m`, `1h30m` or `2d` in settings and arguments."""


def parse_duration(value: object) -> Duration:
    """Return the duration that is written as `90s`, `10m`, `1h30m`, `2d`, or a bare number of seconds.

    Raises:
        ValueError: it is none of these, negative, or longer than ten years.
    """
    seconds = _seconds(value)
    if seconds is None or not 0 <= seconds < math.inf:
        raise ValueError("not a duration; use 90s, 10m, 1h30m or 2d")
    if seconds > _LONGEST_S:
        raise ValueError("longer than ten years; use 90s, 10m, 1h30m or 2d")
    return Duration(seconds)


def parse_rate(text: str) -> float:
    """Return the requests per minute of a rate: `30`, `30/min`, `2/s` or `1800/h`.

    Raises:
        ValueError: it is none of these, or not greater than zero.
    """
    match = _RATE.fullmatch(_squeezed(text))
    rate_per_min = float(match[1]) * _PER_MIN[(match[2] or "m")[0]] if match else 0.0
    if not 0 < rate_per_min < math.inf:
        raise ValueError("not a rate; use 30/min, 2/s or 1800/h")
    return rate_per_min


def parse_moment(text: str) -> datetime:
    """Return the moment, in UTC, of a date or an ISO 8601 time; without a zone it is UTC already.

    Raises:
        ValueError: it is neither.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise ValueError("use a date such as 2026-01-31, or a time such as 2026-01-31T08:00Z") from exc


def render_moment(moment: datetime) -> str:
    """Return a moment as all records have it: UTC, whole seconds, `2026-11-25T03:00:00Z`.

    Such texts are in the order of the moments, so they are compared without being parsed.
    """
    # `isoformat` pads the year to four digits, which `strftime` does not do everywhere.
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def render_duration(seconds: float, *, rough: bool = False) -> str:
    """Return a duration in the notation that `parse_duration` reads: `1h30m`, `2d`, `0.25s`.

    Args:
        seconds: Zero or more.
        rough: Keep the two largest units only: `3h1m`, `6m40s`, `2d5h`.
    """
    if rough:
        step_s = 3600 if seconds >= _UNITS_S["d"] else 60 if seconds >= _UNITS_S["h"] else 1
        seconds = round(seconds / step_s) * step_s
    # Whole microseconds, since remainders of floats would show as 59.999999s.
    left = round(seconds * 1e6)
    parts = []
    for unit, size in _MICROSECONDS.items():
        count, left = (left / size, 0) if unit == "s" else divmod(left, size)
        if count:
            parts.append(f"{count:.6f}".rstrip("0").rstrip(".") + unit)
    return "".join(parts) or "0s"


def render_size(number: int) -> str:
    """Return a number of bytes with a decimal unit: `999 B`, `1.2 MB`."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def _seconds(value: object) -> float | None:
    """Return seconds; None if the value is not written as a duration."""
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
