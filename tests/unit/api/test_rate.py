"""What the rate learns from the server's answers."""

from __future__ import annotations

import pytest

from harvester.api.rate import AdaptiveRate


def test_slow_down_halves_the_rate_once_for_all_that_were_under_way() -> None:
    rate = AdaptiveRate(4.0)
    assert rate.record_throttled(started=10.0, now=11.0)
    assert not rate.record_throttled(started=10.5, now=11.5)
    assert rate.per_s == pytest.approx(2.0)


def test_slow_down_without_one_good_answer_since_does_not_lower_the_rate_further() -> None:
    rate = AdaptiveRate(4.0)
    for second in range(5):
        assert rate.record_throttled(started=second, now=second + 0.5)
    assert rate.per_s == pytest.approx(2.0)


def test_one_odd_slow_down_costs_little() -> None:
    rate = AdaptiveRate(1.0)
    rate.record_throttled(started=0.0, now=1.0)
    for _ in range(40):
        rate.record_success()
    assert rate.per_s > 0.95


def test_the_rate_never_falls_below_a_share_of_the_configured_one() -> None:
    rate = AdaptiveRate(64.0)
    for second in range(100):
        rate.record_success()
        rate.record_throttled(started=second, now=second + 0.5)
    assert rate.per_s >= 1.0


def test_a_limit_that_is_no_longer_met_is_forgotten() -> None:
    rate = AdaptiveRate(4.0)
    rate.record_throttled(started=0.0, now=1.0)
    for _ in range(400):
        rate.record_success()
    assert (rate.per_s, rate.limit_per_s) == (4.0, None)
