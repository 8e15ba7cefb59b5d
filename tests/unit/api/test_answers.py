"""The fault table, a row for each line of it and more for each word and status."""

from __future__ import annotations

import ssl
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from harvester.api.answers import (
    NETWORK_ERRORS,
    check_answer,
    network_error,
    retry_after_s,
    server_time,
    too_large,
)
from harvester.api.events import answer_word
from harvester.errors import (
    ApiError,
    AuthenticationError,
    LockedOutError,
    NotFoundError,
    ProtocolError,
    RateLimitedError,
    RefusedError,
    TransportError,
)

NOW = 1_700_000_000.0
HTML = b"<html><head><title>502 Bad Gateway</title></head></html>"


def check(status: int, body: bytes, headers: dict[str, str] | None = None) -> Any:
    return check_answer(status, headers or {}, body, endpoint="x", now=NOW)


def no(words: str) -> bytes:
    return b'{"errors":["%s"],"success":false}' % words.encode()


ROWS: list[tuple[int, bytes, type[ApiError]]] = [
    # again, with a wait
    *[
        (status, b"", TransportError)
        for status in (407, 408, 425, 500, 502, 503, 504, 507, 520, 522, 524, 530)
    ],
    (502, HTML, TransportError),
    (500, b'{"success":true}', TransportError),
    (500, b'["not", "this"]', TransportError),
    (200, HTML, TransportError),
    (200, b"", TransportError),
    (200, b'{"report": "cut sho', TransportError),
    (200, b'{"report": nonsense}', TransportError),
    (200, b'{"report": "\xff\xfe", "success": true}', TransportError),
    (200, b'{"x":' + b"[" * 9000, TransportError),
    (200, b'{ "success": false, "Message": "Internal Error 21" }', TransportError),
    (200, no("Service temporarily out of order"), TransportError),
    (200, no("Please try again later"), TransportError),
    # everyone holds
    (429, b"", RateLimitedError),
    (429, HTML, RateLimitedError),
    (200, no("Too many backtest requests; please slow down."), RateLimitedError),
    (200, no("Rate limit exceeded"), RateLimitedError),
    (503, no("You are being throttled"), RateLimitedError),
    # no further request at all
    *[
        (status, no(words), LockedOutError)
        for status in (200, 401, 429, 500)
        for words in (
            "too many failed attempts for this user or ip",
            "Hash doesn't match. Too many failed login attempts.",
            "Too many invalid logins; slow down",
            "This account has been temporarily locked",
            "You are locked out",
            "User locked, try again later",
        )
    ],
    # once more with a new signature
    (401, b"", AuthenticationError),
    (401, HTML, AuthenticationError),
    (200, no("Hash doesn't match. Please check"), AuthenticationError),
    (200, no("UserID not valid (None) REF #m2scDQ8GD7"), AuthenticationError),
    (200, no("Invalid timestamp, value received: 0"), AuthenticationError),
    (500, no("Hash doesn't match."), AuthenticationError),
    (200, no("The API token hash is not valid. This could be due to an old hash"), AuthenticationError),
    (200, no("The API token hash is missing"), AuthenticationError),
    # final for the item
    (404, b"", NotFoundError),
    (200, b'{ "success": false, "errors": [ "Backtest not found" ] }', NotFoundError),
    (200, no("Project does not exist"), NotFoundError),
    # final for the call
    (200, no("Endpoint not found (backtests/report/read)"), RefusedError),
    (200, no("Invalid argument"), RefusedError),
    (200, no("The project is locked by a collaborator"), RefusedError),
    (200, b'{ "success": false, "messages": ["Message 1", "Message 2"] }', RefusedError),
    (200, b'{"success":false}', RefusedError),
    (200, b"{}", RefusedError),
    (200, b'{"success":null}', RefusedError),
    (200, b'{"success":1}', RefusedError),
    (204, b'{"success":true}', RefusedError),
    (400, b"", RefusedError),
    (403, HTML, RefusedError),
    (413, b"", RefusedError),
    (302, b"", RefusedError),
    # another shape
    (200, b'["neither", "this"]', ProtocolError),
    (200, b"null", ProtocolError),
    (200, b"42", ProtocolError),
    (200, b'"text"', ProtocolError),
    (200, b'{"count":1e999}', ProtocolError),
]


@pytest.mark.parametrize(("status", "body", "kind"), ROWS)
def test_every_answer_that_is_no_good_has_its_error(status: int, body: bytes, kind: type[ApiError]) -> None:
    with pytest.raises(kind) as caught:
        check(status, body)
    assert type(caught.value) is kind
    assert caught.value.endpoint == "x"
    assert str(caught.value).startswith("x: ")


@pytest.mark.parametrize(
    "body",
    [
        b'{"success":true}',
        b'{"success":true,"errors":[]}',
        b'{"generating":true,"success":true,"errors":["string"]}',
        b'{"generating":true,"success":false}',
        b'{"generating":true}',
        b'{"status":"loading","progress":0.0,"success":true}',
        b'{"status":"loading"}',
        b'{"report":"<html>","success":true}',
        b'{"report":"<html>","success":false,"errors":["odd"]}',
    ],
)
def test_an_answer_to_go_on_with_is_given(body: bytes) -> None:
    assert check(200, body) is not None


def test_the_servers_own_words_and_status_are_kept() -> None:
    body = b'{"success":false,"errors":["one", 2, null, ""],"messages":["three"],"Message":"four"}'
    with pytest.raises(RefusedError, match="the server says 'one; 2; three; four'") as caught:
        check(403, body)
    assert caught.value.texts == ("one", "2", "three", "four")
    assert caught.value.status == 403


def test_words_of_a_server_are_bounded() -> None:
    body = b'{"errors":[' + b",".join(b'"%s"' % (b"x" * 9000) for _ in range(90)) + b"]}"
    with pytest.raises(RefusedError) as caught:
        check(200, body)
    assert len(caught.value.texts) == 20
    assert max(map(len, caught.value.texts)) == 500


def test_a_failure_without_words_names_its_status() -> None:
    with pytest.raises(TransportError, match="HTTP 503") as caught:
        check(503, HTML)
    assert caught.value.status == 503


def test_a_redirect_names_its_target_and_the_setting_to_mend() -> None:
    with pytest.raises(RefusedError, match=r"redirects to 'https://elsewhere/'.*fix api\.base_url"):
        check(301, b"", {"Location": "https://elsewhere/"})


def test_slow_down_carries_the_servers_figure() -> None:
    for body, headers, expected in (
        (b"", {"Retry-After": "17"}, 17.0),
        (b"", {"Retry-After": "Tue, 14 Nov 2023 22:15:20 GMT"}, 120.0),
        (no("slow down"), {"Retry-After": "9"}, 9.0),
        (b"", {}, None),
    ):
        with pytest.raises(RateLimitedError) as caught:
            check(429 if not body else 200, body, headers)
        assert caught.value.retry_after_s == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0.0),
        (" 30 ", 30.0),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30.0),
        ("Tue, 14 Nov 2023 22:13:50", 30.0),
        ("Tue, 14 Nov 2023 20:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("9" * 40, None),
        ("\u0663", None),
        ("Tue, 14 Nov 99999 22:13:50 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms_and_nothing_else(text: str, expected: float | None) -> None:
    assert retry_after_s({"Retry-After": text}, now=NOW) == expected


def test_without_retry_after_there_is_no_figure() -> None:
    assert retry_after_s({}, now=NOW) is None


@pytest.mark.parametrize(
    ("text", "expected"), [("Tue, 14 Nov 2023 22:13:20 GMT", NOW), ("", None), ("yesterday", None)]
)
def test_the_servers_clock_is_read_from_its_date(text: str, expected: float | None) -> None:
    assert server_time({"Date": text} if text else {}) == expected


# -- no complete answer --------------------------------------------------------------------------

_KEY: Any = SimpleNamespace(host="quantconnect.invalid", port=443, ssl=True, is_ssl=True)
_OS = OSError(111, "Connect call failed")

NETWORK: list[tuple[BaseException, str]] = [
    (
        aiohttp.ClientConnectorCertificateError(_KEY, ssl.SSLCertVerificationError("self-signed")),
        "certificate is not trusted",
    ),
    (aiohttp.ClientConnectorDNSError(_KEY, _OS), "name could not be looked up"),
    (aiohttp.ClientConnectorSSLError(_KEY, _OS), "TLS handshake failed"),
    (aiohttp.ClientProxyConnectionError(_KEY, _OS), "proxy could not be reached"),
    (aiohttp.ConnectionTimeoutError("x"), "no connection in time"),
    (aiohttp.SocketTimeoutError("x"), "answer stopped coming"),
    (aiohttp.ServerTimeoutError("x"), "no answer in time"),
    (TimeoutError(), "took too long as a whole"),
    (aiohttp.ClientConnectorError(_KEY, _OS), "no connection"),
    (aiohttp.ServerDisconnectedError(), "closed the connection without an answer"),
    (aiohttp.ClientPayloadError("Response payload is not completed"), "truncated"),
    (aiohttp.ClientOSError(104, "Connection reset by peer"), "connection broke"),
    (aiohttp.ClientError("odd"), "exchange failed"),
    (OSError(101, "Network is unreachable"), "connection broke"),
]


@pytest.mark.parametrize(("exception", "words"), NETWORK)
def test_every_exchange_without_a_complete_answer_says_what_happened(
    exception: BaseException, words: str
) -> None:
    assert isinstance(exception, NETWORK_ERRORS)
    error = network_error(exception, endpoint="x")
    assert type(error) is TransportError
    assert words in str(error)
    assert error.status is None


SIGNATURE = "a68a509d58e9094a43d206a16ab3a6550e0ebc5e0fac54e30d9085d780c31cc3"


def test_a_lock_out_says_what_to_do() -> None:
    with pytest.raises(LockedOutError, match="locked out for a time: fix the token, then wait"):
        check(200, no("too many failed attempts for this user or ip"))


def test_the_number_of_a_failure_is_kept_and_shown() -> None:
    body = b'{"errorCode": 10002, "errors": ["The API token hash is not valid."], "success": false}'
    with pytest.raises(AuthenticationError, match=r"hash is not valid\.' \(errorCode 10002\)$") as caught:
        check(200, body)
    assert caught.value.code == "10002"


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (200, no(f"Hash doesn't match. UID: 123455 Hash: {SIGNATURE} Timestamp: ''"), {}),
        (200, no("x" * 480 + f" {SIGNATURE}"), {}),
        (200, f"<html>{SIGNATURE}: UID: 123455".encode(), {}),
        (302, b"", {"Location": f"https://elsewhere/?hash={SIGNATURE}&uid=123455"}),
        (200, b'{"success":false,"errorCode":"%s"}' % SIGNATURE.encode(), {}),
    ],
)
def test_what_an_answer_echoes_of_a_request_is_in_no_error(
    status: int, body: bytes, headers: dict[str, str]
) -> None:
    with pytest.raises(ApiError) as caught:
        check(status, body, headers)
    shown = str(caught.value) + str(getattr(caught.value, "texts", ""))
    assert SIGNATURE[:16] not in shown
    assert "123455" not in shown


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (502, "x: the proxy refused to connect to the server (HTTP 502 Bad Gateway)"),
        (
            407,
            "x: the proxy refused to connect to the server (HTTP 407 Bad Gateway); "
            "check the user and the password in HTTPS_PROXY or HTTP_PROXY",
        ),
    ],
)
def test_a_refusal_of_the_proxy_shows_its_status_and_nothing_of_its_address(
    status: int, expected: str
) -> None:
    url = URL("http://user:CANARY@127.0.0.1:3128")
    request = aiohttp.RequestInfo(url, "CONNECT", CIMultiDictProxy(CIMultiDict()), url)
    error = aiohttp.ClientHttpProxyError(request, (), status=status, message="Bad Gateway")
    assert "CANARY" in str(error)
    assert str(network_error(error, endpoint="x")) == expected


def test_a_refusal_of_the_proxy_to_a_request_by_plain_http_names_the_proxy() -> None:
    with pytest.raises(TransportError, match="the proxy says no with HTTP 407; check the user"):
        check(407, HTML)


def test_a_long_reason_of_the_network_is_cut() -> None:
    assert len(str(network_error(OSError("y" * 9999), endpoint="x"))) < 300


def test_a_body_over_the_limit_names_the_setting() -> None:
    error = too_large(64 * 2**20, endpoint="x")
    assert isinstance(error, ProtocolError)
    assert "larger than 64 MB" in str(error)
    assert "api.max_body_mb" in str(error)


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (RateLimitedError("", endpoint="x"), "slow down"),
        (TransportError("", endpoint="x"), "again"),
        (AuthenticationError("", endpoint="x", status=401), "authentication"),
        (NotFoundError("", endpoint="x", status=404), "not found"),
        (RefusedError("", endpoint="x", status=403), "refused"),
        (ProtocolError("", endpoint="x"), "malformed"),
    ],
)
def test_every_error_has_a_word_for_the_journal(error: ApiError, word: str) -> None:
    assert answer_word(error) == word
