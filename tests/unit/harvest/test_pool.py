"""The workers: what becomes of each answer, and how the pool ends. Hours pass in no time (`virtual`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

import anyio
import anyio.lowlevel
import msgspec
import pytest
from support.clock import run_virtually
from support.pools import HTML, SETTINGS, Answer, World, make_pool, run_pool, stop_after

from harvester.api.budget import BUDGET_BYTES, Room
from harvester.api.stop import GRACE_S, StopSignal
from harvester.api.wire import Pending
from harvester.errors import (
    ApiError,
    AuthenticationError,
    DiskError,
    HarvesterError,
    NotFoundError,
    ProtocolError,
    RateLimitedError,
    RefusedError,
    ThrottledError,
    TransportError,
)
from harvester.harvest.events import Rescheduled, Settled, Stopping
from harvester.harvest.pool import kind_of
from harvester.harvest.queue import ReportJob
from harvester.harvest.settle import Archived, Miss, NoReport
from harvester.model import Ending, Outcome

BROKEN = TransportError("x: HTTP 500", endpoint="x", status=500)
NOT_FOUND = NotFoundError("x: not found", endpoint="x", status=200, texts=("Backtest not found",))


def names(count: int) -> Iterable[str]:
    return (f"b{n:02}" for n in range(count))


# -- what becomes of each answer -----------------------------------------------------------------


def test_ready_reports_take_one_request_each() -> None:
    ended = run_pool(World({name: [HTML] for name in names(10)}))
    assert set(ended.outcomes().values()) == {"saved"}
    assert set(ended.world.requests().values()) == {1}
    assert len(ended.world.kept) == 10


def test_nothing_to_do_is_done_at_once() -> None:
    ended = run_pool(World({}))
    assert (ended.pool.results, ended.stop.ending) == ({}, None)


def test_a_generating_report_is_polled_after_its_wait() -> None:
    ended = run_pool(World({"a": [Pending(), HTML]}))
    assert [at for at, _ in ended.world.asked] == [0.0, 10.5]
    result = ended.result("a")
    assert isinstance(result, Archived)
    assert result.requests == 2
    waiting = next(event for event in ended.world.events if isinstance(event, Rescheduled))
    assert (waiting.answer, waiting.wait_s, waiting.generating, waiting.error) == ("generating", 10.0, 1, "")


def test_all_first_requests_are_made_before_any_poll() -> None:
    world = World({name: [Pending(), HTML] for name in names(30)}, latency_s=2.0)
    asked = [name for _, name in run_pool(world, workers=1).world.asked]
    assert asked[:30] == list(names(30))


def test_a_report_that_is_never_ready_is_pending_at_its_deadline_and_polled_a_few_times() -> None:
    ended = run_pool(World({"a": [Pending()], "b": [HTML]}))
    result = ended.result("a")
    assert isinstance(result, NoReport)
    assert result.outcome is Outcome.PENDING
    assert "still being generated" in result.error
    assert 4 <= result.requests <= 20
    assert 1800 <= ended.at <= 1800 + 450 + 10
    assert ended.outcomes()["b"] == "saved"


def test_a_failed_call_is_tried_again_after_minutes_each_time_longer() -> None:
    ended = run_pool(World({"a": [BROKEN]}))
    assert [at for at, _ in ended.world.asked] == [0.0, 120.5, 361.0]
    assert ended.result("a") == NoReport(Miss.FAILED, "x: HTTP 500", "HTTP 500", 3)
    waits = [event.wait_s for event in ended.world.events if isinstance(event, Rescheduled)]
    assert waits == [120.0, 240.0]


def test_a_report_whose_next_try_would_come_after_its_deadline_has_failed() -> None:
    ended = run_pool(World({"a": [BROKEN]}), settings=msgspec.structs.replace(SETTINGS, tries=10))
    assert [at for at, _ in ended.world.asked] == [0.0, 120.5, 361.0, 842.0]
    assert ended.outcomes() == {"a": "failed"}
    assert ended.at < 1800


def test_what_a_report_waits_for_its_turn_is_not_its_own_time() -> None:
    class Held(World):
        async def fetch_report(
            self, project_id: int, backtest_id: str, *, on_request: Callable[[], None], room: Room
        ) -> str | Pending:
            if not self.asked:
                await anyio.sleep(2400.0)
            return await super().fetch_report(project_id, backtest_id, on_request=on_request, room=room)

    assert run_pool(Held({"a": [BROKEN, HTML]})).outcomes() == {"a": "saved"}


def test_a_call_that_fails_and_then_works_is_saved() -> None:
    ended = run_pool(World({"a": [BROKEN, BROKEN, HTML]}))
    assert ended.outcomes() == {"a": "saved"}


def test_a_report_that_is_not_found_for_a_while_is_saved() -> None:
    ended = run_pool(World({"a": [NOT_FOUND, NOT_FOUND, HTML]}))
    assert [at for at, _ in ended.world.asked] == [0.0, 120.5, 361.0]
    assert ended.outcomes() == {"a": "saved"}


@pytest.mark.parametrize(
    ("answers", "miss"),
    [
        ([BROKEN, BROKEN, NOT_FOUND], Miss.NOT_FOUND),
        ([NOT_FOUND, NOT_FOUND, BROKEN], Miss.FAILED),
    ],
)
def test_what_the_last_attempt_met_is_the_fact(answers: list[Answer], miss: Miss) -> None:
    result = run_pool(World({"a": answers})).result("a")
    assert isinstance(result, NoReport)
    assert (result.miss, result.outcome, result.requests) == (miss, Outcome.FAILED, 3)


def test_a_failed_poll_does_not_spoil_a_report_that_comes_later() -> None:
    ended = run_pool(World({"a": [Pending(), BROKEN, Pending(), HTML]}))
    assert ended.outcomes() == {"a": "saved"}


@pytest.mark.parametrize(
    ("error", "outcome", "kind", "requests"),
    [
        (NotFoundError("gone", endpoint="x", status=200, texts=("Backtest not found",)), "failed",
         "refused: Backtest not found", 3),
        (RefusedError("no", endpoint="x", status=200, texts=("No REF #a", "b")), "failed", "refused: No", 3),
        (RefusedError("no", endpoint="x", status=403), "failed", "refused: HTTP 403", 3),
        (ProtocolError("odd", endpoint="x"), "failed", "malformed", 3),
        (RateLimitedError("slow", endpoint="x"), "failed", "slow down", 3),
        (TransportError("cut", endpoint="x"), "failed", "no answer", 3),
    ],
)  # fmt: skip
def test_each_error_ends_one_report_in_its_own_way(
    error: ApiError, outcome: str, kind: str, requests: int
) -> None:
    ended = run_pool(World({"a": [error], "b": [HTML]}))
    assert ended.outcomes() == {"a": outcome, "b": "saved"}
    result = ended.result("a")
    assert isinstance(result, NoReport)
    assert (result.error, result.error_kind, result.requests) == (str(error), kind, requests)
    assert kind_of(error) == kind


def test_a_poison_report_holds_nobody_up() -> None:
    world = World({"poison": [BROKEN]} | {name: [HTML] for name in names(20)})
    ended = run_pool(world, workers=1)
    last = max(at for at, name in world.asked if name != "poison")
    assert last < 20
    assert Counter(ended.outcomes().values()) == {"saved": 20, "failed": 1}


def test_a_silent_server_occupies_one_worker_and_no_other() -> None:
    world = World({"silent": [300.0]} | {name: [HTML] for name in names(20)})
    run_pool(world, workers=2)
    assert max(at for at, name in world.asked) < 20


def test_at_most_so_many_reports_are_generated_at_once() -> None:
    world = World({name: [Pending(), HTML] for name in names(30)})
    run_pool(world, workers=4, max_generating=5)
    assert max(event.generating for event in world.events if isinstance(event, Rescheduled | Settled)) <= 5


def test_decisions_are_fetched_a_few_at_a_time() -> None:
    world = World({name: [HTML] for name in names(50)}, feed_size=3)
    seen: list[int] = []
    world.on_event = lambda _: seen.append(world.fed - len(world.kept))
    run_pool(world, workers=2)
    assert max(seen) <= 3 + 2 + 1


def test_every_settled_report_is_told_with_its_figures() -> None:
    world = World({"a": [HTML], "b": [NotFoundError("gone", endpoint="x", status=404)]})
    run_pool(world)
    told = {event.backtest_id: event for event in world.events if isinstance(event, Settled)}
    assert (told["a"].outcome, told["a"].size_bytes, told["a"].reason) == (Outcome.SAVED, len(HTML), "")
    assert (told["b"].outcome, told["b"].size_bytes, told["b"].reason) == (Outcome.FAILED, 0, "gone")
    assert (told["a"].project_id, told["a"].project, told["a"].name) == (1, "P1", "a")


# -- a server that nobody can reach --------------------------------------------------------------


def test_a_server_that_is_away_for_a_while_is_waited_for_and_no_report_is_blamed() -> None:
    world = World({name: [HTML] for name in names(40)}, away_until=1000.0)
    ended = run_pool(world, workers=4)
    assert set(ended.outcomes().values()) == {"saved"}
    assert len([at for at, _ in world.asked if at < 1000]) + len(world.checks) < 40
    assert any(event.answer == "server away" for event in world.events if isinstance(event, Rescheduled))


def test_a_server_that_stays_away_ends_the_run_with_what_it_has() -> None:
    world = World({"a": [HTML], "b": [100.0]} | {name: [HTML] for name in names(40)})

    async def go_away(stop: StopSignal) -> None:
        await anyio.sleep(0.9)
        world.away_until = 1e9

    ended = run_pool(world, workers=2, meanwhile=go_away)
    assert ended.outcomes()["a"] == "saved"
    assert ended.stop.ending is Ending.PARTIAL
    assert 1800 <= ended.at <= 1800 + 200
    reasons = [event.reason for event in world.events if isinstance(event, Stopping)]
    assert reasons == ["the server was away for too long (x: no connection)"]
    assert {outcome for name, outcome in ended.outcomes().items() if name != "a"} == {"pending"}
    assert len(world.asked) < 30


def test_reports_that_break_while_the_server_is_there_are_failed_and_nobody_waits() -> None:
    world = World({name: [BROKEN] for name in names(5)} | {"good": [HTML]})
    ended = run_pool(world, workers=1)
    assert Counter(ended.outcomes().values()) == {"failed": 5, "saved": 1}
    assert ended.at < 500
    assert 0 < len(world.checks) <= 6


def test_a_server_that_answers_with_a_refusal_is_there() -> None:
    slow = RateLimitedError("slow down", endpoint="authenticate")
    world = World({name: [BROKEN] for name in names(4)}, authenticate_error=slow)
    assert Counter(run_pool(world, workers=1).outcomes().values()) == {"failed": 4}


def test_a_server_that_comes_back_with_a_long_pause_ends_the_run_with_what_it_has() -> None:
    throttled = ThrottledError("a pause of 9000 s", endpoint="authenticate")
    world = World({name: [BROKEN] for name in names(4)}, authenticate_error=throttled)
    ended = run_pool(world, workers=1)
    assert ended.stop.ending is Ending.THROTTLED
    assert set(ended.outcomes().values()) == {"pending"}
    assert ended.at < 10


def test_reports_that_failed_before_an_outage_have_their_tries_after_it() -> None:
    async def go_away(stop: StopSignal) -> None:
        await anyio.sleep(10.0)
        world.away_until = 1700.0

    world = World({"early": [BROKEN, BROKEN, HTML]} | {name: [50.0, HTML] for name in names(4)})
    ended = run_pool(world, workers=1, meanwhile=go_away)
    assert ended.outcomes()["early"] == "saved"


def test_credentials_that_are_refused_in_an_outage_end_the_run() -> None:
    refused = AuthenticationError("refused", endpoint="authenticate", status=401)
    world = World({name: [BROKEN] for name in names(4)}, authenticate_error=refused)
    with pytest.raises(BaseExceptionGroup) as caught:
        run_pool(world, workers=1)
    assert caught.group_contains(AuthenticationError, depth=None)


# -- how it ends ---------------------------------------------------------------------------------


def test_a_stop_takes_no_more_work_and_finishes_what_is_in_flight() -> None:
    world = World({name: [4.0] for name in names(20)})
    ended = run_pool(world, workers=2, meanwhile=stop_after(9.0, "time is up", ending=Ending.TIME))
    saved = [name for name, outcome in ended.outcomes().items() if outcome == "saved"]
    assert sorted(saved) == sorted(world.kept) == list(names(6))
    assert max(at for at, _ in world.asked) < 9.0 < ended.at < 13.0
    assert ended.stop.ending is Ending.TIME
    assert [event.reason for event in world.events if isinstance(event, Stopping)] == ["time is up"]


def test_what_was_fetched_from_the_plan_and_not_reached_is_pending_with_the_reason() -> None:
    ended = run_pool(World({name: [HTML] for name in names(9)}), meanwhile=stop_after(0.2))
    left = [result for result in ended.pool.results.values() if isinstance(result, NoReport)]
    assert left
    for result in left:
        assert (result.outcome, result.requests) == (Outcome.PENDING, 0)
        assert result.error == "not asked for when the run ended: enough"


def test_what_is_generating_at_the_end_is_pending() -> None:
    ended = run_pool(World({"a": [Pending()]}), meanwhile=stop_after(5.0))
    assert ended.result("a") == NoReport(
        Miss.UNREACHED, "still being generated when the run ended: enough", "", 1
    )


def test_what_has_tries_left_at_the_end_is_pending_and_says_what_it_met() -> None:
    ended = run_pool(World({"a": [BROKEN]}), meanwhile=stop_after(5.0))
    said = "x: HTTP 500; not tried again before the run ended: enough"
    assert ended.result("a") == NoReport(Miss.UNREACHED, said, "HTTP 500", 1)


def test_a_failure_that_was_followed_by_generating_is_forgotten() -> None:
    ended = run_pool(World({"a": [BROKEN, Pending()]}), meanwhile=stop_after(125.0))
    result = ended.result("a")
    assert isinstance(result, NoReport)
    assert (result.outcome, result.error_kind) == (Outcome.PENDING, "")


def test_what_is_still_in_flight_after_the_grace_time_is_cut_off_and_not_lost() -> None:
    world = World({"a": [1000.0], "b": [1000.0], "c": [HTML]})
    ended = run_pool(world, meanwhile=stop_after(1.0))
    assert ended.at == pytest.approx(1.0 + GRACE_S)
    assert ended.outcomes() == {"a": "pending", "b": "pending", "c": "pending"}


def test_a_report_that_is_being_written_when_the_grace_ends_is_recorded_or_asked_for_again() -> None:
    world = World({"a": [GRACE_S + 0.995], "b": [1000.0]})
    ended = run_pool(world, meanwhile=stop_after(1.0))
    saved = ended.outcomes()["a"] == "saved"
    assert saved == (world.kept == ["a"])


def test_only_the_first_stop_counts() -> None:
    async def twice(stop: StopSignal) -> None:
        await anyio.sleep(0.1)
        stop.request("first", ending=Ending.TIME)
        await anyio.sleep(0.1)
        stop.request("second", ending=Ending.THROTTLED)

    world = World({"a": [1000.0]})
    ended = run_pool(world, meanwhile=twice)
    assert ended.stop.ending is Ending.TIME
    assert [event.reason for event in world.events if isinstance(event, Stopping)] == ["first"]
    assert ended.at == pytest.approx(0.1 + GRACE_S)


def test_a_pool_that_was_stopped_before_it_ran_does_nothing() -> None:
    async def main() -> World:
        world = World({"a": [HTML]})
        stop = StopSignal()
        pool = make_pool(world, stop=stop)
        stop.request("at once")
        await pool.run(2)
        assert pool.results == {}
        return world

    assert run_virtually(main).asked == []


def test_a_server_that_wants_too_long_a_pause_ends_the_run_with_what_it_has() -> None:
    throttled = ThrottledError("a pause of 9000 s", endpoint="x")
    ended = run_pool(World({"a": [HTML], "b": [throttled], "c": [HTML]}), workers=1)
    assert ended.stop.ending is Ending.THROTTLED
    assert ended.outcomes() == {"a": "saved", "b": "pending", "c": "pending"}


@pytest.mark.parametrize(
    "error", [AuthenticationError("refused", endpoint="x", status=401), DiskError("full", path="/")]
)
def test_what_makes_going_on_senseless_leaves_the_pool_as_itself(error: HarvesterError) -> None:
    world = World({"a": [HTML], "b": [HTML], "c": [HTML]})
    if isinstance(error, DiskError):
        world.keep_error = error
    else:
        world.answers["b"] = [error]
    with pytest.raises(BaseExceptionGroup) as caught:
        run_pool(world)
    assert caught.group_contains(type(error), depth=None)
    assert max(at for at, _ in world.asked) < 5


def test_a_cancelled_pool_has_lost_no_job() -> None:
    async def main() -> tuple[int, int]:
        world = World({name: [5.0] for name in names(4)}, feed_size=10)
        pool = make_pool(world)
        with anyio.move_on_after(7.0):
            await pool.run(2)
        return len(pool.results), len(pool._queue.drain())

    assert run_virtually(main) == (2, 2)


def test_of_two_large_reports_the_second_comes_when_the_first_is_archived() -> None:
    class Large(World):
        async def fetch_report(
            self, project_id: int, backtest_id: str, *, on_request: Callable[[], None], room: Room
        ) -> str | Pending:
            answer = await super().fetch_report(project_id, backtest_id, on_request=on_request, room=room)
            await room.grow_to(self.budget_bytes * (10 if backtest_id.startswith("large") else 0) + 1)
            self.held.append(backtest_id)
            return answer

        async def keep(self, job: ReportJob, html: str) -> Archived:
            await anyio.sleep(60)
            self.at_once.append(sum(name.startswith("large") for name in self.held))
            self.held.remove(job.decision.name)
            return await super().keep(job, html)

        budget_bytes = BUDGET_BYTES
        held: list[str]
        at_once: list[int]

    world = Large({name: [HTML] for name in ("large1", "large2", "large3", "small")})
    world.held, world.at_once = [], []
    ended = run_pool(world, workers=4)
    assert set(ended.outcomes().values()) == {"saved"}
    assert max(world.at_once) == 1
    assert world.kept[:2] in (["large1", "small"], ["small", "large1"])
