"""The door to the API: what each answer becomes, what is signed, what is told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from support.servers.canned import TOKEN, USER_ID, Canned, make_client, make_limiter

from harvester import __version__
from harvester.api.client import ApiClient
from harvester.api.events import RequestEvent
from harvester.api.signing import sign
from harvester.api.wire import Pending
from harvester.errors import (
    ApiError,
    AuthenticationError,
    LockedOutError,
    NotFoundError,
    ProtocolError,
    RateLimitedError,
    RefusedError,
    ThrottledError,
    TransportError,
)

REPORT = "backtests/read/report"
HASH = b'{"errors":["Hash doesn\'t match."],"success":false}'
LOCKED = b'{"errors":["too many failed attempts for this user or ip"],"success":false}'
CODE = b'{"errorCode":10002,"errors":["The API token hash is not valid."],"success":false}'
NOW = 1_700_000_000.0
DATE = {"Date": "Tue, 14 Nov 2023 22:13:20 GMT"}


@pytest.fixture
def canned() -> Iterator[Canned]:
    with Canned() as answers:
        yield answers


class Told:
    """Keeps what a client tells."""

    def __init__(self) -> None:
        self.events: list[RequestEvent] = []

    def request_ended(self, event: RequestEvent) -> None:
        self.events.append(event)


async def fetch(client: ApiClient) -> str | Pending:
    async with client:
        return await client.fetch_report(7, "b")


# -- what comes back -----------------------------------------------------------------------------


async def test_a_ready_report_is_given_as_sent(canned: Canned) -> None:
    canned.answer(REPORT, b'{"report":"<html>\\u20ac<\\/html>","success":true}')
    assert await fetch(make_client()) == "<html>\u20ac</html>"


@pytest.mark.parametrize(
    "body", [b'{"generating":true,"success":true}', b'{"generating":true,"success":false}']
)
async def test_a_report_that_is_being_generated_is_pending(canned: Canned, body: bytes) -> None:
    canned.answer(REPORT, body)
    assert await fetch(make_client()) == Pending()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (500, b"", TransportError),
        (502, b"<html>", TransportError),
        (200, b"<html>", TransportError),
        (429, b"", RateLimitedError),
        (404, b"", NotFoundError),
        (403, b"", RefusedError),
        (307, b"", RefusedError),
        (200, b'{"success":false,"errors":["no"]}', RefusedError),
        (200, b"[]", ProtocolError),
        (200, b'{"report":42,"success":true}', ProtocolError),
    ],
)
async def test_an_answer_becomes_its_error(
    canned: Canned, status: int, body: bytes, kind: type[ApiError]
) -> None:
    canned.answer(REPORT, body, status=status)
    with pytest.raises(kind) as caught:
        await fetch(make_client())
    assert type(caught.value) is kind
    assert caught.value.endpoint == REPORT


@pytest.mark.parametrize(
    "exception",
    [
        aiohttp.ClientOSError(104, "reset"),
        aiohttp.ServerDisconnectedError(),
        aiohttp.ClientPayloadError("cut"),
        TimeoutError(),
        OSError(113, "no route"),
    ],
)
async def test_no_complete_answer_is_a_transport_error(canned: Canned, exception: BaseException) -> None:
    canned.fail(REPORT, exception)
    with pytest.raises(TransportError) as caught:
        await fetch(make_client())
    assert caught.value.__cause__ is exception


async def test_headers_count_whatever_their_case(canned: Canned) -> None:
    canned.answer(REPORT, status=429, headers={"retry-after": "17"})
    with pytest.raises(RateLimitedError) as caught:
        await fetch(make_client())
    assert caught.value.retry_after_s == 17


async def test_a_client_is_used_within_its_context_only() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await make_client().fetch_report(7, "b")
    await make_client().__aexit__(None, None, None)


# -- what is sent --------------------------------------------------------------------------------


async def test_every_attempt_is_signed_anew_with_the_time_of_its_start(canned: Canned) -> None:
    times = iter(NOW + number for number in range(100))
    canned.answer(REPORT, status=500)
    canned.answer(REPORT, b'{"report":"x","success":true}')
    await fetch(make_client(tries=2, now=lambda: next(times)))
    stamps = [headers["Timestamp"] for headers in canned.headers()]
    assert len(set(stamps)) == 2
    for headers in canned.headers():
        signature = sign(USER_ID, TOKEN, int(headers["Timestamp"]))
        assert headers == {"User-Agent": f"harvester/{__version__}"} | signature


async def test_a_call_is_a_post_of_json_that_follows_no_redirect(canned: Canned) -> None:
    canned.answer(REPORT)
    await fetch(make_client())
    ((method, url), (call,)) = next(iter(canned.requests.items()))
    assert (method, str(url)) == ("POST", "https://quantconnect.invalid/api/v2/backtests/read/report")
    assert call.kwargs["json"] == {"projectId": 7, "backtestId": "b"}
    assert call.kwargs["allow_redirects"] is False


async def test_requests_are_counted_with_their_repeats(canned: Canned) -> None:
    for status in (500, 503, 200):
        canned.answer(REPORT, status=status)
    client = make_client(tries=3)
    await fetch(client)
    assert client.requests == 3


# -- what is learned and told --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ({"body": b'{"report":"x","success":true}'}, "ready"),
        ({"body": b'{"generating":true}'}, "generating"),
        ({"body": b"{}", "status": 500}, "again"),
        ({"status": 429, "headers": {"Retry-After": "3"}}, "slow down"),
        ({"body": b'{"success":false}'}, "refused"),
        ({"status": 404}, "not found"),
        ({"body": b"[]"}, "malformed"),
        ({"status": 401}, "authentication"),
    ],
)
async def test_every_request_is_told_with_what_became_of_it(
    canned: Canned, answer: dict[str, Any], word: str
) -> None:
    told = Told()
    canned.answer(REPORT, **answer)
    canned.answer("authenticate")
    with contextlib.suppress(ApiError):
        await fetch(make_client(observer=told, now=lambda: NOW))
    event = told.events[0]
    assert (event.endpoint, event.project_id, event.backtest_id) == (REPORT, 7, "b")
    assert (event.answer, event.attempt, event.started) == (word, 1, NOW)
    assert event.size_bytes == len(answer.get("body", b'{"success":true}'))
    assert event.hold_s == (3.0 if word == "slow down" else 0.0)
    assert bool(event.error) == (word not in {"ready", "generating"})


async def test_a_good_call_without_a_report_is_told_as_ok(canned: Canned) -> None:
    told = Told()
    canned.answer("authenticate")
    async with make_client(observer=told) as client:
        await client.authenticate()
    assert [(event.answer, event.project_id) for event in told.events] == [("ok", None)]


async def test_attempts_of_one_call_are_numbered(canned: Canned) -> None:
    told = Told()
    for status in (500, 500, 200):
        canned.answer(REPORT, status=status)
    await fetch(make_client(tries=3, observer=told))
    assert [event.attempt for event in told.events] == [1, 2, 3]


async def test_slow_down_reaches_the_limiter_and_everything_else_counts_as_good(canned: Canned) -> None:
    limiter = make_limiter()
    canned.answer(REPORT, b'{"success":false,"errors":["slow down"]}')
    with pytest.raises(RateLimitedError):
        await fetch(make_client(limiter=limiter))
    assert limiter.throttled_count == 1
    assert limiter.limit_per_min is not None


async def test_a_pause_that_is_too_long_ends_the_run(canned: Canned) -> None:
    canned.answer(REPORT, status=429, headers={"Retry-After": "999999"})
    with pytest.raises(ThrottledError, match="asks for a pause of 999999 s"):
        await fetch(make_client(tries=3))


# -- authentication ------------------------------------------------------------------------------


async def test_a_refused_signature_is_tried_once_more_and_then_proven(canned: Canned) -> None:
    for _ in range(2):
        canned.answer(REPORT, HASH)
        canned.answer("authenticate", HASH)
    client = make_client(tries=4)
    with pytest.raises(AuthenticationError, match=r"authenticate: .*check the user id and the API token"):
        await fetch(client)
    assert client.requests == 4


@pytest.mark.parametrize("endpoint", ["authenticate", REPORT])
async def test_a_lock_out_ends_everything_after_one_request(canned: Canned, endpoint: str) -> None:
    told = Told()
    for route in ("authenticate", REPORT):
        for _ in range(9):
            canned.answer(route, LOCKED)
    client = make_client(tries=4, observer=told)
    with pytest.raises(LockedOutError, match=f"^{endpoint}: .*fix the token, then wait$"):
        async with client:
            await (client.authenticate() if endpoint == "authenticate" else client.fetch_report(7, "b"))
    assert client.requests == 1
    assert [event.answer for event in told.events] == ["authentication"]


async def test_a_lock_out_that_follows_a_refused_signature_is_not_answered_by_another_one(
    canned: Canned,
) -> None:
    canned.answer(REPORT, HASH)
    for _ in range(9):
        canned.answer(REPORT, LOCKED)
        canned.answer("authenticate", LOCKED)
    client = make_client(tries=4)
    with pytest.raises(LockedOutError):
        await fetch(client)
    assert client.requests == 2


async def test_the_number_of_a_refusal_is_kept(canned: Canned) -> None:
    for _ in range(2):
        canned.answer("authenticate", CODE)
    async with make_client(tries=4) as client:
        with pytest.raises(AuthenticationError, match=r"\(errorCode 10002\); check the user id") as caught:
            await client.authenticate()
    assert caught.value.code == "10002"


async def test_a_refused_call_with_good_credentials_fails_alone(canned: Canned) -> None:
    for _ in range(2):
        canned.answer(REPORT, HASH)
    canned.answer("authenticate")
    with pytest.raises(RefusedError, match="although the credentials are valid") as caught:
        await fetch(make_client(tries=4))
    assert type(caught.value) is RefusedError
    assert caught.value.texts == ("Hash doesn't match.",)


async def test_a_bare_500_is_never_taken_for_bad_credentials(canned: Canned) -> None:
    for _ in range(3):
        canned.answer("authenticate", b"", status=500)
    async with make_client(tries=3) as client:
        with pytest.raises(TransportError):
            await client.authenticate()


@pytest.mark.parametrize(
    ("offset_s", "words"),
    [
        (3 * 3600 + 60, "this machine's clock is 3h1m behind the server's; set it and run again"),
        (-400, "this machine's clock is 6m40s ahead of the server's; set it and run again"),
        (42, r"check the user id .*; also, this machine's clock is 42s behind the server's"),
        (0, "check the user id and the API token on quantconnect.com/settings$"),
    ],
)
async def test_a_refusal_says_whether_the_clock_or_the_token_is_wrong(
    canned: Canned, offset_s: float, words: str
) -> None:
    for _ in range(2):
        canned.answer("authenticate", HASH, headers=DATE)
    async with make_client(now=lambda: NOW - offset_s, tries=4) as client:
        with pytest.raises(AuthenticationError, match=words):
            await client.authenticate()
        assert client.server_offset_s == offset_s


async def test_a_server_without_a_clock_leaves_it_unknown(canned: Canned) -> None:
    for _ in range(2):
        canned.answer("authenticate", HASH)
    async with make_client(tries=4) as client:
        with pytest.raises(AuthenticationError, match="check the user id"):
            await client.authenticate()
        assert client.server_offset_s is None


async def test_no_error_shows_the_token_or_the_signature(canned: Canned) -> None:
    for _ in range(2):
        canned.answer("authenticate", HASH)
    async with make_client(tries=4, now=lambda: NOW) as client:
        with pytest.raises(AuthenticationError) as caught:
            await client.authenticate()
    text = repr(caught.value) + str(caught.value)
    assert TOKEN not in text
    assert sign(USER_ID, TOKEN, int(NOW))["Authorization"][6:] not in text
