"""The simulator's side of the protocol, asked as the clients that are known ask."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from support.asker import asking
from support.builders import TOKEN, USER_ID, make_scenario

from harvester.api.signing import sign
from harvester.errors import ConfigError
from harvester.simulator import Identity, Simulator

_FIRST = {"projectId": 101, "backtestId": f"{1:032x}"}


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("GET", {"params": {"projectId": "101"}}),
        ("POST", {"json": {"projectId": 101}}),
        ("POST", {"json": {"projectId": "101", "unknown": 1}}),
        ("POST", {"data": {"projectId": "101"}}),
        ("GET", {"json": {"projectId": 101}}),
    ],
)
async def test_arguments_come_in_every_form_that_clients_use(method: str, more: dict[str, Any]) -> None:
    async with asking() as asker:
        _, body = await asker.answer("/backtests/list", method=method, **more)
    assert json.loads(body)["count"] == 3


@pytest.mark.parametrize("body", [b"{", b"[1]"])
async def test_a_body_that_is_no_object_counts_as_none(body: bytes) -> None:
    json_type = {"Content-Type": "application/json"}
    async with asking() as asker:
        _, answer = await asker.answer("backtests/list?projectId=101", data=body, headers=json_type)
    assert json.loads(answer)["count"] == 3


async def test_slashes_are_escaped_and_success_comes_last_without_errors() -> None:
    async with asking() as asker:
        _, body = await asker.answer("projects/read", json={})
    assert b"https:\\/\\/cdn.quantconnect.com" in body
    assert list(json.loads(body)) == ["projects", "versions", "success"]


async def test_an_unknown_route_is_named_in_a_refusal() -> None:
    async with asking() as asker:
        assert await asker.ask("backtests/report/read") == {
            "errors": ["Endpoint not found (backtests/report/read)"],
            "success": False,
        }


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Timestamp": ""}, "Invalid timestamp, value received: 0"),
        ({"Authorization": "Basic !"}, "UserID not valid (None) REF #"),
        ({"Authorization": "Bearer abc"}, "UserID not valid (None) REF #"),
        (sign(7, TOKEN, int(time.time())), "UserID not valid (7) REF #"),
        (sign(USER_ID, "wrong", int(time.time())), "Hash doesn't match."),
    ],
)
async def test_each_wrong_signature_is_refused_in_its_own_words(headers: dict[str, str], words: str) -> None:
    async with asking() as asker:
        answer = await asker.ask("authenticate", headers=headers)
    assert answer["errors"][0].startswith(words)


@pytest.mark.parametrize(("age_s", "genuine"), [(0, True), (7000, True), (7300, False), (-7300, False)])
async def test_a_signature_is_good_for_two_hours_and_may_be_used_again(age_s: float, genuine: bool) -> None:
    async with asking() as asker:
        for _ in range(2):
            answer = await asker.ask("authenticate", at=time.time() - age_s)
            assert answer["success"] is genuine


@pytest.mark.parametrize(("refusal", "status"), [("401", 401), ("500", 500), ("text", 200)])
async def test_a_refusal_takes_the_form_of_the_scenario(refusal: str, status: int) -> None:
    async with asking(make_scenario(identity=Identity(refusal=refusal, window_s=20))) as asker:
        assert (await asker.answer("authenticate", at=time.time() - 60))[0] == status


@pytest.mark.parametrize(
    ("payload", "ids"),
    [
        ({}, [101, 102]),
        ({"end": 1}, [101]),
        ({"start": 1}, [102]),
        ({"start": 2, "end": 9}, []),
        ({"projectId": 102}, [102]),
        ({"start": 1, "end": 1}, None),
        ({"projectId": -1}, None),
    ],
)
async def test_projects_are_paged_and_chosen(payload: dict[str, int], ids: list[int] | None) -> None:
    async with asking() as asker:
        answer = await asker.ask("projects/read", payload)
    found = [row["projectId"] for row in answer["projects"]] if answer["success"] else None
    assert found == ids


async def test_the_organization_restricts_the_listing() -> None:
    async with asking() as asker:
        answer = await asker.ask("projects/read", {"organizationId": "none"})
    assert answer["projects"] == []


async def test_statistics_come_when_they_are_asked_for() -> None:
    async with asking() as asker:
        plain = await asker.ask("backtests/list", {"projectId": 101})
        full = await asker.ask("backtests/list", {"projectId": 101, "includeStatistics": True})
    assert "sharpeRatio" not in plain["backtests"][0]
    assert isinstance(full["backtests"][0]["sharpeRatio"], float)


async def test_a_port_in_use_is_named_with_what_to_do() -> None:
    async with Simulator(make_scenario()) as first:
        with pytest.raises(ConfigError, match=rf"port {first.port} is in use.*--port"):
            async with Simulator(make_scenario(), port=first.port):
                raise AssertionError("unreachable")
