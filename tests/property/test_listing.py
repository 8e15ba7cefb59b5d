"""A list that is called proven lacks nothing, and only what does not exist is gone: whatever the server does.

The server is a model without sockets: its limits, its way to refuse, its faults, and what is created and
deleted between two of its answers, are drawn. All answers go through the table of faults and the parsers.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from support.servers.canned import BASE, make_limiter
from support.values import make_backtest, make_entry, make_policy

from harvester.api.answers import check_answer
from harvester.api.client import ApiClient
from harvester.api.discover import fetch_projects
from harvester.api.paging import ProjectList
from harvester.api.signing import Signer
from harvester.config.settings import ApiSettings
from harvester.errors import (
    ApiError,
    AuthenticationError,
    RateLimitedError,
    RefusedError,
    TransportError,
)
from harvester.harvest.gone import GoneCount
from harvester.harvest.plan import Listing, plan_account
from harvester.model import Project

T = TypeVar("T")
Payload = dict[str, Any]
Fault = Literal[
    "", "refused", "hollow", "not-found", "hash", "slow-down", "403", "404", "502", "html", "empty"
]

REFUSALS: list[Fault] = ["refused", "not-found", "hash", "403", "404"]
FAILURES: list[Fault] = [*REFUSALS, "slow-down", "502", "html", "empty"]
_ANSWERS: dict[Fault, tuple[int, bytes]] = {
    "refused": (200, b'{"success":false,"errors":["Server busy, code 17"]}'),
    "hollow": (200, b'{"success":true,"projects":[]}'),
    "not-found": (200, b'{"success":false,"errors":["Project not found"]}'),
    "hash": (200, b'{"success":false,"errors":["Hash doesn\'t match."]}'),
    "slow-down": (200, b'{"success":false,"errors":["Too many requests; please slow down."]}'),
    "403": (403, b"<html>firewall</html>"),
    "404": (404, b"<html>gateway</html>"),
    "502": (502, b"<html>Bad Gateway</html>"),
    "html": (200, b"<html>Maintenance</html>"),
    "empty": (500, b""),
}
_PLAIN_REFUSAL = (200, b'{"success":false,"errors":["Invalid argument"]}')


@dataclass
class Server:
    """An account's list of projects and how it is served."""

    ids: list[int]
    """In the server's own order."""
    page_limit: int = 0
    """Rows in one answer at most; 0: any number."""
    window_limit: int = 0
    """Rows in a window at most; 0: any number."""
    wider: Literal["refuse", "clamp"] = "refuse"
    beyond: Literal["refuse", "empty", "refuse past the end"] = "empty"
    """What is answered where no row is; the last one refuses windows that only end there as well."""
    faults: list[Fault] = field(default_factory=list)
    """Of the requests, in order; those to come are answered rightly."""
    changes: dict[int, list[tuple[str, int]]] = field(default_factory=dict)
    """Before the request of a number: `delete` the n-th project, or `create` one at the n-th position."""
    hollow_lists: bool = False
    """Whether a `hollow` fault may meet the call without bounds as well."""
    moments: list[set[int]] = field(default_factory=list)
    """By request since the last call without bounds: the projects that there were."""
    requests: int = 0

    def __post_init__(self) -> None:
        self._next_id = 1000

    def answer(self, payload: Payload) -> tuple[int, bytes]:
        for kind, place in self.changes.get(self.requests, []):
            self._change(kind, place)
        fault = self.faults[self.requests] if self.requests < len(self.faults) else ""
        if not payload:
            self.moments.clear()
            fault = "" if fault == "hollow" and not self.hollow_lists else fault
        self.moments.append(set(self.ids))
        self.requests += 1
        return _ANSWERS[fault] if fault else self._right(payload)

    def _change(self, kind: str, place: int) -> None:
        if kind == "create":
            self.ids.insert(place % (len(self.ids) + 1), self._next_id)
            self._next_id += 1
        elif self.ids:
            self.ids.pop(place % len(self.ids))

    def _right(self, payload: Payload) -> tuple[int, bytes]:
        start, end = payload.get("start", 0), payload.get("end")
        if end is not None:
            if self.window_limit and end - start > self.window_limit:
                if self.wider == "refuse":
                    return _PLAIN_REFUSAL
                end = start + self.window_limit
            outside = start >= len(self.ids) or (self.beyond == "refuse past the end" and end > len(self.ids))
            if outside and self.beyond != "empty":
                return _PLAIN_REFUSAL
        page = self.ids[start:end]
        page = page[: self.page_limit] if self.page_limit else page
        rows = [{"projectId": number, "name": f"P{number}"} for number in page]
        return 200, msgspec.json.encode({"success": True, "projects": rows})


class ModelClient(ApiClient):
    """The client's retries and its proof of credentials, without time and sockets."""

    def __init__(self, server: Server) -> None:
        super().__init__(ApiSettings(base_url=BASE), Signer(1, "t"), make_limiter())
        self._server = server

    async def call(
        self,
        endpoint: str,
        payload: Payload,
        parse: Callable[[Any], T],
        *,
        on_request: Callable[[], None] = lambda: None,
    ) -> T:
        try:
            with suppress(TransportError, RateLimitedError):
                return self._once(endpoint, payload, parse)
            return self._once(endpoint, payload, parse)
        except AuthenticationError as exc:
            raise RefusedError(
                f"{exc}, although the credentials are valid", endpoint=endpoint, status=200, texts=exc.texts
            ) from exc

    def _once(self, endpoint: str, payload: Payload, parse: Callable[[Any], T]) -> T:
        status, body = self._server.answer(payload)
        return parse(check_answer(status, {}, body, endpoint=endpoint, now=0.0))


def finished(coroutine: Coroutine[Any, Any, T]) -> T:
    """The value of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    raise AssertionError("it waits for something")


def listed(server: Server) -> ProjectList | None:
    """What is listed; None when the run would end with an error before it makes a Snapshot."""
    try:
        return finished(fetch_projects(ModelClient(server)))
    except ApiError:
        return None


def check(server: Server, archived: set[int]) -> bool:
    """Check the promise for a run over an archive of these projects; gives whether the list was proven."""
    found = listed(server)
    if found is None:
        return False
    ids = {project.project_id for project in found.projects}
    if not found.unproven:
        assert set.intersection(*server.moments) <= ids, "every project that was listed all the time is found"
    gone = gone_projects(found, archived)
    assert not gone or not found.unproven
    assert not gone & set.intersection(*server.moments), "what is gone was not listed at some moment"
    return not found.unproven


def gone_projects(found: ProjectList, archived: set[int]) -> set[int]:
    """The projects with a report that the plan marks as gone, every project of the list having its report."""
    ids = {project.project_id for project in found.projects}
    listing = Listing(
        projects=ids,
        load=lambda n: (Project(n, f"P{n}"), [make_backtest("a", project_id=n)]),
        unread={},
        orphans={},
        unproven=found.unproven,
    )
    before = [(n, [make_entry("a", project_id=n)]) for n in sorted(archived)]
    policy, missing = make_policy(), GoneCount()
    decisions = [d for _, each in plan_account(listing, before, policy) for d in each]
    for decision in decisions:
        missing.add(decision)
    assert {d.project.project_id for d in decisions} >= archived, "nothing archived is dropped"
    return {d.project.project_id for d in decisions if d.gone}


limits = st.sampled_from([0, 0, 1, 1, 2, 3, 5, 8, 60, 150])
beyonds = st.sampled_from(["refuse", "empty", "refuse past the end"])
changes = st.dictionaries(
    st.integers(0, 12),
    st.lists(st.tuples(st.sampled_from(["delete", "create"]), st.integers(0, 200)), min_size=1, max_size=3),
    max_size=4,
)


@st.composite
def servers(draw: st.DrawFn, *, least: int, most: int, faults: st.SearchStrategy[list[Fault]]) -> Server:
    return Server(
        ids=list(range(1, draw(st.integers(least, most)) + 1)),
        page_limit=draw(limits),
        window_limit=draw(limits),
        wider=draw(st.sampled_from(["refuse", "clamp"])),
        beyond=draw(beyonds),
        faults=draw(faults),
    )


any_failures: st.SearchStrategy[list[Fault]] = st.lists(
    st.sampled_from(["", "", "hollow", *FAILURES]), max_size=15
)


def at_most_one(fault: list[Fault], at: int) -> list[Fault]:
    return [""] * at + fault


one_wrong = st.builds(
    at_most_one,
    st.lists(st.sampled_from(["refused", "hollow", "not-found", "hash", "502"]), max_size=1),
    st.integers(0, 5),
)


@given(servers(least=2, most=30, faults=any_failures), st.sets(st.integers(1, 30)))
@settings(max_examples=2000, deadline=None)
def test_no_sequence_of_failures_makes_a_part_of_the_list_the_whole(
    server: Server, archived: set[int]
) -> None:
    if server.page_limit == 1:
        server.page_limit = 2  # of one row at a time: below
    check(server, archived & set(server.ids))


@given(servers(least=2, most=30, faults=any_failures), changes)
@settings(max_examples=2000, deadline=None)
def test_what_is_created_and_deleted_meanwhile_hides_nothing(server: Server, changes: Any) -> None:
    if server.page_limit == 1:
        server.page_limit = 2
    server.changes = changes
    check(server, set(server.ids))


@given(servers(least=0, most=4, faults=one_wrong), st.sets(st.integers(1, 6)))
@settings(max_examples=1500, deadline=None)
def test_a_small_account_is_whole_though_one_request_is_answered_wrongly(
    server: Server, archived: set[int]
) -> None:
    server.hollow_lists = True
    server.page_limit = min(server.page_limit, 2)
    check(server, archived)


@given(servers(least=80, most=260, faults=st.just([])), changes)
@settings(max_examples=500, deadline=None)
def test_many_pages_are_read_to_the_end_while_the_account_changes(server: Server, changes: Any) -> None:
    server.changes = changes
    check(server, set(server.ids))


@given(servers(least=0, most=260, faults=st.just([])))
@settings(max_examples=500, deadline=None)
def test_a_server_that_pages_is_read_to_the_end_and_its_list_proven(server: Server) -> None:
    proven = check(server, set(server.ids))
    possible = 1 not in {server.page_limit, server.window_limit} and server.beyond != "refuse past the end"
    assert proven or not (possible or not server.ids)
