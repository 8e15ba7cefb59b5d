from __future__ import annotations

import errno
import json
from itertools import pairwise
from pathlib import Path

import pytest

from harvester import errors
from harvester.cli.console import (
    ExitCode,
    Session,
    code_of_ending,
    code_of_error,
    emit_json,
    report_error,
    worst,
)
from harvester.model import Ending
from harvester.secrets import hide

ORDER = [130, 143, 12, 16, 11, 2, 1, 20, 18, 3, 6, 10, 4, 0]


def test_codes_and_names_are_those_that_people_rely_on() -> None:
    assert {code.value: code.label for code in ExitCode} == {
        0: "ok", 1: "error", 2: "usage", 3: "partial", 4: "pending", 6: "unpushed", 10: "time", 11: "locked",
        12: "auth", 16: "disk", 18: "throttled", 20: "damaged", 130: "signal", 143: "signal",
    }  # fmt: skip


@pytest.mark.parametrize(("worse", "better"), list(pairwise(ORDER)))
def test_worst_code_wins(worse: int, better: int) -> None:
    assert worst([ExitCode(better), ExitCode(worse), ExitCode.OK]) == worse


def test_nothing_at_all_is_ok() -> None:
    assert worst([]) is ExitCode.OK


@pytest.mark.parametrize("ending", list(Ending))
def test_every_ending_of_a_run_has_its_code(ending: Ending) -> None:
    assert code_of_ending(ending).label == ending.value


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError("x"), 2),
        (errors.ConfigError("x"), 2),
        (errors.CredentialsError("x"), 2),
        (errors.AuthenticationError("x", endpoint="e", status=401), 12),
        (errors.RateLimitedError("x", endpoint="e"), 18),
        (errors.ThrottledError("x", endpoint="e"), 18),
        (errors.TransportError("x", endpoint="e"), 1),
        (errors.RefusedError("x", endpoint="e", status=200), 1),
        (errors.ArchiveLockedError("x"), 11),
        (errors.DiskError("x", path="/"), 16),
        (errors.CorruptArchiveError("x"), 20),
        (errors.ArchiveError("x"), 1),
        (KeyboardInterrupt(), 130),
        (ValueError("x"), 1),
        (PermissionError(errno.EACCES, "no", "/archive"), 16),
        (OSError(errno.EIO, "broken"), 16),
        (FileNotFoundError(errno.ENOENT, "no such file", "tool"), 1),
        (ExceptionGroup("", [ValueError("x"), ExceptionGroup("", [errors.DiskError("x", path="/")])]), 16),
    ],
)
def test_every_error_has_its_code(error: BaseException, code: int) -> None:
    assert code_of_error(error) == code


def test_what_the_system_refuses_is_told_with_its_place_and_remedy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report_error(PermissionError(errno.EACCES, "no", "/archive"), Session(environ={}))
    said = capsys.readouterr().err
    assert "/archive: this user may not write here" in said
    assert "unexpected" not in said


def test_damage_is_told_with_the_command_that_names_all_of_it_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report_error(errors.CorruptArchiveError("x is damaged"), Session(environ={}))
    assert "x is damaged. `harvester verify` names" in capsys.readouterr().err
    report_error(errors.CorruptArchiveError("x. Run `harvester verify --repair`"), Session(environ={}))
    assert capsys.readouterr().err.count("harvester verify") == 1


def test_interruption_is_told_in_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert report_error(KeyboardInterrupt(), Session(environ={})) == 130
    assert "error   interrupted exit_code=130 exit=signal" in capsys.readouterr().err


def test_user_without_a_home_has_no_credentials_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("os.getuid", lambda: 2_000_000_000)
    session = Session(environ={})
    with pytest.raises(errors.CredentialsError, match="no credentials were found"):
        session.credentials(session.load())


def test_every_mistake_in_the_configuration_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert report_error(errors.ConfigError("first", "second"), Session(environ={})) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("error   first exit_code=2 exit=usage")
    assert second.endswith("error   second exit_code=2 exit=usage")


def test_error_is_a_json_document_too_when_one_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    session = Session(environ={}, json=True, log_format="json")
    report_error(ExceptionGroup("", [errors.DiskError("full", path="/"), ValueError("odd")]), session)
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
    report_error(error, Session(environ={}))
    short = capsys.readouterr().err
    report_error(error, Session(environ={}, verbose=True))
    long = capsys.readouterr().err
    assert "Traceback" not in short
    assert len(short.splitlines()) == 1
    assert "Traceback" in long
    assert "CANARY" not in short + long
    assert "\x1b" not in short + long


def test_summary_is_silent_with_quiet_and_what_was_asked_for_is_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    session = Session(environ={}, quiet=True)
    session.say("summary")
    session.show("data")
    assert capsys.readouterr().out == "data\n"


def test_text_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Session(environ={}).show("a\x1b[31mb\nc\u202ed\te")
    assert capsys.readouterr().out == "a\\x1b[31mb\\x0ac\\x202ed\te\n"


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


def test_option_that_was_not_given_leaves_the_setting_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = Session(environ={}).load(pace__workers=None, archive__dir="elsewhere")
    assert loaded.origins["pace.workers"] == "default"
    assert loaded.origins["archive.dir"] == "flag --archive"


def test_user_directory_is_the_second_place_for_a_file(
    clean_environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = clean_environment / ".config" / "harvester" / "harvester.toml"
    path.parent.mkdir(parents=True)
    path.write_text("pace.workers = 2")
    assert Session(environ={}).load().path == path
    (tmp_path / "harvester.toml").write_text("pace.workers = 3")
    assert Session(environ={}).load().settings.pace.workers == 3


def test_credentials_are_masked_once_found_and_their_dangers_logged(
    clean_environment: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    token = clean_environment / "token"
    token.write_text("CANARY-of-a-file")
    token.chmod(0o644)
    session = Session(environ={"QC_USER_ID": "7", "QC_API_TOKEN_FILE": str(token)})
    found = session.credentials(session.load())
    session.show(found.token.reveal())
    out, err = capsys.readouterr()
    assert out == "***\n"
    assert f"run: chmod 600 {token}" in err
