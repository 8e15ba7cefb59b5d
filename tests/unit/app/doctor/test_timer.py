from __future__ import annotations

from pathlib import Path

import pytest

from harvester.app.doctor.check import Status
from harvester.app.doctor.timer import check_timer

LOADED = "LoadState=loaded\nActiveState={}\nNextElapseUSecRealtime=Thu 2026-11-26 03:07:12 UTC\n"


def programs(place: Path, **answers: str) -> dict[str, str]:
    """An environment in which each program says only this, or fails where it has nothing to say."""
    for name, answer in answers.items():
        path = place / name
        (place / f"{name}.txt").write_text(answer)
        path.write_text(f"#!/bin/sh\n/bin/cat '{place}/{name}.txt'\nexit {0 if answer else 1}\n")
        path.chmod(0o755)
    return {"PATH": str(place)}


def test_an_active_timer_is_told_with_its_next_time(tmp_path: Path) -> None:
    found = check_timer(programs(tmp_path, systemctl=LOADED.format("active")))
    assert (found.status, found.text) == (Status.OK, "harvester.timer, next Thu 2026-11-26 03:07:12 UTC")


def test_a_timer_that_does_not_run_is_a_warning_with_the_command(tmp_path: Path) -> None:
    found = check_timer(programs(tmp_path, systemctl=LOADED.format("inactive")))
    assert found.status is Status.WARNING
    assert found.advice == "systemctl enable --now harvester.timer"


def test_a_unit_that_systemd_cannot_load_is_a_warning(tmp_path: Path) -> None:
    found = check_timer(programs(tmp_path, systemctl="LoadState=bad-setting\nActiveState=inactive\n"))
    assert found.status is Status.WARNING
    assert "bad-setting" in found.text


def test_a_crontab_line_will_do(tmp_path: Path) -> None:
    crontab = "# harvester used to be here\n0 3 * * * /usr/bin/harvester -q run\n"
    found = check_timer(programs(tmp_path, systemctl="LoadState=not-found\n", crontab=crontab))
    assert (found.status, found.text) == (Status.OK, "crontab: 0 3 * * *")


@pytest.mark.parametrize(
    ("line", "when"),
    [
        ("0 3 * * * QUANTCONNECT_API_TOKEN=CANARY harvester run", "0 3 * * *"),
        ("*/30\t3 1-7,9 jan MON harvester run && curl https://hc-ping.com/CANARY", "*/30 3 1-7,9 jan MON"),
        ("@daily TOKEN=CANARY /opt/harvester run", "@daily"),
        ("QUANTCONNECT_API_TOKEN=CANARY\n  7 4 * * * harvester run", "7 4 * * *"),
    ],
)
def test_of_a_crontab_line_only_its_times_are_shown(tmp_path: Path, line: str, when: str) -> None:
    found = check_timer(programs(tmp_path, crontab=f"MAILTO = a b c d CANARY@harvester.example\n{line}\n"))
    assert (found.status, found.text) == (Status.OK, f"crontab: {when}")


def test_a_setting_of_cron_that_names_us_is_no_schedule(tmp_path: Path) -> None:
    found = check_timer(programs(tmp_path, crontab="PATH=/opt/harvester/bin:/bin\n0 3 * * * backup\n"))
    assert "no run is scheduled" in found.text


@pytest.mark.parametrize("answers", [{}, {"systemctl": "", "crontab": ""}, {"crontab": "# harvester\n"}])
def test_who_has_no_schedule_is_told_how_to_get_one(tmp_path: Path, answers: dict[str, str]) -> None:
    found = check_timer(programs(tmp_path, **answers))
    assert (found.status, found.advice) == (Status.OK, "")
    assert "harvester schedule" in found.text
