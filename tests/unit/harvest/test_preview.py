"""What a run would do, without doing it."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

from support.servers.canned import Payload, ScriptedClient
from support.values import make_entry, make_policy

from harvester.api.discover import fetch_backtests
from harvester.api.events import RequestEvent
from harvester.archive.lists import CheckedSnapshot
from harvester.config.settings import FilterSettings, Settings
from harvester.errors import RefusedError, TransportError
from harvester.harvest.events import Event
from harvester.harvest.preview import Preview, preview_run
from harvester.model import InventoryEntry, OptimizationsRecord, Outcome

REFUSED = RefusedError("no", endpoint="x", status=200)


class Nobody:
    def notify(self, event: Event) -> None:
        """Nothing."""

    def request_ended(self, event: RequestEvent) -> None:
        """Nothing."""


def account(payload: Payload) -> Any:
    """Projects 1 and 2 with three backtests, and 3, which cannot be listed."""
    if "projectId" not in payload:
        ids = [1, 2, 3][payload.get("start", 0) : payload.get("end")]
        return {"success": True, "projects": [{"projectId": n, "name": f"P{n}"} for n in ids]}
    if "includeStatistics" not in payload:
        return {"success": True, "optimizations": []}
    if payload["projectId"] == 3:
        return TransportError("x: HTTP 500", endpoint="x")
    rows = [
        {"backtestId": f"{payload['projectId']}{name}", "name": name, "status": "Completed."}
        for name in "abc"
    ]
    return {"success": True, "backtests": rows, "count": 3}


def snapshot(*entries: InventoryEntry) -> CheckedSnapshot:
    """A previous Snapshot as far as a preview looks at it."""
    by_project = {n: [entry for entry in entries if entry.project_id == n] for n in range(9)}
    projects = [(n, found) for n, found in by_project.items() if found]
    made = SimpleNamespace(
        projects=lambda: iter(projects), optimizations=lambda: OptimizationsRecord(digests={})
    )
    return cast(CheckedSnapshot, made)


async def previewed(previous: CheckedSnapshot | None = None, **filters: Any) -> Preview:
    client, policy = ScriptedClient(account), make_policy(FilterSettings(**filters))
    return await preview_run(client, previous, Settings(), policy, Nobody())


async def test_everything_is_new_at_first() -> None:
    found = await previewed()
    assert (found.projects, found.listed, found.reports, found.gone) == (3, 6, 6, 0)
    assert found.examples[0] == ("P1", "a", "1a")
    assert [unread.project_id for unread in found.unread] == [3]


async def test_requests_and_minutes_are_told_for_the_best_and_the_worst_case() -> None:
    found = await previewed()
    found.listing_requests = 4
    assert found.requests() == (10, 16)
    assert found.minutes(2.0) == (5.0, 8.0)


async def test_what_would_not_be_asked_for_is_counted_with_its_reason() -> None:
    previous = snapshot(
        make_entry("1a", change_key=""),
        make_entry("2x", project_id=2),
        make_entry("3a", project_id=3),
        make_entry("4a", project_id=4),
    )
    found = await previewed(previous, names=("b",))
    assert found.reports == 2
    assert found.gone == 2
    assert found.outcomes == Counter({Outcome.CARRIED: 2, Outcome.SKIPPED: 3})
    assert found.reasons["its name is not among the selected ones"] == 4


async def test_what_would_make_the_run_incomplete_is_said() -> None:
    def cut_short(payload: Payload) -> Any:
        return REFUSED if "start" in payload else account(payload)

    previous = snapshot(*(make_entry(f"old{n}", project_id=2, change_key="") for n in range(3)))
    for client, doubt in (
        (ScriptedClient(account), "3 of 3 archived reports are no longer listed, more than half at once"),
        (ScriptedClient(cut_short), "the list of projects is not proven complete: no"),
    ):
        found = await preview_run(client, previous, Settings(), make_policy(), Nobody())
        assert any(said.startswith(doubt) for said in found.doubts)
        assert found.gone == 0
    accepting = make_policy(accept_gone=True)
    found = await preview_run(ScriptedClient(account), previous, Settings(), accepting, Nobody())
    assert (found.doubts, found.gone) == ([], 3)


async def test_what_is_archived_and_unchanged_would_be_carried() -> None:
    keys = {
        row.backtest_id: row.change_key
        for n in (1, 2)
        for row in (await fetch_backtests(ScriptedClient(account), n)).backtests
    }
    entries = [make_entry(name, project_id=int(name[0]), change_key=key) for name, key in keys.items()]
    found = await previewed(snapshot(*entries))
    assert (found.reports, found.outcomes) == (0, Counter({Outcome.CARRIED: 6}))
    assert found.reasons == Counter({"already archived": 6})
    assert found.examples == []


async def test_no_more_than_twenty_examples_are_named() -> None:
    def many(payload: Payload) -> Any:
        if "projectId" not in payload:
            ids = [1][payload.get("start", 0) : payload.get("end")]
            return {"success": True, "projects": [{"projectId": n} for n in ids]}
        return {"success": True, "backtests": [{"backtestId": f"b{n:03}"} for n in range(100)]}

    found = await preview_run(ScriptedClient(many), None, Settings(), make_policy(), Nobody())
    assert (found.reports, len(found.examples)) == (100, 20)
