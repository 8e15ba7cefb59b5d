"""Real objects for tests: settings, a run against a simulator, what it left on disk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio.to_thread
import msgspec

from harvester.api.events import RequestEvent
from harvester.api.retry import Backoff
from harvester.archive import Archive, Pages
from harvester.config.credentials import Credentials
from harvester.config.settings import ApiSettings, FilterSettings, PaceSettings, ReportSettings, Settings
from harvester.harvest.compose import open_run
from harvester.harvest.events import Event
from harvester.harvest.plan import Policy
from harvester.harvest.run import Run, RunResult
from harvester.model import InventoryEntry, account_fingerprint
from harvester.secrets import Secret
from harvester.simulator import BacktestSpec, Drawing, ProjectSpec, Scenario, Simulator
from harvester.text import Duration

REPORTS = Path(__file__).parents[3] / "shared" / "reports"
"""Real reports, where they are at hand."""
SMALL = Drawing(years=2, small=True)
USER_ID, TOKEN = 123456, "aaaabbbbccccdddd"


def make_backtests(count: int, *, first: int = 1, **fields: Any) -> tuple[BacktestSpec, ...]:
    """Backtests with ids 1, 2, ... unless said otherwise."""
    return tuple(
        BacktestSpec(**({"backtest_id": f"{n:032x}", "name": f"Backtest {n}", "seed": n} | fields))
        for n in range(first, first + count)
    )


def make_scenario(*projects: tuple[BacktestSpec, ...], **fields: Any) -> Scenario:
    """An account with these projects, their ids 101, 102, ... and small reports."""
    specs = tuple(
        ProjectSpec(project_id=101 + n, name=f"Project {n + 1}", backtests=backtests)
        for n, backtests in enumerate(projects)
    )
    return Scenario(**({"projects": specs, "drawing": SMALL} | fields))


def make_settings(base_url: str, archive: Path, **tables: Any) -> Settings:
    """Settings for a server on this machine: quick, patient for milliseconds only."""
    settings = Settings(
        api=ApiSettings(
            base_url=base_url, read_timeout=Duration(1), total_timeout=Duration(2), max_body_mb=8
        ),
        pace=PaceSettings(rate_per_min=60_000, burst=10, workers=4, pause=Duration(0.05)),
        reports=ReportSettings(
            first_poll=Duration(0.02), deadline=Duration(1), retry_after=Duration(0.02), max_generating=50
        ),
        archive=msgspec.structs.replace(Settings().archive, dir=str(archive)),
        filters=FilterSettings(),
    )
    changed = {
        table: msgspec.structs.replace(getattr(settings, table), **fields) for table, fields in tables.items()
    }
    return msgspec.structs.replace(settings, **changed)


def make_credentials(user_id: int = USER_ID, token: str = TOKEN) -> Credentials:
    """Credentials that the simulator accepts, unless said otherwise."""
    return Credentials(user_id, Secret(token), "a test")


@dataclass
class Watcher:
    """Keeps everything that a run tells."""

    events: list[Event] = field(default_factory=list)
    requests: list[RequestEvent] = field(default_factory=list)
    on_event: Callable[[Event], None] = lambda _: None

    def notify(self, event: Event) -> None:
        self.events.append(event)
        self.on_event(event)

    def request_ended(self, event: RequestEvent) -> None:
        self.requests.append(event)


@dataclass(frozen=True)
class Asked:
    """What a test may want otherwise for one run."""

    watcher: Watcher = field(default_factory=Watcher)
    refresh_days: float | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    credentials: Credentials = field(default_factory=make_credentials)
    pages: Pages | None = None
    started: Callable[[Run], None] = lambda _: None
    """Is given the run before it starts."""


async def run_against(
    simulator: Simulator, archive: Path, asked: Asked | None = None, **tables: Any
) -> RunResult:
    """One run of the main job, with real parts; `tables` changes settings."""
    asked = asked or Asked()
    settings = make_settings(simulator.base_url, archive, **tables)
    backoff = Backoff(tries=settings.api.tries, first_s=0.005, most_s=0.01)
    policy = Policy.from_settings(settings, now=asked.now(), refresh_days=asked.refresh_days)
    async with (
        _locked(archive) as store,
        open_run(
            store,
            settings,
            asked.credentials,
            observer=asked.watcher,
            policy=policy,
            backoff=backoff,
            pages=asked.pages,
            now=asked.now,
        ) as run,
    ):
        asked.started(run)
        return await run.execute()


@asynccontextmanager
async def _locked(root: Path) -> AsyncIterator[Archive]:
    """The archive under its lock; taken in a thread, as files are, and let go in one."""
    store = await anyio.to_thread.run_sync(
        lambda: Archive.create_or_open(root, account=account_fingerprint(USER_ID))
    )
    lock = store.lock(command="test", wait_s=0)
    await anyio.to_thread.run_sync(lock.__enter__)
    try:
        yield store
    finally:
        await anyio.to_thread.run_sync(lock.__exit__, None, None, None)


def entries(result: RunResult) -> dict[str, InventoryEntry]:
    """The Inventory of a run by backtest id."""
    lines = (result.path / "inventory.jsonl").read_bytes().splitlines()
    found = [msgspec.json.decode(line, type=InventoryEntry) for line in lines]
    return {entry.backtest_id: entry for entry in found}


def outcomes(result: RunResult) -> dict[str, str]:
    """The Outcome of every backtest by id."""
    return {backtest_id: entry.outcome.value for backtest_id, entry in entries(result).items()}
