"""Discovery: everything that is listed, once, and whether that is proven to be all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.servers.canned import Payload, ScriptedClient

from harvester.api.discover import fetch_backtests, fetch_projects
from harvester.errors import (
    AuthenticationError,
    NotFoundError,
    RateLimitedError,
    RefusedError,
    ThrottledError,
    TransportError,
)

REFUSED = {"success": False, "errors": ["Invalid argument"]}
NO_SIGNATURE = RefusedError("refused, although the credentials are valid", endpoint="x", status=200)
NO_SIGNATURE.__cause__ = AuthenticationError("refused", endpoint="x", status=200)


def rows(*ids: int) -> list[Payload]:
    return [{"projectId": number, "name": f"P{number}"} for number in ids]


def good(**fields: Any) -> Payload:
    return {"success": True} | fields


class Pages:
    """A server that gives at most `limit` projects in one answer and refuses windows wider than `widest`."""

    def __init__(
        self, *ids: int, limit: int = 10**9, widest: int = 10**9, beyond: str = "empty", **answers: Any
    ) -> None:
        self.ids = list(ids)
        self._limit, self._widest, self._beyond = limit, widest, beyond
        self._answers = {int(name[1:]): answer for name, answer in answers.items()}
        """By number of the request, from 1; called with this server when it can be."""
        self._requests = 0

    def __call__(self, payload: Payload) -> Any:
        self._requests += 1
        answer = self._answers.get(self._requests)
        if callable(answer):
            answer(self)
        elif answer is not None:
            return answer
        start, end = payload.get("start", 0), payload.get("end", 10**9)
        page = self.ids[start:end][: self._limit]
        if payload and (end - start > self._widest or (not page and self._beyond == "refused")):
            return REFUSED
        return good(projects=rows(*page))


async def fetched(server: Callable[[Payload], Any]) -> tuple[list[int], str, list[Payload]]:
    """The ids that are found, why they may not be all, and what was asked for."""
    client = ScriptedClient(server)
    found = await fetch_projects(client)
    return [project.project_id for project in found.projects], found.unproven, client.payloads


@pytest.mark.parametrize("beyond", ["empty", "refused"])
async def test_the_end_is_proven_by_the_last_known_row_with_nothing_behind_it(beyond: str) -> None:
    ids, unproven, asked = await fetched(Pages(3, 1, 2, beyond=beyond))
    assert (ids, unproven) == ([1, 2, 3], "")
    assert asked == [{}, {"start": 2, "end": 4}, {"start": 1, "end": 3}]


@pytest.mark.parametrize("limit", [2, 3, 7, 100])
@pytest.mark.parametrize("widest", [2, 5, 50, 1000])
@pytest.mark.parametrize("beyond", ["empty", "refused"])
async def test_a_limit_of_the_server_is_found_and_the_pages_are_read_to_their_end(
    limit: int, widest: int, beyond: str
) -> None:
    ids = tuple(range(20, 0, -1))
    found, unproven, asked = await fetched(Pages(*ids, limit=limit, widest=widest, beyond=beyond))
    assert (found, unproven) == (sorted(ids), "")
    assert all(window["end"] - window["start"] <= 100 for window in asked[1:])


async def test_windows_begin_with_the_last_known_row() -> None:
    _, _, asked = await fetched(Pages(*range(300), limit=120))
    windows = [(window["start"], window["end"]) for window in asked[1:]]
    assert windows == [(119, 121), (120, 220), (219, 319), (299, 399)]


async def test_a_server_that_gives_one_project_at_a_time_proves_nothing() -> None:
    ids, unproven, _ = await fetched(Pages(1, 2, 3, limit=1))
    assert ids == [1, 2]
    assert unproven == ("the server returns one project at a time, so nothing proves where the list ends")


async def test_windows_of_one_row_prove_nothing() -> None:
    def one_row(payload: Payload) -> Payload:
        page = [1, 2, 3, 4][payload.get("start", 0) : payload.get("end")]
        return good(projects=rows(*(page[:1] if payload else page[:2])))

    ids, unproven, _ = await fetched(one_row)
    assert (ids, unproven) == ([1, 2], "each of 5 readings of the list contradicted itself")


@pytest.mark.parametrize("beyond", ["empty", "refused"])
async def test_one_project_is_all_when_none_follows_it_before_and_after_it_is_given_again(
    beyond: str,
) -> None:
    ids, unproven, asked = await fetched(Pages(7, beyond=beyond))
    assert (ids, unproven) == ([7], "")
    assert asked == [{}, {"start": 1, "end": 2}, {"start": 0, "end": 2}, {"start": 1, "end": 2}]


@pytest.mark.parametrize("beyond", ["empty", "refused"])
async def test_an_account_is_empty_when_it_says_so_twice(beyond: str) -> None:
    ids, unproven, asked = await fetched(Pages(beyond=beyond))
    assert (ids, unproven) == ([], "")
    assert asked == [{}, {"start": 0, "end": 1}, {}, {"start": 0, "end": 1}]


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_one_empty_answer_to_the_call_without_bounds_hides_nothing(count: int) -> None:
    ids, unproven, _ = await fetched(Pages(*range(1, count + 1), r1=good(projects=[])))
    assert (ids, unproven) == (list(range(1, count + 1)), "")


async def test_an_account_whose_only_project_is_added_to_meanwhile_is_read_on() -> None:
    ids, unproven, _ = await fetched(Pages(7, r3=lambda server: server.ids.append(8)))
    assert (ids, unproven) == ([7, 8], "")


PASSING = [
    REFUSED,
    NO_SIGNATURE,
    NotFoundError("not found", endpoint="x", status=200),
    RefusedError("HTTP 403", endpoint="x", status=403),
    TransportError("HTTP 502", endpoint="x", status=502),
    good(projects=[]),
    good(projects=42),
]


@pytest.mark.parametrize("answer", PASSING)
@pytest.mark.parametrize("number", [2, 3, 4, 5])
@pytest.mark.parametrize("limit", [2, 4, 100])
async def test_an_answer_that_goes_wrong_once_hides_nothing(answer: Any, number: int, limit: int) -> None:
    ids, unproven, _ = await fetched(Pages(1, 2, 3, 4, 5, limit=limit, **{f"r{number}": answer}))
    assert (ids, unproven) == ([1, 2, 3, 4, 5], "")


@pytest.mark.parametrize("answer", PASSING)
async def test_answers_that_go_wrong_for_good_leave_the_list_unproven(answer: Any) -> None:
    wrong = {f"r{number}": answer for number in range(2, 50)}
    ids, unproven, _ = await fetched(Pages(1, 2, 3, 4, 5, limit=2, **wrong))
    assert ids == [1, 2]
    assert unproven


async def test_a_slow_down_while_the_end_is_looked_for_leaves_the_list_unproven_at_once() -> None:
    ids, unproven, asked = await fetched(Pages(1, 2, 3, r2=RateLimitedError("slow down", endpoint="x")))
    assert (ids, unproven) == ([1, 2, 3], "slow down")
    assert len(asked) == 2


@pytest.mark.parametrize(
    "error",
    [AuthenticationError("refused", endpoint="x", status=200), ThrottledError("for hours", endpoint="x")],
)
async def test_what_makes_every_further_request_useless_ends_the_listing(error: Exception) -> None:
    with pytest.raises(type(error)):
        await fetched(Pages(1, 2, 3, r2=error))


async def test_a_project_deleted_between_two_pages_makes_the_list_be_read_again() -> None:
    server = Pages(*range(1, 13), limit=5, r2=lambda server: server.ids.remove(2))
    ids, unproven, asked = await fetched(server)
    assert (ids, unproven) == ([1, *range(3, 13)], "")
    assert asked.count({}) == 2


async def test_a_list_that_shifts_each_time_is_not_proven_and_keeps_what_was_found() -> None:
    shifts = {f"r{n}": lambda server: server.ids.insert(0, max(server.ids) + 1) for n in range(2, 99, 2)}
    ids, unproven, asked = await fetched(Pages(1, 2, 3, 4, limit=3, **shifts))
    assert unproven == "each of 5 readings of the list contradicted itself"
    assert asked.count({}) == 5
    assert {1, 2, 3} <= set(ids)


async def test_a_row_that_moves_is_a_shift() -> None:
    ids, unproven, asked = await fetched(Pages(1, 2, 3, 4, limit=3, r2=lambda server: server.ids.reverse()))
    assert (ids, unproven) == ([1, 2, 3, 4], "")
    assert asked.count({}) == 2


async def test_a_project_that_is_listed_twice_counts_once() -> None:
    ids, unproven, _ = await fetched(Pages(1, 1, 2))
    assert (ids, unproven) == ([1, 2], "")


async def test_a_server_that_ignores_bounds_proves_nothing() -> None:
    ids, unproven, _ = await fetched(lambda _: good(projects=rows(1, 2, 3)))
    assert ids == [1, 2, 3]
    assert unproven == "the server ignores the bounds of a request and may have listed a first page only"


async def test_a_list_without_end_is_given_up() -> None:
    ids, unproven, _ = await fetched(
        lambda payload: good(projects=rows(*range(payload.get("start", 0), payload.get("start", 0) + 2)))
    )
    assert unproven == "the list has no end after 1000 windows"
    assert len(ids) == 1002


async def test_a_refused_listing_is_no_empty_account() -> None:
    with pytest.raises(RefusedError):
        await fetched(lambda _: {"success": False, "errors": ["no"]})


async def test_rows_without_a_usable_id_are_named_by_their_place_in_the_whole_list() -> None:
    def with_bad_rows(payload: Payload) -> Payload:
        listed = [*rows(1), None, *rows(3), {"projectId": "abc"}]
        page = listed[payload.get("start", 0) : payload.get("end")]
        return good(projects=page[:3])

    found = await fetch_projects(ScriptedClient(with_bad_rows))
    assert [project.project_id for project in found.projects] == [1, 3]
    assert found.bad_rows == ("`projects[1]` is not an object", "`projects[3].projectId` is 'abc', not an id")


async def test_backtests_come_by_creation_and_id() -> None:
    listed = [
        {"backtestId": "c", "created": "2024-01-02 00:00:00"},
        {"backtestId": "b", "created": "2024-01-01 00:00:00"},
        {"backtestId": "a", "created": "2024-01-02 00:00:00"},
        {"backtestId": "d", "created": None},
    ]
    client = ScriptedClient(lambda _: good(backtests=listed, count=4))
    found = await fetch_backtests(client, 7)
    assert [backtest.backtest_id for backtest in found.backtests] == ["d", "b", "a", "c"]
    assert {backtest.project_id for backtest in found.backtests} == {7}
    assert found.bad_rows == ()
    assert client.payloads == [{"projectId": 7, "includeStatistics": True}]


async def test_a_backtest_without_a_usable_id_costs_one_row() -> None:
    listed = [{"backtestId": "a"}, {"backtestId": 5}, None, {"backtestId": ""}]
    found = await fetch_backtests(ScriptedClient(lambda _: good(backtests=listed, count=4)), 7)
    assert [backtest.backtest_id for backtest in found.backtests] == ["a"]
    assert found.bad_rows == (
        "`backtests[1].backtestId` is 5, not an id",
        "`backtests[2]` is not an object",
        "`backtests[3].backtestId` is '', not an id",
    )


async def test_a_listing_that_is_not_whole_is_an_error() -> None:
    client = ScriptedClient(lambda _: good(backtests=[{"backtestId": "a"}], count=2))
    with pytest.raises(TransportError, match="lists 1 of 2"):
        await fetch_backtests(client, 7)
