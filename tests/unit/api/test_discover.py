"""Discovery: everything that is listed, once, with proof that the listing is whole."""

from __future__ import annotations

from typing import Any

import pytest
from answers import Payload, ScriptedClient

from harvester.api.discover import fetch_backtests, fetch_projects
from harvester.errors import ProtocolError, RefusedError, TransportError


def rows(*ids: int) -> list[Payload]:
    return [{"projectId": number, "name": f"P{number}"} for number in ids]


def good(**fields: Any) -> Payload:
    return {"success": True} | fields


class Pages:
    """A server that gives at most `limit` projects in one answer."""

    def __init__(self, *ids: int, limit: int = 10**9, beyond: str = "empty") -> None:
        self._ids, self._limit, self._beyond = ids, limit, beyond

    def __call__(self, payload: Payload) -> Payload:
        if self._beyond == "ignored":
            return good(projects=rows(*self._ids))
        start, end = payload.get("start", 0), payload.get("end", 10**9)
        page = self._ids[start:end][: self._limit]
        if not page and start and self._beyond == "refused":
            return {"success": False, "errors": ["Invalid argument"]}
        return good(projects=rows(*page))


@pytest.mark.parametrize("beyond", ["empty", "refused", "ignored"])
async def test_one_call_and_one_probe_beyond_the_end_are_enough(beyond: str) -> None:
    client = ScriptedClient(Pages(3, 1, 2, beyond=beyond))
    assert [project.project_id for project in await fetch_projects(client)] == [1, 2, 3]
    assert client.payloads == [{}, {"start": 3, "end": 6}]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("beyond", ["empty", "refused"])
async def test_a_limit_of_the_server_is_found_and_the_pages_are_read_to_their_end(
    limit: int, beyond: str
) -> None:
    ids = tuple(range(20, 0, -1))
    client = ScriptedClient(Pages(*ids, limit=limit, beyond=beyond))
    assert [project.project_id for project in await fetch_projects(client)] == sorted(ids)


async def test_an_account_without_projects_is_probed_too() -> None:
    client = ScriptedClient(Pages())
    assert await fetch_projects(client) == []
    assert client.payloads == [{}, {"start": 0, "end": 1}]


async def test_a_project_that_is_listed_twice_counts_once() -> None:
    assert len(await fetch_projects(ScriptedClient(Pages(1, 1, 2)))) == 2


async def test_a_listing_without_end_is_no_listing() -> None:
    endless = ScriptedClient(lambda payload: good(projects=rows(payload.get("start", 0))))
    with pytest.raises(ProtocolError, match="no end after 1000 pages"):
        await fetch_projects(endless)


async def test_a_refused_listing_is_no_empty_account() -> None:
    client = ScriptedClient(lambda _: {"success": False, "errors": ["no"]})
    with pytest.raises(RefusedError):
        await fetch_projects(client)


async def test_backtests_come_by_creation_and_id() -> None:
    listed = [
        {"backtestId": "c", "created": "2024-01-02 00:00:00"},
        {"backtestId": "b", "created": "2024-01-01 00:00:00"},
        {"backtestId": "a", "created": "2024-01-02 00:00:00"},
        {"backtestId": "d", "created": None},
    ]
    client = ScriptedClient(lambda _: good(backtests=listed, count=4))
    found = await fetch_backtests(client, 7)
    assert [backtest.backtest_id for backtest in found] == ["d", "b", "a", "c"]
    assert {backtest.project_id for backtest in found} == {7}
    assert client.payloads == [{"projectId": 7, "includeStatistics": True}]


async def test_a_listing_that_is_not_whole_is_an_error() -> None:
    client = ScriptedClient(lambda _: good(backtests=[{"backtestId": "a"}], count=2))
    with pytest.raises(TransportError, match="lists 1 of 2"):
        await fetch_backtests(client, 7)
