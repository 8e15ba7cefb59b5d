"""Which report is asked for next, and when."""

from __future__ import annotations

import math

import pytest
from support.values import make_decision

from harvester.harvest.queue import PollWaits, ReportJob, ReportQueue


def make_jobs(*names: str) -> list[ReportJob]:
    return [ReportJob(make_decision(name)) for name in names]


def make_queue(*names: str, max_generating: int = 100, first_poll_s: float = 10.0) -> ReportQueue:
    queue = ReportQueue(PollWaits(first_poll_s), max_generating)
    queue.add(make_jobs(*names))
    return queue


def take(queue: ReportQueue, now: float) -> ReportJob:
    job = queue.next(now)
    assert job is not None
    return job


def name_of(job: ReportJob | None) -> str | None:
    return job.decision.name if job else None


# -- the rules -----------------------------------------------------------------------------------


def test_first_requests_come_in_order_and_before_polls() -> None:
    queue = make_queue("a", "b")
    queue.poll_later(take(queue, 0.0), 0.0)
    assert name_of(queue.next(1000.0)) == "b"
    assert name_of(queue.next(1000.0)) == "a"


def test_a_poll_comes_when_it_is_due_and_not_before() -> None:
    queue = make_queue("a")
    queue.poll_later(take(queue, 0.0), 5.0)
    assert queue.wakes_at() == 15.0
    assert queue.next(14.9) is None
    assert name_of(queue.next(15.0)) == "a"


def test_polls_come_in_the_order_in_which_they_became_due() -> None:
    queue = make_queue("a", "b", "c")
    for at in (0.0, 1.0, 2.0):
        queue.poll_later(take(queue, at), at)
    assert [name_of(queue.next(60.0)) for _ in range(3)] == ["a", "b", "c"]


def test_while_many_are_generating_polls_come_before_first_requests() -> None:
    queue = make_queue("a", "b", "c", max_generating=2)
    for _ in range(2):
        queue.poll_later(take(queue, 0.0), 0.0)
    assert queue.next(5.0) is None
    poll = take(queue, 10.0)
    assert name_of(poll) == "a"
    queue.finish_report(poll, 10.0, ready=True)
    assert name_of(queue.next(10.0)) == "c"


def test_first_requests_in_flight_count_as_generating() -> None:
    queue = make_queue("a", "b", "c", max_generating=2)
    first, _ = take(queue, 0.0), take(queue, 0.0)
    assert queue.next(0.0) is None
    assert queue.wakes_at() == math.inf
    queue.finish_report(first, 1.0, ready=True)
    assert name_of(queue.next(1.0)) == "c"


def test_a_failed_call_comes_back_when_due_and_before_any_first_request() -> None:
    queue = make_queue("a", "b")
    failed = take(queue, 0.0)
    queue.retry(failed, 120.0)
    assert name_of(take(queue, 1.0)) == "b"
    assert queue.wakes_at() == 120.0
    assert queue.next(119.0) is None
    queue.add(make_jobs("c"))
    assert name_of(queue.next(120.0)) == "a"


def test_a_failed_poll_counts_as_generating_still() -> None:
    queue = make_queue("a", "b", max_generating=1)
    queue.poll_later(take(queue, 0.0), 0.0)
    queue.retry(take(queue, 10.0), 130.0)
    assert queue.generating == 1
    assert queue.next(60.0) is None
    assert name_of(queue.next(130.0)) == "a"


def test_a_hold_gives_nothing_to_anybody_until_it_ends() -> None:
    queue = make_queue("a", "b")
    queue.poll_later(take(queue, 0.0), 0.0)
    queue.hold(50.0)
    queue.hold(40.0)
    assert queue.next(49.9) is None
    assert queue.wakes_at() == 50.0
    assert name_of(queue.next(50.0)) == "b"
    assert name_of(queue.next(50.0)) == "a"


# -- its books -----------------------------------------------------------------------------------


def test_a_queue_is_idle_when_nothing_waits_and_nothing_is_under_way() -> None:
    queue = make_queue("a")
    assert not queue.idle
    job = take(queue, 0.0)
    assert (queue.ready, queue.in_flight, queue.idle) == (0, 1, False)
    queue.poll_later(job, 0.0)
    assert (queue.in_flight, queue.generating, queue.idle) == (0, 1, False)
    job = take(queue, 10.0)
    assert (queue.generating, queue.idle) == (1, False)
    queue.finish_report(job, 11.0, ready=True)
    assert (queue.generating, queue.idle, queue.wakes_at()) == (0, True, math.inf)


def test_a_job_remembers_when_it_was_first_and_last_asked_for() -> None:
    queue = make_queue("a")
    job = take(queue, 0.0)
    queue.poll_later(job, 3.0)
    queue.poll_later(take(queue, 13.0), 14.0)
    assert (job.first_asked, job.last_asked, job.polls) == (3.0, 14.0, 1)


def test_what_is_left_can_be_drained() -> None:
    queue = make_queue("a", "b", "c")
    queue.poll_later(take(queue, 0.0), 0.0)
    queue.retry(take(queue, 0.0), 100.0)
    assert sorted(job.decision.name for job in queue.drain()) == ["a", "b", "c"]
    assert queue.idle
    assert queue.drain() == []


# -- the waits -----------------------------------------------------------------------------------


def test_the_last_wait_serves_all_later_polls() -> None:
    waits = PollWaits(10.0, [20.0, 30.0])
    assert [waits.wait_s(polls) for polls in (0, 1, 2, 99)] == [20.0, 30.0, 30.0, 30.0]
    assert PollWaits(10.0).wait_s(5) == 10.0


def test_a_poll_that_came_too_early_prolongs_the_wait_much_and_one_in_time_shortens_it_little() -> None:
    early, late = PollWaits(10.0), PollWaits(10.0)
    early.record_poll(0, waited_s=10.0, ready=False)
    late.record_poll(0, waited_s=10.0, ready=True)
    assert early.wait_s(0) > 12.5
    assert 9.5 < late.wait_s(0) < 10.0


def test_each_poll_of_a_report_has_its_own_wait() -> None:
    waits = PollWaits(10.0)
    waits.record_poll(0, waited_s=10.0, ready=False)
    waits.record_poll(1, waited_s=13.3, ready=False)
    assert waits.wait_s(0) < waits.wait_s(1)


def test_a_poll_that_came_late_says_little() -> None:
    waits = PollWaits(10.0)
    waits.record_poll(0, waited_s=600.0, ready=True)
    assert waits.wait_s(0) == 10.0
    waits.record_poll(0, waited_s=600.0, ready=False)
    assert waits.wait_s(0) < 20.0


def test_waits_settle_where_nearly_all_are_ready() -> None:
    waits = PollWaits(10.0)
    for number in range(2000):
        generation_s = 10.0 + (number * 37 % 51)
        wait_s = waits.wait_s(0)
        waits.record_poll(0, waited_s=wait_s, ready=generation_s <= wait_s)
    assert 50.0 < waits.wait_s(0) < 75.0


def test_waits_stay_within_their_bounds_whatever_happens() -> None:
    waits = PollWaits(10.0, longest_s=300.0)
    for polls in range(50):
        for _ in range(50):
            waits.record_poll(polls, waited_s=waits.wait_s(polls), ready=False)
    assert set(waits.waits_s) == {300.0}
    assert len(waits.waits_s) == 10
    for _ in range(1000):
        waits.record_poll(0, waited_s=waits.wait_s(0), ready=True)
    assert waits.wait_s(0) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("learned", "expected"),
    [([], [10.0]), ([0.0, -5.0], [1.0, 1.0]), ([1e12], [300.0]), ([20.0] * 5000, [20.0] * 10)],
)
def test_what_an_earlier_run_has_learned_is_taken_within_bounds(
    learned: list[float], expected: list[float]
) -> None:
    assert PollWaits(10.0, learned, longest_s=300.0).waits_s == expected


def test_the_wait_to_start_with_is_never_cut() -> None:
    assert PollWaits(60.0, longest_s=20.0).wait_s(0) == 60.0
