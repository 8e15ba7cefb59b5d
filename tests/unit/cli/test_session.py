from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harvester import errors
from harvester.cli.invocation import Invocation
from harvester.cli.session import Session


def session(options: Mapping[str, Any] | None = None) -> Session:
    """A command with these options, in an empty environment."""
    return Session(Invocation(environ={}), options or {})


def test_user_without_a_home_has_no_credentials_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("os.getuid", lambda: 2_000_000_000)
    opened = session()
    with pytest.raises(errors.CredentialsError, match="no credentials were found"):
        opened.credentials(opened.load())


def test_summary_is_silent_with_quiet_and_what_was_asked_for_is_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    quiet = Session(Invocation(environ={}, quiet=True))
    quiet.say("summary")
    quiet.show("data")
    assert capsys.readouterr().out == "data\n"


def test_text_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    session().show("a\x1b[31mb\nc\u202ed\te")
    assert capsys.readouterr().out == "a\\x1b[31mb\\x0ac\\x202ed\te\n"


def test_option_that_was_not_given_leaves_the_setting_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = session({"workers": None, "archive": Path("elsewhere")}).load()
    assert loaded.origins["pace.workers"] == "default"
    assert loaded.origins["archive.dir"] == "flag --archive"


def test_user_directory_is_the_second_place_for_a_file(
    clean_environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = clean_environment / ".config" / "harvester" / "harvester.toml"
    path.parent.mkdir(parents=True)
    path.write_text("pace.workers = 2")
    assert session().load().path == path
    (tmp_path / "harvester.toml").write_text("pace.workers = 3")
    assert session().load().settings.pace.workers == 3


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
    opened = Session(Invocation(environ={"QC_USER_ID": "7", "QC_API_TOKEN_FILE": str(token)}))
    found = opened.credentials(opened.load())
    opened.show(found.token.reveal())
    out, err = capsys.readouterr()
    assert out == "***\n"
    assert f"run: chmod 600 {token}" in err
