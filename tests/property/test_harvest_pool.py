"""Whatever the server answers, in whatever order, each report comes to exactly one end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.pools import HTML, Answer, World, run_pool, stop_after

from harvester.api.stop import GRACE_S
from harvester.api.wire import Pending
from harvester.errors import (
    NotFoundError,
    ProtocolError,
    RateLimitedError,
    RefusedError,
    ThrottledError,
    TransportError,
)
from harvester.harvest.events import Settled
from harvester.harvest.settle import Archived, Miss, settle
from harvester.model import Ending, Outcome

answers: st.SearchStrategy[Answer] = st.one_of(
    st.just(HTML),
    st.just(Pending()),
    st.floats(0.0, 400.0),
    st.just(TransportError("cut", endpoint="x")),
    st.just(RateLimitedError("slow", endpoint="x")),
    st.just(RefusedError("no", endpoint="x", status=200)),
    st.just(NotFoundError("gone", endpoint="x", status=404)),
    st.just(ProtocolError("odd", endpoint="x")),
)
scripts = st.dictionaries(
    st.integers(0, 30).map(str), st.lists(answers, min_size=1, max_size=6), min_size=1, max_size=12
)


@given(scripts, st.integers(1, 5), st.integers(1, 4))
def test_every_report_ends_exactly_once_and_as_its_answers_say(
    script: dict[str, list[Answer]], workers: int, max_generating: int
) -> None:
    ended = run_pool(World(script), workers=workers, max_generating=max_generating)
    settled = [event.backtest_id for event in ended.world.events if isinstance(event, Settled)]
    assert sorted(settled) == sorted(script)
    assert {name for _, name in ended.pool.results} == set(script)
    assert ended.stop.ending is None
    for name, said in script.items():
        result = ended.result(name)
        reached = said[: result.requests]
        assert result.requests == ended.world.requests()[name] >= 1
        assert isinstance(result, Archived) == (name in ended.world.kept)
        if isinstance(result, Archived):
            assert isinstance(reached[-1], str | float)
        elif result.outcome is Outcome.FAILED:
            assert (result.miss is Miss.NOT_FOUND) == isinstance(reached[-1], NotFoundError)
            assert sum(isinstance(answer, Exception) for answer in reached) <= 3
        else:
            assert isinstance(said[-1], Pending)


@given(scripts, st.integers(1, 5), st.floats(0.0, 3000.0), st.booleans())
def test_a_stop_at_any_moment_loses_no_report(
    script: dict[str, list[Answer]], workers: int, seconds: float, throttled: bool
) -> None:
    world = World(script)
    if throttled:
        world.answers["0"] = [ThrottledError("for hours", endpoint="x")]
    ended = run_pool(world, workers=workers, meanwhile=stop_after(seconds, ending=Ending.TIME))
    settled = [event.backtest_id for event in world.events if isinstance(event, Settled)]
    assert len(settled) == len(set(settled)) == len(ended.pool.results)
    saved = {name for name, outcome in ended.outcomes().items() if outcome == "saved"}
    assert saved == set(world.kept)
    assert set(world.requests()) <= set(ended.outcomes())
    if ended.stop.ending is Ending.TIME:
        assert ended.at <= seconds + GRACE_S + 0.02
    decisions = {decision.key[1]: decision for decision in world.decisions()}
    lines = [
        settle(decision, ended.pool.results.get(decision.key), snapshot="s", now="n")
        for decision in decisions.values()
    ]
    assert len(lines) == len(script | world.answers)
    assert all(line.outcome is not Outcome.CARRIED for line in lines)
