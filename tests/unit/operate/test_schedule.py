"""Units and crontab lines that systemd and cron take as they are."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from harvester.operate import Schedule, render_cron, render_service, render_timer

PLAIN = Schedule(Path("/usr/bin/true"), (Path("/srv/archive"),), Path("/etc/harvester.toml"))
ODD = Schedule(
    program=Path("/usr/bin/true"),
    archives=(Path("/srv/my archive/100 %"),),
    config=Path('/etc/a "quoted" $HOME.toml'),
    hour=23,
    minute=7,
    tokens={"": Path("/etc/to ken")},
    user_id=123456,
)

SEVERAL = Schedule(
    program=Path("/usr/bin/true"),
    archives=(Path('/srv/it\'s "main"'), Path("/srv/back\\slash"), Path("/srv/fünd")),
    config=Path("/etc/harvester.toml"),
    tokens={"main": Path("/etc/main.token"), "fund": Path("/etc/fund.token")},
)


NAMED = replace(PLAIN, archives=(Path("/srv/main"),), account="main", tokens={"main": Path("/etc/main")})


def test_several_accounts_are_run_together_and_each_has_its_token() -> None:
    lines = render_service(SEVERAL).splitlines()
    assert "ExecStart=/usr/bin/true --config /etc/harvester.toml -q run --all-accounts" in lines
    assert "LoadCredential=quantconnect_api_token_main:/etc/main.token" in lines
    assert "LoadCredential=quantconnect_api_token_fund:/etc/fund.token" in lines
    assert r"""ReadWritePaths="/srv/it's \"main\"" "/srv/back\\slash" /srv/fünd""" in lines


def test_one_of_several_accounts_can_be_run_alone() -> None:
    assert NAMED.words()[-5:] == ["run", "--account", "main", "--archive", "/srv/main"]
    assert "ReadWritePaths=/srv/main" in render_service(NAMED).splitlines()


def test_the_service_runs_as_the_archives_owner_and_may_write_metrics() -> None:
    plan = replace(PLAIN, user="alice", others=(Path("/var/lib/node exporter"),))
    lines = render_service(plan).splitlines()
    assert "User=alice" in lines
    assert 'ReadWritePaths=/srv/archive "/var/lib/node exporter"' in lines
    assert not any(line.startswith("User=") for line in render_service(PLAIN).splitlines())


@pytest.mark.parametrize("path", ["/srv/a\nExecStartPre=/bin/x", "/srv/\x1b[2J", "/srv/\u2028"])
def test_a_path_that_would_be_more_than_a_path_is_named(path: str) -> None:
    assert replace(PLAIN, archives=(Path(path),)).unsafe() == [repr(path)]
    assert not PLAIN.unsafe()


def test_the_service_may_write_to_the_archive_and_nothing_else() -> None:
    lines = render_service(PLAIN).splitlines()
    assert "ReadWritePaths=/srv/archive" in lines
    assert "ProtectSystem=strict" in lines
    assert "SuccessExitStatus=4 10" in lines
    assert "ExecStart=/usr/bin/true --config /etc/harvester.toml -q run --archive /srv/archive" in lines


def test_the_token_comes_as_a_credential_and_not_as_an_argument() -> None:
    text = render_service(ODD)
    assert "LoadCredential=quantconnect_api_token:/etc/to ken\n" in text
    assert "Environment=QUANTCONNECT_USER_ID=123456" in text


def test_the_timer_makes_up_for_a_missed_night() -> None:
    text = render_timer(ODD)
    assert "OnCalendar=*-*-* 23:07:00" in text
    assert "Persistent=true" in text


def test_cron_gets_one_line_with_its_own_escapes() -> None:
    assert render_cron(PLAIN) == (
        "0 3 * * * /usr/bin/true --config /etc/harvester.toml -q run --archive /srv/archive\n"
    )
    assert render_cron(ODD).startswith("7 23 * * * ")
    assert r"'/srv/my archive/100 \%'" in render_cron(ODD)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("plan", [PLAIN, ODD, SEVERAL, NAMED], ids=["plain", "odd", "several", "named"])
def test_systemd_accepts_the_units(tmp_path: Path, plan: Schedule) -> None:
    (tmp_path / "harvester.service").write_text(render_service(plan))
    (tmp_path / "harvester.timer").write_text(render_timer(plan))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / "harvester.timer"), str(tmp_path / "harvester.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if "harvester" in line]
    assert complaints == []
