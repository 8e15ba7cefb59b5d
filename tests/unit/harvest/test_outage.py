"""A server that nobody can reach, told from a report that cannot be read."""

from __future__ import annotations

from harvester.errors import TransportError
from harvester.harvest.outage import Outage


class Unreachable:
    """A server that answers nothing, and counts how often it was asked."""

    asked = 0

    async def authenticate(self) -> None:
        self.asked += 1
        raise TransportError("x: no connection", endpoint="authenticate")


def make_outage() -> Outage:
    return Outage(first_wait_s=120.0, longest_s=1800.0)


async def test_a_few_broken_calls_in_a_row_are_suspicious_and_an_answer_clears_them() -> None:
    outage, server = make_outage(), Unreachable()
    waits = [await outage.wait_s(server) for _ in range(3)]
    assert (waits, server.asked) == ([0.0, 0.0, 120.0], 1)
    outage.record_answer()
    assert (await outage.wait_s(server), server.asked) == (0.0, 1)


def test_pauses_double_and_end_with_the_longest_time() -> None:
    outage, now, pauses = make_outage(), 0.0, []
    while (pause_s := outage.start_pause(now)) is not None:
        pauses.append(pause_s)
        now += pause_s
    assert pauses == [120.0, 240.0, 480.0, 960.0]
    assert now == 1800.0


def test_those_who_come_during_a_pause_wait_for_its_end() -> None:
    outage = make_outage()
    assert outage.start_pause(0.0) == 120.0
    assert outage.start_pause(100.0) == 20.0
    assert outage.start_pause(120.0) == 240.0


def test_after_a_good_answer_an_outage_begins_from_the_start() -> None:
    outage = make_outage()
    for now in (0.0, 120.0, 360.0):
        outage.start_pause(now)
    outage.record_answer()
    assert outage.start_pause(5000.0) == 120.0
