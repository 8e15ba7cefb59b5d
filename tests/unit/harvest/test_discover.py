"""Discovery as a stage: every project listed, a failed one tried once more, a stop obeyed."""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import Any

import anyio
import pytest
from support.clock import run_virtually
from support.servers.canned import Payload, ScriptedClient

from harvester.api.events import RequestEvent
from harvester.api.pace import limiter_for
from harvester.config.settings import PaceSettings
from harvester.errors import AuthenticationError, HarvesterError, ThrottledError, TransportError
from harvester.harvest.discover import Discoverer, Discovery
from harvester.harvest.events import Doubted, Event, Listed, Relisted
from harvester.harvest.listings import ListReader
from harvester.harvest.spool import MemorySpool
from harvester.model import Ending

BROKEN = TransportError("x: HTTP 500", endpoint="x", status=500)


class Account:
    """Projects 1 to 4 with one backtest each; `errors` are met in order by those who list a project."""

    def __init__(self, **errors: list[HarvesterError]) -> None:
        self._errors = {int(name[1:]): list(found) for name, found in errors.items()}
        self.asked: list[int] = []

    def __call__(self, payload: Payload) -> Any:
        if "projectId" not in payload:
            ids = [1, 2, 3, 4][payload.get("start", 0) : payload.get("end")]
            return {"success": True, "projects": [{"projectId": n, "name": f"P{n}"} for n in ids]}
        project_id = payload["projectId"]
        self.asked.append(project_id)
        if self._errors.get(project_id):
            return self._errors[project_id].pop(0)
        return {"success": True, "backtests": [{"backtestId": f"b{project_id}"}], "count": 1}


class Stage:
    """A discovery and everything that it tells."""

    def __init__(
        self,
        account: Callable[[Payload], Any] | ScriptedClient,
        *,
        stop_after: int = 99,
        expected: Set[int] = frozenset(),
    ) -> None:
        self.spool = MemorySpool()
        self.told: list[Listed] = []
        self.doubts: list[str] = []
        self._stop_after = stop_after
        self.client = account if isinstance(account, ScriptedClient) else ScriptedClient(account)
        self.stop = self.client.limiter.stop
        lists = ListReader(self.client, self.stop, first_wait_s=120.0, longest_s=1800.0)
        self.discoverer = Discoverer(
            self.client, lists=lists, spool=self.spool, observer=self, expected=expected
        )

    def notify(self, event: Event) -> None:
        if isinstance(event, Doubted):
            self.doubts.append(event.reason)
        if isinstance(event, Doubted | Relisted):
            return
        assert isinstance(event, Listed)
        self.told.append(event)
        if len(self.told) >= self._stop_after:
            self.stop.request("enough")

    def request_ended(self, event: RequestEvent) -> None:
        raise AssertionError("only the client tells of requests")


async def test_every_project_is_listed_and_spooled() -> None:
    stage = Stage(Account())
    await stage.discoverer.discover(workers=3)
    found = stage.discoverer.found
    assert (found.projects, found.listed, found.unread, found.failed) == (4, {1, 2, 3, 4}, {}, set())
    assert found.known
    project, backtests = stage.spool.load_listing(3)
    assert (project.name, [backtest.backtest_id for backtest in backtests]) == ("P3", ["b3"])
    assert sorted(event.project_id for event in stage.told) == [1, 2, 3, 4]
    assert {(event.backtests, event.projects, event.error) for event in stage.told} == {(1, 4, "")}


async def test_a_sound_listing_is_in_no_doubt() -> None:
    stage = Stage(Account())
    found = await stage.discoverer.discover(workers=3)
    assert (found.partial, stage.doubts) == (False, [])


def without_ids(payload: Payload) -> Any:
    """Projects 1 and 2 and a row without an id; a backtest and four rows without an id in each."""
    if "projectId" not in payload:
        rows = [{"projectId": 1}, None, {"projectId": 2}]
        return {"success": True, "projects": rows[payload.get("start", 0) : payload.get("end")]}
    return {"success": True, "backtests": [{"backtestId": "a"}, None, None, None, None]}


async def test_rows_without_a_usable_id_are_counted_named_and_a_doubt() -> None:
    stage = Stage(without_ids)
    found = await stage.discoverer.discover(workers=1)
    assert (found.listed, found.partial, found.bad_rows) == ({1, 2}, True, 9)
    assert found.bad_row_examples[:2] == [
        "projects/read: `projects[1]` is not an object",
        "project 1: `backtests[1]` is not an object",
    ]
    listing = found.listing(stage.spool)
    assert listing.doubt(7) == "projects/read: rows without a usable id: 1 (`projects[1]` is not an object)"
    assert listing.doubt(2) == (
        "project 2: rows without a usable id: 4 "
        "(`backtests[1]` is not an object, `backtests[2]` is not an object, "
        "`backtests[3]` is not an object, ...)"
    )
    assert stage.doubts == [listing.doubt(project_id) for project_id in (7, 1, 2)]


async def test_a_project_that_is_listed_again_with_a_bad_row_shows_nothing_to_be_deleted() -> None:
    stage = Stage(without_ids)
    assert await stage.discoverer.relist([(1, "")], workers=1) == {}


async def test_a_reason_is_bounded_however_much_the_server_says() -> None:
    words = {"success": False, "errors": ["x" * 400] * 9}
    stage = Stage(lambda payload: words if "start" in payload else Account()(payload))
    found = await stage.discoverer.discover(workers=1)
    assert found.listed == {1, 2, 3, 4}
    assert found.unproven.startswith("the list of projects is not proven complete: projects/read: the server")
    assert len(found.unproven) < 400
    assert stage.doubts == [found.unproven]


async def test_a_listing_that_fails_once_is_tried_again_after_all_others() -> None:
    account = Account(p2=[BROKEN])
    stage = Stage(account)
    await stage.discoverer.discover(workers=1)
    assert account.asked == [1, 2, 3, 4, 2]
    assert stage.discoverer.found.listed == {1, 2, 3, 4}
    assert (stage.discoverer.found.unread, stage.discoverer.found.failed) == ({}, set())


async def test_a_listing_that_fails_for_good_leaves_its_project_unread() -> None:
    stage = Stage(Account(p2=[BROKEN, BROKEN]))
    await stage.discoverer.discover(workers=2)
    found = stage.discoverer.found
    assert (found.listed, set(found.unread), found.failed) == ({1, 3, 4}, {2}, {2})
    assert (found.unread[2].name, found.unread[2].error) == ("P2", "x: HTTP 500")
    assert [event.error for event in stage.told if event.project_id == 2] == ["x: HTTP 500"] * 2


async def test_a_stop_leaves_the_rest_unread_without_calling_it_failed() -> None:
    stage = Stage(Account(), stop_after=2)
    await stage.discoverer.discover(workers=1)
    found = stage.discoverer.found
    assert (found.listed, set(found.unread), found.failed) == ({1, 2}, {3, 4}, set())
    assert found.unread[3].error == "the run ended before it was its turn"


async def test_refused_credentials_end_the_stage() -> None:
    account = Account(p2=[AuthenticationError("refused", endpoint="x", status=401)])
    stage = Stage(account)
    with pytest.raises(BaseExceptionGroup) as caught:
        await stage.discoverer.discover(workers=1)
    assert caught.group_contains(AuthenticationError)
    assert account.asked == [1, 2]


async def test_a_lasting_slow_down_leaves_the_rest_unread_without_calling_it_failed() -> None:
    account = Account(p2=[ThrottledError("for hours", endpoint="x")])
    stage = Stage(account)
    found = await stage.discoverer.discover(workers=1)
    assert account.asked == [1, 2]
    assert (str(stage.stop.cause), stage.stop.ending) == ("for hours", Ending.THROTTLED)
    assert (found.listed, set(found.unread), found.failed) == ({1}, {2, 3, 4}, set())


def test_a_lasting_slow_down_wakes_those_who_wait_for_their_turn() -> None:
    class Paced(ScriptedClient):
        async def call(self, endpoint: str, payload: Payload, *args: Any, **options: Any) -> Any:
            begun = await limiter.acquire()
            if payload.get("projectId") == 2:
                limiter.record_throttled(begun, retry_after_s=86_400.0, endpoint=endpoint)
            return await super().call(endpoint, payload, *args, **options)

    async def main() -> tuple[set[int], float]:
        client = Paced(Account())
        client.limiter = limiter
        stage = Stage(client)
        found = await stage.discoverer.discover(workers=4)
        assert stage.stop.ending is Ending.THROTTLED
        return found.listed, anyio.current_time()

    limiter = limiter_for(PaceSettings(rate_per_min=30))
    listed, ended_at = run_virtually(main)
    assert listed == {1}
    assert ended_at < 60


class Gone(Account):
    """Its server is away from the second project on, for everybody, until a moment."""

    def __init__(self, back_at: float) -> None:
        super().__init__()
        self._back_at = back_at
        self.asked_at: list[float] = []
        self.waits: list[float] = []

    def __call__(self, payload: Payload) -> Any:
        if payload.get("projectId", 1) == 1 or anyio.current_time() >= self._back_at:
            return super().__call__(payload)
        self.asked_at.append(anyio.current_time())
        return BROKEN

    async def authenticate(self) -> None:
        if anyio.current_time() < self._back_at:
            raise BROKEN


def discover_while_gone(back_at: float, **options: int) -> tuple[Gone, Discovery, float]:
    async def main() -> tuple[Gone, Discovery, float]:
        account = Gone(back_at)
        stage = Stage(account, **options)
        stage.client.authenticate = account.authenticate  # type: ignore[method-assign]
        found = await stage.discoverer.discover(workers=1)
        account.waits = [event.wait_s for event in stage.told]
        return account, found, anyio.current_time()

    return run_virtually(main)


def test_a_server_that_is_away_while_listing_is_waited_for() -> None:
    account, found, ended_at = discover_while_gone(back_at=1000.0)
    assert found.listed == {1, 2, 3, 4}
    assert account.asked_at == pytest.approx([0.0, 120.0, 360.0, 840.0])
    assert ended_at == pytest.approx(1800.0)
    assert account.waits == pytest.approx([0, 120, 240, 480, 960, 0, 0, 0]), (
        "whoever watches knows why it waits"
    )


def test_a_stop_is_noticed_while_the_server_is_waited_for() -> None:
    _, found, ended_at = discover_while_gone(back_at=1e9, stop_after=2)
    assert (found.listed, set(found.unread)) == ({1}, {2, 3, 4})
    assert ended_at <= 1.0


def test_a_server_that_stays_away_while_listing_is_given_up_and_not_hammered() -> None:
    account, found, ended_at = discover_while_gone(back_at=1e9)
    assert (found.listed, set(found.unread), found.failed) == ({1}, {2, 3, 4}, {2})
    assert account.asked_at == pytest.approx([0.0, 120.0, 360.0, 840.0, 1800.0])
    assert ended_at == pytest.approx(1800.0)


async def test_projects_that_cannot_be_listed_are_not_known() -> None:
    stage = Stage(lambda _: BROKEN)
    with pytest.raises(TransportError):
        await stage.discoverer.discover(workers=1)
    assert not stage.discoverer.found.known


def empty_first(answers: list[list[str]]) -> Callable[[Payload], Any]:
    """Projects 1 and 2; the lists of project 1 hold these backtests, one list after the other."""

    def answer(payload: Payload) -> Any:
        if "projectId" not in payload:
            rows = [{"projectId": n} for n in (1, 2)]
            return {"success": True, "projects": rows[payload.get("start", 0) : payload.get("end")]}
        names = answers.pop(0) if payload["projectId"] == 1 else ["b2"]
        return {"success": True, "backtests": [{"backtestId": name} for name in names], "count": len(names)}

    return answer


@pytest.mark.parametrize(("answers", "listed"), [([[], ["a"]], ["a"]), ([[], []], []), ([["a"]], ["a"])])
async def test_an_empty_list_of_a_project_that_had_backtests_is_read_a_second_time(
    answers: list[list[str]], listed: list[str]
) -> None:
    stage = Stage(empty_first(answers), expected={1})
    found = await stage.discoverer.discover(workers=1)
    assert (found.listed, found.unread, answers) == ({1, 2}, {}, [])
    assert [backtest.backtest_id for backtest in stage.spool.load_listing(1)[1]] == listed


async def test_an_empty_list_of_a_project_that_never_had_backtests_is_read_once() -> None:
    stage = Stage(empty_first([[]]))
    found = await stage.discoverer.discover(workers=1)
    assert (found.listed, found.unread) == ({1, 2}, {})


async def test_an_empty_list_that_no_second_one_confirms_leaves_its_project_unread() -> None:
    stage = Stage(empty_first([[]]), expected={1}, stop_after=1)
    found = await stage.discoverer.discover(workers=1)
    assert (found.listed, set(found.unread)) == ({2}, {1})
    assert "before a second list confirmed that" in found.unread[1].error
