"""A server, a disk and an observer in memory, and a pool that works with them; hours pass in no time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio

from harvester.api.budget import ByteBudget, Room
from harvester.api.events import RequestEvent
from harvester.api.stop import StopSignal
from harvester.api.wire import Pending
from harvester.config.settings import ReportSettings
from harvester.errors import TransportError
from harvester.harvest.decision import FetchReport
from harvester.harvest.events import Event, Stopping
from harvester.harvest.pool import Pool
from harvester.harvest.queue import PollWaits, ReportJob, ReportQueue
from harvester.harvest.settle import Archived, Result
from harvester.model import Ending, Outcome
from harvester.text import Duration
from support.clock import run_virtually
from support.values import make_decision

HTML = "<html>"
Answer = str | Pending | Exception | float


@dataclass
class World:
    """A server, a disk and an observer; answers are given by the backtest's name, the last one for ever."""

    answers: dict[str, list[Answer]]
    """A number is a server that stays silent for so many seconds and then has the report."""
    latency_s: float = 0.5
    away_until: float = 0.0
    """Until then nobody reaches the server."""
    authenticate_error: Exception | None = None
    """What `authenticate` answers when the server is there; None: that all is well."""
    keep_error: Exception | None = None
    feed_size: int = 3
    events: list[Event] = field(default_factory=list)
    asked: list[tuple[float, str]] = field(default_factory=list)
    checks: list[float] = field(default_factory=list)
    """When it was asked whether the server is there at all."""
    kept: list[str] = field(default_factory=list)
    on_event: Callable[[Event], None] = lambda _: None
    fed: int = 0
    budget: ByteBudget = field(default_factory=ByteBudget)

    async def fetch_report(
        self, project_id: int, backtest_id: str, *, on_request: Callable[[], None], room: Room
    ) -> str | Pending:
        on_request()
        script = self.answers[backtest_id]
        turn = sum(name == backtest_id for _, name in self.asked)
        self.asked.append((anyio.current_time(), backtest_id))
        answer = script[min(turn, len(script) - 1)]
        await anyio.sleep(answer if isinstance(answer, float) else self.latency_s)
        if anyio.current_time() < self.away_until:
            raise TransportError("x: no connection", endpoint="x")
        if isinstance(answer, Exception):
            raise answer
        return HTML if isinstance(answer, float) else answer

    async def authenticate(self) -> None:
        self.checks.append(anyio.current_time())
        await anyio.sleep(self.latency_s)
        if anyio.current_time() < self.away_until:
            raise TransportError("x: no connection", endpoint="x")
        if self.authenticate_error is not None:
            raise self.authenticate_error

    async def more(self) -> list[FetchReport]:
        await anyio.lowlevel.checkpoint()
        decisions = self.decisions()[self.fed : self.fed + self.feed_size]
        self.fed += len(decisions)
        return decisions

    async def keep(self, job: ReportJob, html: str) -> Archived:
        await anyio.sleep(0.01)
        if self.keep_error is not None:
            raise self.keep_error
        self.kept.append(job.decision.name)
        return Archived(Outcome.SAVED, job.requests, len(html), "", "k1")

    def notify(self, event: Event) -> None:
        self.events.append(event)
        self.on_event(event)

    def request_ended(self, event: RequestEvent) -> None:
        raise AssertionError("the pool makes no requests itself")

    def decisions(self) -> list[FetchReport]:
        """All that the feed gives, or would have given."""
        return [make_decision(name) for name in self.answers]

    def requests(self) -> Counter[str]:
        return Counter(name for _, name in self.asked)


@dataclass
class Ended:
    pool: Pool
    world: World
    stop: StopSignal
    at: float

    def result(self, name: str) -> Result:
        return self.pool.results[1, name]

    def outcomes(self) -> dict[str, str]:
        return {name: result.outcome.value for (_, name), result in sorted(self.pool.results.items())}


SETTINGS = ReportSettings(deadline=Duration(1800), retry_after=Duration(120), tries=3)


def make_pool(
    world: World,
    *,
    stop: StopSignal | None = None,
    settings: ReportSettings = SETTINGS,
    max_generating: int = 100,
) -> Pool:
    stop = stop or StopSignal()
    stop.on_request = lambda reason: world.notify(Stopping(reason=reason))
    return Pool(
        ReportQueue(PollWaits(10.0, longest_s=450.0), max_generating),
        reader=world,
        feed=world,
        keep=world.keep,
        observer=world,
        stop=stop,
        settings=settings,
    )


def run_pool(
    world: World,
    *,
    workers: int = 2,
    meanwhile: Callable[[StopSignal], Awaitable[None]] | None = None,
    **options: Any,
) -> Ended:
    """Run a pool to its end; `meanwhile` runs at the same time."""

    async def main() -> Ended:
        stop = StopSignal()
        pool = make_pool(world, stop=stop, **options)
        async with anyio.create_task_group() as group:
            if meanwhile is not None:
                group.start_soon(meanwhile, stop)
            await pool.run(workers)
            group.cancel_scope.cancel()
        return Ended(pool, world, stop, anyio.current_time())

    return run_virtually(main)


def stop_after(
    seconds: float, reason: str = "enough", ending: Ending | None = None
) -> Callable[[StopSignal], Awaitable[None]]:
    async def request(stop: StopSignal) -> None:
        await anyio.sleep(seconds)
        stop.request(reason, ending=ending)

    return request
