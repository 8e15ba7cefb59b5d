"""Spans of time and rates as people write them: text to numbers."""

from __future__ import annotations

import math
import re
from typing import Final

from harvester.config.settings import Duration

_UNITS_S: Final = {"d": 86400.0, "h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0, "ms": 0.001}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(min|ms|[dhms])")
_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)(?:/(s|sec|second|m|min|minute|h|hour))?")
_PER_MIN: Final = {"s": 60.0, "m": 1.0, "h": 1 / 60}


def parse_duration(value: object) -> Duration:
    """A span from `90s`, `10m`, `1h30m`, `2d`, or a bare number of seconds.

    Raises:
        ValueError: it is none of these, or negative.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0:
        return Duration(value)
    text = str(value).strip().lower().replace(" ", "")
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return Duration(text)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{value!r} is no span of time; write 90s, 10m, 1h30m or 2d")
    return Duration(sum(float(number) * _UNITS_S[unit] for number, unit in parts))


def parse_rate(text: str) -> float:
    """Requests a minute from `30`, `30/min`, `2/s` or `1800/h`.

    Raises:
        ValueError: it is none of these, or not above zero.
    """
    match = _RATE.fullmatch(text.strip().lower().replace(" ", ""))
    if match is None or float(match[1]) <= 0:
        raise ValueError(f"{text!r} is no rate; write 30/min, 2/s or 1800/h")
    return float(match[1]) * _PER_MIN[(match[2] or "m")[0]]


def render_duration(seconds: float) -> str:
    """The shortest text that `parse_duration` reads as the same span."""
    for unit in ("d", "h", "m"):
        if seconds and seconds % _UNITS_S[unit] == 0:
            return f"{seconds / _UNITS_S[unit]:g}{unit}"
    return f"{seconds:g}s"
