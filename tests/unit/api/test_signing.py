"""The signature, against the documented recipe."""

from __future__ import annotations

import copy
import pickle

import pytest

from harvester.api.signing import Signer, sign

_SIGNED = {
    "Authorization": (
        "Basic MTIzNDU2OmE2OGE1MDlkNThlOTA5NGE0M2QyMDZhMTZhYjNhNjU1MGUwZWJjNWUwZmFjNTRl"
        "MzBkOTA4NWQ3ODBjMzFjYzM="
    ),
    "Timestamp": "1700000000",
}
"""Worked out with other tools: `sha256sum` and `base64` over the recipe of the API's reference."""


def test_both_headers_of_a_request_are_those_of_the_recipe() -> None:
    assert sign(123456, "aaaabbbbccccdddd", 1_700_000_000) == _SIGNED
    assert Signer(123456, "aaaabbbbccccdddd").headers(1_700_000_000) == _SIGNED


def test_another_second_makes_another_signature() -> None:
    signer = Signer(123456, "aaaabbbbccccdddd")
    assert signer.headers(1_700_000_001)["Authorization"] != _SIGNED["Authorization"]


def test_a_signer_shows_neither_token_nor_id() -> None:
    signer = Signer(123456, "aaaabbbbccccdddd")
    for text in (repr(signer), str(signer), f"{signer}", f"{[signer]}"):
        assert "123456" not in text
        assert "aaaa" not in text


@pytest.mark.parametrize("store", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_signer_is_never_serialised(store: object) -> None:
    assert callable(store)
    with pytest.raises(TypeError, match="never serialised"):
        store(Signer(123456, "aaaabbbbccccdddd"))
