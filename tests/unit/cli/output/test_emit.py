from __future__ import annotations

import json
from pathlib import Path

import pytest

from harvester.cli.output.emit import emit_json
from harvester.secrets import hide


def test_json_keeps_every_character_but_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    hide("CANARY-in-json")
    emit_json({"CANARY-in-json": ["x CANARY-in-json y", Path("/é"), {"n": 1}]})
    assert json.loads(capsys.readouterr().out) == {"***": ["x *** y", "/é", {"n": 1}]}


def test_json_cannot_command_a_terminal_and_stays_the_same_document(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    document = {"name": "\x9b31m \u202e \u200b \xad \ufeff \x7f \U000e0041 戦略 é\ud800", "n": [1]}
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    emit_json(document)
    shown = capsys.readouterr().out
    assert json.loads(shown) == document
    assert all(char.isprintable() or char == "\n" for char in shown)
    assert "戦略 é" in shown


def test_json_for_another_program_is_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    emit_json({"name": "\u202e"})
    assert "\u202e" in capsys.readouterr().out
