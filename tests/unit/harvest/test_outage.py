"""A server that nobody can reach, told from a report that cannot be read."""

from __future__ import annotations

from harvester.harvest.outage import Outage


def make_outage() -> Outage:
    outage = Outage(first_wait_s=120.0, longest_s=1800.0)
    for _ in range(3):
        outage.suspected()
    return outage


def test_a_few_broken_calls_in_a_row_are_suspicious_and_a_good_one_clears_them() -> None:
    outage = Outage(first_wait_s=120.0, longest_s=1800.0)
    assert [outage.suspected() for _ in range(4)] == [False, False, True, True]
    outage.good()
    assert not outage.suspected()


def test_pauses_double_and_end_with_the_longest_time() -> None:
    outage, now, pauses = make_outage(), 0.0, []
    while (pause_s := outage.pause_s(now)) is not None:
        pauses.append(pause_s)
        now += pause_s
    assert pauses == [120.0, 240.0, 480.0, 960.0]
    assert now == 1800.0


def test_those_who_come_during_a_pause_wait_for_its_end() -> None:
    outage = make_outage()
    assert outage.pause_s(0.0) == 120.0
    assert outage.pause_s(100.0) == 20.0
    assert outage.pause_s(120.0) == 240.0


def test_after_a_good_answer_an_outage_begins_anew() -> None:
    outage = make_outage()
    for now in (0.0, 120.0, 360.0):
        outage.pause_s(now)
    outage.good()
    assert outage.pause_s(5000.0) == 120.0
