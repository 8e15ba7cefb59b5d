from __future__ import annotations

import errno
import json

import pytest

from harvester import errors
from harvester.cli.invocation import Invocation
from harvester.cli.output.errors import report_error
from harvester.secrets import hide


def test_what_the_system_refuses_is_told_with_its_place_and_remedy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report_error(PermissionError(errno.EACCES, "no", "/archive"), Invocation(environ={}))
    said = capsys.readouterr().err
    assert "/archive: this user may not write here" in said
    assert "unexpected" not in said


def test_damage_is_told_with_the_command_that_names_all_of_it_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report_error(errors.CorruptArchiveError("x is damaged"), Invocation(environ={}))
    assert "x is damaged. Run `harvester verify` to list" in capsys.readouterr().err
    report_error(errors.CorruptArchiveError("x. Run `harvester verify --repair`"), Invocation(environ={}))
    assert capsys.readouterr().err.count("harvester verify") == 1


def test_interruption_is_told_in_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert report_error(KeyboardInterrupt(), Invocation(environ={})) == 130
    assert "error   interrupted exit_code=130 exit=signal" in capsys.readouterr().err


def test_every_mistake_in_the_configuration_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert report_error(errors.ConfigError("first", "second"), Invocation(environ={})) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("error   first exit_code=2 exit=usage")
    assert second.endswith("error   second exit_code=2 exit=usage")


def test_error_is_a_json_document_too_when_one_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    invocation = Invocation(environ={}, json=True, log_format="json")
    report_error(ExceptionGroup("", [errors.DiskError("full", path="/"), ValueError("odd")]), invocation)
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "exit_code": 16,
        "exit": "disk",
        "errors": ["full", "unexpected ValueError: odd; run again with -v and report what it prints"],
    }
    assert [json.loads(line)["exit"] for line in err.splitlines()] == ["disk", "disk"]


def test_traceback_is_shown_only_when_asked_for_and_never_with_a_secret(
    capsys: pytest.CaptureFixture[str],
) -> None:
    hide("CANARY-of-a-traceback")
    try:
        raise ValueError("CANARY-of-a-traceback\x1b[2J")
    except ValueError as exc:
        error = exc
    report_error(error, Invocation(environ={}))
    short = capsys.readouterr().err
    report_error(error, Invocation(environ={}, verbose=True))
    long = capsys.readouterr().err
    assert "Traceback" not in short
    assert len(short.splitlines()) == 1
    assert "Traceback" in long
    assert "CANARY" not in short + long
    assert "\x1b" not in short + long
