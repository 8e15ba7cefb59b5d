"""How a run ends when nothing answers any more; the rest is proven against the simulator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from support.clock import run_virtually
from support.servers.canned import Payload, ScriptedClient
from support.values import NOW, make_policy

from harvester.api.events import RequestEvent
from harvester.api.stop import GRACE_S
from harvester.archive import Archive
from harvester.config.settings import RunSettings, Settings
from harvester.errors import StoppedError
from harvester.harvest.events import Event
from harvester.harvest.run import Run, RunDependencies, RunResult
from harvester.model import Ending
from harvester.text import Duration

ROUTES = ("projects/read", "backtests/list", "optimizations/list", "backtests/read/report")


class Silent(ScriptedClient):
    """Answers nothing at all from one route on."""

    def __init__(self, silent: str) -> None:
        super().__init__(_account)
        self._silent = silent
        self.on_silence: Callable[[], None] = lambda: None
        self.silent_since = self.ended_at = 0.0

    async def authenticate(self) -> None:
        await self._wait("authenticate")

    async def call(self, endpoint: str, payload: Payload, parse: Any, **more: Any) -> Any:
        await self._wait(endpoint)
        return await super().call(endpoint, payload, parse, **more)

    async def _wait(self, endpoint: str) -> None:
        await anyio.sleep(1.0)
        if endpoint == self._silent:
            self.silent_since = anyio.current_time()
            self.on_silence()
            await anyio.sleep_forever()


def _account(payload: Payload) -> Payload:
    if "backtestId" in payload:
        return {"success": True, "report": "<html>"}
    if "projectId" in payload and "includeStatistics" not in payload:
        return {"success": True, "optimizations": []}
    if "projectId" in payload:
        return {"success": True, "backtests": [{"backtestId": "b", "status": "Completed."}], "count": 1}
    rows = [{"projectId": n, "name": f"P{n}"} for n in (1, 2)]
    return {"success": True, "projects": rows[payload.get("start", 0) : payload.get("end")]}


class Nobody:
    def notify(self, event: Event) -> None:
        """Nothing."""

    def request_ended(self, event: RequestEvent) -> None:
        """Nothing."""


def run(root: Path, client: Silent, *, max_duration_s: float = 0.0, interrupted: bool = False) -> RunResult:
    """A run against a server that falls silent; interrupted, it is so when the server has fallen silent."""

    async def main() -> RunResult:
        archive = await anyio.to_thread.run_sync(lambda: Archive.create_or_open(root, account="a"))
        lock = archive.lock(command="run", wait_s=0)
        await anyio.to_thread.run_sync(lock.__enter__)
        found = Run(
            RunDependencies(
                client=client,
                archive=archive,
                settings=Settings(run=RunSettings(max_duration=Duration(max_duration_s))),
                policy=make_policy(),
                observer=Nobody(),
                now=lambda: NOW,
                run_id="r",
            )
        )
        if interrupted:
            client.on_silence = lambda: found.interrupt("SIGTERM received")
        try:
            return await found.execute()
        finally:
            client.ended_at = anyio.current_time()
            await anyio.to_thread.run_sync(lock.__exit__, None, None, None)

    return run_virtually(main, threads=True)


@pytest.mark.parametrize("silent", [*ROUTES, "authenticate"])
def test_an_interrupt_ends_a_run_in_the_grace_time_wherever_it_is(tmp_path: Path, silent: str) -> None:
    client = Silent(silent)
    assert run(tmp_path, client, interrupted=True).record is None
    assert client.ended_at == pytest.approx(client.silent_since + GRACE_S, abs=0.01)
    assert not (tmp_path / "latest").exists()
    assert [path.name for path in tmp_path.glob(".*.partial")] == [".2026-11-22.partial"]


def test_time_that_is_up_before_the_projects_are_listed_commits_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoppedError, match="time for this run is up before the projects were listed"):
        run(tmp_path, Silent("projects/read"), max_duration_s=60.0)
    assert not (tmp_path / "latest").exists()


@pytest.mark.parametrize(
    ("silent", "listed", "unread"),
    [("backtests/list", 0, 2), ("optimizations/list", 2, 0), ("backtests/read/report", 2, 0)],
)
def test_time_that_is_up_later_commits_what_there_is(
    tmp_path: Path, silent: str, listed: int, unread: int
) -> None:
    client = Silent(silent)
    result = run(tmp_path, client, max_duration_s=60.0)
    assert result.record is not None
    assert (result.record.ending, result.record.complete) == (Ending.TIME, False)
    assert (result.record.listed, len(result.record.unread_projects)) == (listed, unread)
    named = {unread.error for unread in result.record.unread_optimizations}
    expected = {"the run ended before it was its turn"} if silent == "optimizations/list" else set()
    assert named == expected
    assert client.ended_at == pytest.approx(60.0 + GRACE_S, abs=0.01)


def test_without_silence_all_is_well(tmp_path: Path) -> None:
    result = run(tmp_path, Silent(""))
    assert result.record is not None
    assert (result.record.ending, result.record.counts["saved"]) == (Ending.OK, 2)
