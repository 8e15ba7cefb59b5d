from __future__ import annotations

import pytest

from harvester.api.proxy import find_proxy
from harvester.errors import ConfigError

API = "https://www.quantconnect.com/api/v2"


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://p:3128"}, "http://p:3128"),
        ({"https_proxy": "http://u:w@p:3128"}, "http://u:w@p:3128"),
        ({"HTTPS_PROXY": "p:3128"}, "http://p:3128"),
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
    assert find_proxy(API) == proxy


@pytest.mark.parametrize("kind", ["socks5", "https", "SOCKS5H"])
def test_a_proxy_that_cannot_be_used_is_named_by_its_kind_alone(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"{kind}://user:CANARY@p:1080")
    with pytest.raises(ConfigError, match=f"of the kind {kind};") as caught:
        find_proxy(API)
    assert "CANARY" not in str(caught.value)


def test_a_password_is_not_taken_for_a_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "user:CANARY://rest@p:1080")
    with pytest.raises(ConfigError, match="of the kind unknown;") as caught:
        find_proxy(API)
    assert "CANARY" not in str(caught.value)
