from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Callable
from urllib.parse import quote

import pytest

from harvester.api.signing import sign
from harvester.secrets import Secret, hide, hide_environment, mask, mask_answer, mask_value


def test_hidden_text_is_masked_wherever_it_stands() -> None:
    hide("CANARY-1-token")
    assert mask("a CANARY-1-token, and CANARY-1-tokens") == "a ***, and ***s"
    assert mask_value({"k": ("CANARY-1-token", 1, None)}) == {"k": ["***", 1, None]}


def test_longer_secret_is_masked_before_the_one_within_it() -> None:
    hide("CANARY-2")
    hide("CANARY-2-and-more")
    assert mask("CANARY-2-and-more") == "***"


def test_text_too_short_for_a_secret_masks_no_innocent_word() -> None:
    hide("an")
    hide("")
    assert mask("an answer") == "an answer"


def test_signature_is_masked_without_being_known() -> None:
    header = sign(123456, "aaaabbbbccccdddd", 1_700_000_000)["Authorization"]
    assert mask(f"sent {{'Authorization': '{header}'}}") == "sent {'Authorization': 'Basic ***'}"
    assert mask("Basic authentication failed; Basic plan") == "Basic authentication failed; Basic plan"


@pytest.mark.parametrize("name", ["QC_API_TOKEN", "QUANTCONNECT_API_TOKEN"])
def test_token_in_the_environment_is_masked_before_anything_is_read(name: str) -> None:
    hide_environment({name: f"CANARY-3-{name} "})
    assert mask(f"CANARY-3-{name}") == "***"


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "ALL_PROXY"])
def test_password_of_a_proxy_is_mask(name: str) -> None:
    hide_environment({name: "http://user:CANARY-4@proxy.example.org:3128", "HTTP_PROXY": "http://[broken"})
    assert mask("http://user:CANARY-4@proxy.example.org:3128") == "http://user:***@proxy.example.org:3128"


@pytest.mark.parametrize("proxy", ["user:CANARY%2D5@proxy.example.org:3128", "http://u:CANARY%2D5@p"])
def test_password_of_a_proxy_is_masked_however_it_is_written(proxy: str) -> None:
    hide_environment({"HTTPS_PROXY": proxy})
    assert "CANARY" not in mask("as written CANARY%2D5, as meant CANARY-5")


def test_password_of_a_proxy_is_masked_as_it_is_sent() -> None:
    hide_environment({"HTTPS_PROXY": "http://me:CANARY6@p"})
    assert mask(f"sent {base64.b64encode(b'me:CANARY6').decode()}") == "sent ***"


def test_a_key_in_place_of_the_user_of_a_proxy_is_masked() -> None:
    hide_environment({"HTTPS_PROXY": "http://CANARY7:@p", "HTTP_PROXY": "http://a:b/c@p", "ALL_PROXY": "p"})
    assert mask("http://CANARY7@p") == "http://***@p"


@pytest.mark.parametrize("written", [repr, json.dumps, quote])
def test_a_secret_is_masked_however_it_is_quoted(written: Callable[[str], str]) -> None:
    secret = 'CANARY8 it\'s \\ "odd" \n%'
    hide(secret)
    assert "CANARY" not in mask(f"it is {written(secret)}")


def test_whatever_is_held_as_a_secret_is_masked_from_then_on() -> None:
    assert mask("CANARY-9-token") == "CANARY-9-token"
    secret = Secret("CANARY-9-token")
    assert mask("CANARY-9-token") == "***"
    assert secret.reveal() == "CANARY-9-token"
    assert "CANARY" not in f"{secret} {secret!r}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


SIGNATURE = "a68a509d58e9094a43d206a16ab3a6550e0ebc5e0fac54e30d9085d780c31cc3"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            f"Hash doesn't match. UID: 123455 Hash: {SIGNATURE} Timestamp: ''",
            "Hash doesn't match. UID: *** Hash: *** Timestamp: ''",
        ),
        (f"uid=123455; {SIGNATURE.upper()}", "uid=***; ***"),
        ('{"uid": "123455"}', '{"uid": "***"}'),
        ("UserID not valid (123455) REF #m2scDQ8GD7", "UserID not valid (***) REF #m2scDQ8GD7"),
        ("UserID not valid (None) REF #m2scDQ8GD7", "UserID not valid (None) REF #m2scDQ8GD7"),
        ("Backtest 26c7bb06b8487cff1c7b3c44652b30f1 of 123455 failed",) * 2,
    ],
)
def test_what_a_server_echoes_of_a_request_is_masked(answer: str, expected: str) -> None:
    assert mask_answer(answer) == expected


def test_digests_in_our_own_texts_stay() -> None:
    assert mask(f"sha256:{SIGNATURE}, UID: 7") == f"sha256:{SIGNATURE}, UID: 7"
