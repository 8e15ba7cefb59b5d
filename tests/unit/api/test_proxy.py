from __future__ import annotations

import base64

import pytest

from harvester.api.proxy import Route, find_route
from harvester.errors import ConfigError
from harvester.secrets import mask

API = "https://www.quantconnect.com/api/v2"


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://p:3128"}, "http://p:3128"),
        ({"https_proxy": "http://u:w@p:3128"}, "http://p:3128"),
        ({"HTTPS_PROXY": "p:3128"}, "http://p:3128"),
        ({"HTTPS_PROXY": "http://p"}, "http://p"),
        ({"HTTPS_PROXY": "http://u:w@[::1]:3128/"}, "http://[::1]:3128"),
        ({"HTTP_PROXY": "http://p:3128"}, None),
        ({"ALL_PROXY": "http://p:3128"}, "http://p:3128"),
        ({"HTTPS_PROXY": "http://p:3128", "NO_PROXY": "quantconnect.com"}, None),
        ({"HTTPS_PROXY": "http://p:3128", "NO_PROXY": "www.quantconnect.com:443"}, "http://p:3128"),
        ({"HTTPS_PROXY": "http://p:3128", "NO_PROXY": "*"}, None),
        ({"HTTPS_PROXY": ""}, None),
    ],
)
def test_the_environment_says_which_proxy(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], proxy: str | None
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert find_route(API).proxy == proxy


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("user:CANARYpw", b"user:CANARYpw"),
        ("us%65r:CANARY%40%2F%3A%25", b"user:CANARY@/:%"),
        ("user:CANARY:with:colons", b"user:CANARY:with:colons"),
        ("CANARYkey", b"CANARYkey:"),
        ("u:CANARY%C3%BC", "u:CANARY\u00fc".encode()),
        ("u:CANARY\u00fc", "u:CANARY\u00fc".encode()),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_password_is_in_the_header_that_reaches_the_proxy_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, scheme: str, written: str, sent: bytes
) -> None:
    monkeypatch.setenv("ALL_PROXY", f"http://{written}@p:3128")
    route = find_route(f"{scheme}://www.quantconnect.com/api/v2")
    basic = base64.b64encode(sent).decode()
    carrier, other = (route.headers, route.proxy_headers) if scheme == "http" else (route.proxy_headers, {})
    assert carrier == {"Proxy-Authorization": f"Basic {basic}"}
    assert not other
    assert "CANARY" not in f"{route} {mask(written)}"
    assert basic not in f"{route} {mask(basic)}"


def test_a_proxy_without_a_password_is_sent_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://p:3128")
    assert find_route(API) == Route("http://p:3128", {}, {})


@pytest.mark.parametrize("kind", ["socks5", "https", "SOCKS5H"])
def test_a_proxy_that_cannot_be_used_is_named_by_its_kind_alone(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"{kind}://user:CANARY@p:1080")
    with pytest.raises(ConfigError, match=f"of the kind {kind};") as caught:
        find_route(API)
    assert "CANARY" not in str(caught.value)


def test_a_password_is_not_taken_for_a_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "user:CANARY://rest@p:1080")
    with pytest.raises(ConfigError, match="of the kind unknown;") as caught:
        find_route(API)
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize(
    "proxy",
    ["user:CANARY/1@p:3128", "http://user:CANARY#@p", "http://user:CANARY@p:99999", "http://u:CANARY@"],
)
def test_an_address_that_is_none_is_an_error_without_the_password(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(ConfigError, match="in the environment is invalid; write http://USER") as caught:
        find_route(API)
    assert "CANARY" not in str(caught.value)
