"""Any sequence of commands, kills, restarts and clocks that jump: never above the rate or within a hold."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import anyio
import anyio.lowlevel
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clock import run_virtually

from harvester.api.pace import RateLimiter, limiter_for
from harvester.api.pace_file import Clocks, PaceFile, PaceState
from harvester.config.settings import PaceSettings
from harvester.errors import ThrottledError
from harvester.text import Duration

_PROCESSES = 3

event = st.one_of(
    st.tuples(st.just("begin"), st.integers(0, _PROCESSES - 1)),
    st.tuples(st.just("kill"), st.integers(0, _PROCESSES - 1)),
    st.tuples(st.just("interrupt"), st.integers(0, _PROCESSES - 1)),
    st.tuples(st.just("wait"), st.floats(0.1, 8.0)),
    st.tuples(st.just("throttle"), st.floats(1.0, 30.0)),
    st.tuples(st.just("set clock"), st.floats(-1e6, 1e6)),
    st.tuples(st.just("restart"), st.just(0)),
)


class Mortal(PaceFile):
    """The file of a process that may be killed: from then on it writes nothing."""

    dead = False

    def update(self, change: Callable[[PaceState | None], PaceState]) -> bool:
        return not self.dead and super().update(change)


class World:
    """A machine whose processes ask for ever, and the server that sees it."""

    def __init__(self, directory: Path, pace: PaceSettings) -> None:
        self._path = directory / "pace"
        self._pace = pace
        self._wall_offset_s = 0.0
        self._boot = 0
        self._stores: dict[int, Mortal] = {}
        self._scopes: dict[int, anyio.CancelScope] = {}
        self._limiters: dict[int, RateLimiter] = {}
        self.starts: list[float] = []
        self.holds: list[tuple[float, float]] = []

    def begin(self, number: int, group: anyio.abc.TaskGroup) -> None:
        if number in self._scopes:
            return
        boot = self._boot
        clocks = Clocks(
            lambda: anyio.current_time() - 1e3 * boot,
            lambda: anyio.current_time() + self._wall_offset_s,
            str(boot),
        )
        self._stores[number] = Mortal(self._path, clocks)
        self._limiters[number] = limiter_for(self._pace, store=self._stores[number])
        self._scopes[number] = anyio.CancelScope()
        group.start_soon(self._work, number)

    async def _work(self, number: int) -> None:
        limiter = self._limiters[number]
        with self._scopes[number]:
            try:
                while True:
                    await limiter.acquire()
                    self.starts.append(anyio.current_time())
                    await anyio.sleep(0.1)
                    limiter.record_success()
            except ThrottledError:
                pass

    def end(self, number: int, *, at_once: bool) -> None:
        """At once: as SIGKILL does it, with no step taken any more."""
        if number in self._scopes:
            self._stores[number].dead = at_once
            self._scopes.pop(number).cancel()

    def throttle(self, seconds: float) -> None:
        """The server's answer to whoever is there."""
        for number in self._scopes:
            now = anyio.current_time()
            self.holds.append((now, now + seconds))
            try:
                self._limiters[number].record_throttled(now, retry_after_s=seconds, endpoint="x")
            except ThrottledError:
                self.end(number, at_once=False)
            return

    async def happen(self, word: str, value: float, group: anyio.abc.TaskGroup) -> None:
        if word == "begin":
            self.begin(int(value), group)
        elif word in {"kill", "interrupt"}:
            self.end(int(value), at_once=word == "kill")
        elif word == "wait":
            await anyio.sleep(value)
        elif word == "throttle":
            self.throttle(value)
        elif word == "set clock":
            self._wall_offset_s += value
        elif word == "restart":
            for number in list(self._scopes):
                self.end(number, at_once=True)
            self._boot += 1
        await anyio.lowlevel.checkpoint()


@given(st.lists(event, min_size=10, max_size=40), st.floats(6.0, 120.0), st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_no_sequence_of_commands_exceeds_the_rate_or_sends_within_a_hold(
    script: list[tuple[str, float]], per_min: float, burst: int
) -> None:
    restarted = any(word == "restart" for word, _ in script)

    async def main(directory: str) -> World:
        world = World(Path(directory), PaceSettings(per_min, burst, max_hold=Duration(25)))
        async with anyio.create_task_group() as group:
            for word, value in [("begin", 0.0), ("begin", 1.0), *script]:
                # A clock that is set forward while the machine is off would tell nobody how long that was.
                forward = word == "set clock" and restarted
                await world.happen(word, -abs(value) if forward else value, group)
            await anyio.sleep(3.0)
            group.cancel_scope.cancel()
        return world

    with tempfile.TemporaryDirectory() as directory:
        world = run_virtually(main, directory)
    for first, last in combinations(range(len(world.starts)), 2):
        span_s = world.starts[last] - world.starts[first]
        assert last - first + 1 <= burst + per_min / 60 * span_s + 1e-3
    for since, until in world.holds:
        assert not [at for at in world.starts if since + 1e-6 < at < until - 1e-6]
