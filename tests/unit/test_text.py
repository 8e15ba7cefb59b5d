from __future__ import annotations

from datetime import UTC, datetime

import pytest

from harvester.text import (
    parse_duration,
    parse_moment,
    parse_rate,
    render_duration,
    render_moment,
    render_size,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("10 min", 600), ("1h30m", 5400), ("2d", 172_800), ("250ms", 0.25),
     ("1.5h", 5400), (" 1H 30M ", 5400), ("45", 45), (0, 0), (7.5, 7.5)],
)  # fmt: skip
def test_span_of_time_is_read_as_people_write_it(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "s", "ten", "-1s", "1x", "1h 30", "1h-30m", "٣s", -1, float("nan"), float("inf"), True, None, "20y"],
)
def test_what_is_no_span_of_time_is_refused_with_examples(text: object) -> None:
    with pytest.raises(ValueError, match="use 90s, 10m, 1h30m or 2d"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["9" * 400, "99999d", 1e12])
def test_span_that_would_overflow_a_calendar_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="use 90s"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "rate_per_min"),
    [("30", 30), ("30/min", 30), ("30 / minute", 30), ("2/s", 120), ("1800/h", 30), ("0.5", 0.5)]
)  # fmt: skip
def test_rate_is_read_as_requests_a_minute(text: str, rate_per_min: float) -> None:
    assert parse_rate(text) == pytest.approx(rate_per_min)


@pytest.mark.parametrize("text", ["", "0", "0/s", "-1", "5/x", "fast", "1/s/s", "9" * 400])
def test_what_is_no_rate_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="use 30/min, 2/s or 1800/h"):
        parse_rate(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T08:00", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("2026-01-31T08:00+02:00", datetime(2026, 1, 31, 6, tzinfo=UTC)),
        (" 2026-01-31 08:00:00Z ", datetime(2026, 1, 31, 8, tzinfo=UTC)),
    ],
)
def test_moment_without_a_zone_is_utc(text: str, moment: datetime) -> None:
    assert parse_moment(text) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "31.1.2026", "2026-02-30", "0001-01-01T00:00+14:00"])
def test_what_is_no_moment_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="use a date such as"):
        parse_moment(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (90, "1m30s"), (60, "1m"), (5400, "1h30m"), (86400, "1d"), (0.25, "0.25s"),
     (86402.5, "1d2.5s")],
)  # fmt: skip
def test_duration_is_shown_exactly_with_the_largest_units_first(seconds: float, text: str) -> None:
    assert render_duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0s"), (42.3, "42s"), (400.2, "6m40s"), (3599.9, "1h"), (10_890, "3h2m"), (90_000, "1d1h"),
     (7 * 86_400 + 59, "7d")],
)  # fmt: skip
def test_rough_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert render_duration(seconds, rough=True) == text


def test_moment_is_shown_in_utc_and_whole_seconds_in_texts_that_sort_as_times() -> None:
    assert render_moment(datetime.fromisoformat("2026-11-22T05:00:00.9+02:00")) == "2026-11-22T03:00:00Z"
    assert render_moment(datetime(1, 1, 1, tzinfo=UTC)) == "0001-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_250_000, "1.2 MB"), (10**9, "1.0 GB"),
     (2 * 10**15, "2000.0 TB")],
)  # fmt: skip
def test_a_size_is_shown_in_its_unit(number: int, text: str) -> None:
    assert render_size(number) == text
