from __future__ import annotations

import json
import re

import pytest

from harvester.cli.invocation import Invocation
from harvester.cli.output.logs import make_logger
from harvester.secrets import hide


def log(capsys: pytest.CaptureFixture[str], **options: object) -> list[str]:
    """What each level writes to stderr."""
    logger = make_logger(Invocation(environ={}, **options))  # type: ignore[arg-type]
    for level in ("debug", "info", "warning", "error"):
        getattr(logger, level)(f"{level}!", project="a\nb")
    out, err = capsys.readouterr()
    assert out == ""
    return str(err).splitlines()


def test_text_log_is_one_line_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    lines = log(capsys)
    assert [line.split()[1] for line in lines] == ["info", "warning", "error"]
    assert re.fullmatch(r"\d\d:\d\d:\d\d info    info! project=a\\x0ab", lines[0])


def test_json_log_is_one_document_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    events = [json.loads(line) for line in log(capsys, log_format="json")]
    assert [event["level"] for event in events] == ["info", "warning", "error"]
    assert events[0]["event"] == "info!"
    assert events[0]["project"] == "a\nb"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", events[0]["timestamp"])


def test_quiet_log_keeps_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert [line.split()[1] for line in log(capsys, quiet=True)] == ["warning", "error"]


def test_verbose_log_keeps_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert [line.split()[1] for line in log(capsys, verbose=True)] == ["debug", "info", "warning", "error"]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_secret_is_masked_in_every_part_of_an_event(
    capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    hide("CANARY-of-a-log")
    make_logger(Invocation(environ={}, log_format=log_format)).error(
        "got CANARY-of-a-log", headers={"Authorization": ["CANARY-of-a-log"]}
    )
    err = capsys.readouterr().err
    assert "CANARY" not in err
    assert err.count("***") == 2


@pytest.mark.parametrize(("terminal", "environ", "coloured"), [
    (True, {}, True), (False, {}, False), (True, {"NO_COLOR": "1"}, False),
])  # fmt: skip
def test_colour_is_for_terminals_only(
    terminal: bool,
    environ: dict[str, str],
    coloured: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    make_logger(Invocation(environ=environ)).error("bad\x1b[2J")
    err = capsys.readouterr().err
    assert err.startswith("\x1b[31m") is coloured
    assert "bad\\x1b[2J" in err
