"""The fault table, a row for each line of it and more for each word and status."""

from __future__ import annotations

import ssl
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from harvester.api.faults import (
    NETWORK_ERRORS,
    answer_word,
    check_answer,
    network_error,
    retry_after_s,
    server_time,
    too_large,
)
from harvester.errors import (
    ApiError,
    AuthenticationError,
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
    *[(status, b"", TransportError) for status in (408, 425, 500, 502, 503, 504, 507, 520, 522, 524, 530)],
    (502, HTML, TransportError),
    (500, b'{"success":true}', TransportError),
    (500, b'["not", "this"]', TransportError),
    (200, HTML, TransportError),
    (200, b"", TransportError),
    (200, b'{"report": "cut sho', TransportError),
    (200, b'{"report": nonsense}', TransportError),
    (200, b'{"report": "\xff\xfe", "success": true}', TransportError),
    (200, b'{"report": "\\ud800", "success": true}', TransportError),
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
    # once more with a new signature
    (401, b"", AuthenticationError),
    (401, HTML, AuthenticationError),
    (200, no("Hash doesn't match. Please check"), AuthenticationError),
    (200, no("UserID not valid (None) REF #m2scDQ8GD7"), AuthenticationError),
    (200, no("Invalid timestamp, value received: 0"), AuthenticationError),
    (500, no("Hash doesn't match."), AuthenticationError),
    # final for the item
    (404, b"", NotFoundError),
    (200, b'{ "success": false, "errors": [ "Backtest not found" ] }', NotFoundError),
    (200, no("Project does not exist"), NotFoundError),
    # final for the call
    (200, no("Endpoint not found (backtests/report/read)"), RefusedError),
    (200, no("Invalid argument"), RefusedError),
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
    with pytest.raises(RefusedError, match=r"redirects to 'https://elsewhere/'.*mend api\.base_url"):
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
    (aiohttp.ClientPayloadError("Response payload is not completed"), "cut short"),
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
