from __future__ import annotations

import pytest

from harvester.api.auth import sign
from harvester.cli.redact import clean, clean_value, hide, hide_environment, masked


def test_hidden_text_is_masked_wherever_it_stands() -> None:
    hide("CANARY-1-token")
    assert masked("a CANARY-1-token, and CANARY-1-tokens") == "a ***, and ***s"
    assert clean_value({"k": ("CANARY-1-token", 1, None)}) == {"k": ["***", 1, None]}


def test_longer_secret_is_masked_before_the_one_within_it() -> None:
    hide("CANARY-2")
    hide("CANARY-2-and-more")
    assert masked("CANARY-2-and-more") == "***"


def test_text_too_short_for_a_secret_masks_no_innocent_word() -> None:
    hide("an")
    hide("")
    assert masked("an answer") == "an answer"


def test_signature_is_masked_without_being_known() -> None:
    header = sign(123456, "aaaabbbbccccdddd", 1_700_000_000)["Authorization"]
    assert masked(f"sent {{'Authorization': '{header}'}}") == "sent {'Authorization': 'Basic ***'}"
    assert masked("Basic authentication failed; Basic plan") == "Basic authentication failed; Basic plan"


@pytest.mark.parametrize("name", ["QC_API_TOKEN", "QUANTCONNECT_API_TOKEN"])
def test_token_in_the_environment_is_masked_before_anything_is_read(name: str) -> None:
    hide_environment({name: f"CANARY-3-{name} "})
    assert masked(f"CANARY-3-{name}") == "***"


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "ALL_PROXY"])
def test_password_of_a_proxy_is_masked(name: str) -> None:
    hide_environment({name: "http://user:CANARY-4@proxy.example.org:3128", "HTTP_PROXY": "http://[broken"})
    assert masked("http://user:CANARY-4@proxy.example.org:3128") == "http://user:***@proxy.example.org:3128"


@pytest.mark.parametrize("proxy", ["user:CANARY%2D5@proxy.example.org:3128", "http://u:CANARY%2D5@p"])
def test_password_of_a_proxy_is_masked_however_it_is_written(proxy: str) -> None:
    hide_environment({"HTTPS_PROXY": proxy})
    assert "CANARY" not in masked("as written CANARY%2D5, as meant CANARY-5")


def test_control_characters_become_visible() -> None:
    assert clean("a\x00\x9b\r\nb") == "a\\x00\\x9b\\x0d\\x0ab"
