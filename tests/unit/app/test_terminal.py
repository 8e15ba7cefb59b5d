from __future__ import annotations

from harvester.app.terminal import printable
from harvester.secrets import hide


def test_control_characters_become_visible() -> None:
    assert printable("a\x00\x9b\r\nb") == "a\\x00\\x9b\\x0d\\x0ab"


def test_secrets_are_masked() -> None:
    hide("CANARY-terminal")
    assert printable("a CANARY-terminal") == "a ***"
