"""A configuration that somebody else may have written is not obeyed because it is there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.cli import harvester

COMMANDS = [("doctor",), ("run", "--dry-run"), ("config", "show"), ("verify",), ("schedule",)]


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A directory with a configuration whose command leaves a trace."""
    directory = tmp_path / "somewhere"
    directory.mkdir()
    lines = ["[credentials]", 'user_id = "7"', f'token_command = "touch {trace(directory)}"']
    lines += ["[api]", 'base_url = "http://127.0.0.1:9/api/v2"', "tries = 1"]
    (directory / "harvester.toml").write_text("\n".join(lines))
    return directory


def trace(directory: Path) -> Path:
    return directory.parent / "trace"


@pytest.mark.parametrize("words", COMMANDS)
def test_a_file_that_anybody_may_write_is_refused(trap: Path, words: tuple[str, ...]) -> None:
    (trap / "harvester.toml").chmod(0o666)
    done = harvester(*words, cwd=trap)
    assert done.code == 2
    assert "harvester.toml is not used: anybody may change" in done.out + done.err
    assert not trace(trap).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another user")
@pytest.mark.parametrize("words", COMMANDS)
def test_a_file_in_the_directory_of_another_user_is_refused(trap: Path, words: tuple[str, ...]) -> None:
    os.chown(trap, 65534, -1)
    done = harvester(*words, cwd=trap)
    assert done.code == 2
    assert f"harvester.toml is not used: {trap} belongs to" in done.out + done.err
    assert not trace(trap).exists()


def test_a_file_in_the_directory_of_settings_is_judged_too(trap: Path) -> None:
    home = trap.parent / "home"
    place = home / ".config" / "harvester"
    place.mkdir(parents=True)
    (trap / "harvester.toml").rename(place / "harvester.toml")
    place.chmod(0o777)
    done = harvester("doctor", cwd=trap, environ={"HOME": str(home)})
    assert done.code == 2
    assert f"is not used: anybody may change {place}" in done.out
    assert not trace(trap).exists()


def test_a_file_that_is_named_is_used_and_doctor_says_who_may_change_it(trap: Path) -> None:
    file = trap / "harvester.toml"
    file.chmod(0o666)
    named = harvester("--config", file, "doctor", cwd=trap.parent)
    warning = f"warning  configuration   anybody may change {file}, and it can run commands"
    assert warning in named.out
    assert trace(trap).exists()
    trace(trap).unlink()
    in_environment = harvester("doctor", cwd=trap.parent, environ={"HARVESTER_CONFIG": str(file)})
    assert warning in in_environment.out
    assert trace(trap).exists()
