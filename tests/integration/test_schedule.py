"""`harvester schedule`: what it prints does at night what `run` does now."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.cli import Done, harvester


def schedule(cwd: Path, config: str, *words: str) -> Done:
    (cwd / "harvester.toml").write_text(config)
    return harvester("schedule", *words, cwd=cwd)


def account(name: str, archive: str, more: str = "") -> str:
    return f'[accounts.{name}]\narchive.dir = "{archive}"\n{more}'


def job(done: Done) -> str:
    """The end of the command that would be run."""
    assert done.code == 0, done.err
    line = next(line for line in done.out.splitlines() if " -q run " in line)
    return line.partition(" -q ")[2]


@pytest.mark.parametrize("words", [(), ("--account", "main")])
@pytest.mark.parametrize("cron", [(), ("--cron",)])
def test_the_only_account_in_a_table_is_named(
    tmp_path: Path, cron: tuple[str, ...], words: tuple[str, ...]
) -> None:
    done = schedule(tmp_path, account("main", "main"), *cron, *words)
    assert job(done) == f"run --account main --archive {tmp_path}/main"


def test_one_of_several_gets_the_archive_that_it_is_given(tmp_path: Path) -> None:
    shared = "metrics.textfile = '/var/all/of.prom'\n"
    both = shared + account("main", "/srv/main") + account("fund", "/srv/fund")
    done = schedule(tmp_path, both, "--account", "fund", "--archive", "other")
    assert job(done) == f"run --account fund --archive {tmp_path}/other"
    assert f"ReadWritePaths={tmp_path}/other" in done.out.splitlines()
    assert job(schedule(tmp_path, both)) == "run --all-accounts"


@pytest.mark.parametrize("names", [["main"], ["main", "fund"]])
def test_an_archive_without_the_account_that_owns_it_is_refused(tmp_path: Path, names: list[str]) -> None:
    text = "".join(account(name, f"/srv/{name}") for name in names)
    done = schedule(tmp_path, text, "--archive", "other")
    assert (done.code, done.out) == (2, "")
    assert f"--archive is for one account: add --account with one of {', '.join(names)}" in done.err


@pytest.mark.parametrize(
    ("config", "words", "wrong"),
    [
        (account("a", "/srv/a") + account("b", "b"), (), "line 4: archive.dir"),
        (account("a", "/srv/a") + account("b", "b"), ("--cron",), "line 4: archive.dir"),
        ("metrics.textfile = 'x.prom'", (), "line 1: metrics.textfile"),
        (account("a", "a", "metrics.textfile = 'x.prom'"), ("--cron",), "line 3: metrics.textfile"),
        ("credentials.token_file = 'token'", ("--cron",), "line 1: credentials.token_file"),
        ("credentials.token_file = 'CANARY'", (), "line 1: credentials.token_file"),
    ],
)
def test_a_path_that_leads_elsewhere_at_night_is_refused_with_its_line(
    tmp_path: Path, config: str, words: tuple[str, ...], wrong: str
) -> None:
    (tmp_path / "token").touch()
    done = schedule(tmp_path, config, *words)
    assert (done.code, done.out) == (2, "")
    assert f"{wrong} is relative, but a scheduled job starts elsewhere; use an absolute path" in done.err
    assert "CANARY" not in done.err


def test_what_the_unit_itself_makes_absolute_may_be_relative(tmp_path: Path) -> None:
    (tmp_path / "token").touch()
    done = schedule(tmp_path, "archive.dir = 'a'\ncredentials = {user_id = 7, token_file = 'token'}")
    assert job(done) == f"run --archive {tmp_path}/a"
    assert f"LoadCredential=quantconnect_api_token:{tmp_path}/token" in done.out.splitlines()
    assert job(schedule(tmp_path, "archive.dir = 'a'", "--cron")) == f"run --archive {tmp_path}/a"
