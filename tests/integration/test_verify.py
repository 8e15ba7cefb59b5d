from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import anyio.to_thread
import pytest
from support.archives import Night, make_reports, open_archive
from support.builders import TOKEN, USER_ID, entries, make_backtests, make_scenario, run_against
from support.cli import TIMEOUT_S, Done, harvester, harvester_beside
from support.disks import check_archive

from harvester.archive import Archive
from harvester.simulator import Simulator

REPORTS = make_reports(projects=2, each=2)
DIR = f"data/project-1_101/backtest-1_{REPORTS[0].backtest_id}"


def call(archive: Archive, *words: str | Path, **environ: str) -> Done:
    """Run a command on this Archive."""
    return harvester(*words, "--archive", archive.root, cwd=archive.root.parent, environ=environ)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Two Snapshots; the second has one report of its own."""
    archive = open_archive(tmp_path / "archive")
    Night(archive, "2026-11-21").run(REPORTS[1:])
    Night(archive, "2026-11-22").run(REPORTS)
    return archive


def damage(archive: Archive, name: str) -> None:
    path = archive.root / "2026-11-22" / name
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    path.chmod(0o444)


def test_a_sound_archive_ends_with_0(archive: Archive) -> None:
    said = call(archive, "verify")
    assert said.code == 0
    assert "verified 2 Snapshots" in said.out
    assert "no problems" in said.out


def test_a_sound_archive_is_not_worth_a_word_with_quiet(archive: Archive) -> None:
    said = call(archive, "-q", "verify")
    assert (said.code, said.out, said.err) == (0, "", "")


def test_damage_ends_with_20_and_names_file_and_remedy_even_with_quiet(archive: Archive) -> None:
    damage(archive, f"{DIR}/report.html")
    said = call(archive, "-q", "verify")
    assert said.code == 20
    assert f"2026-11-22/{DIR}/report.html has other bytes than were recorded" in said.out
    assert "harvester verify 2026-11-22 --repair" in said.out


def test_json_holds_every_problem(archive: Archive) -> None:
    damage(archive, f"{DIR}/report.html")
    (archive.root / "2026-11-22" / "stray").write_bytes(b"")
    said = call(archive, "verify", "--json")
    assert said.code == said.document()["exit_code"] == 20
    assert said.document()["exit"] == "damaged"
    assert [problem["kind"] for problem in said.document()["problems"]] == ["altered", "extra"]
    assert said.document()["snapshots"] == ["2026-11-21", "2026-11-22"]


def test_only_the_named_snapshots_are_hashed(archive: Archive) -> None:
    damage(archive, f"{DIR}/report.html")
    assert call(archive, "verify", "2026-11-21").code == 0
    assert call(archive, "verify", "latest").code == 20


def test_a_week_of_parts_finds_the_damage_once(archive: Archive) -> None:
    damage(archive, f"{DIR}/report.html")
    codes = [call(archive, "verify", "--subset", f"{part}/3").code for part in (1, 2, 3)]
    assert sorted(codes) == [0, 0, 20]
    assert call(archive, "verify", "--subset", "auto/1").code == 20


@pytest.mark.parametrize("subset", ["0/7", "8/7", "1/0", "x/7", "1", "auto/x", "1/999", "-1/7"])
def test_a_part_that_does_not_exist_is_a_usage_error(archive: Archive, subset: str) -> None:
    said = call(archive, "verify", f"--subset={subset}")
    assert said.code == 2
    assert "1/7 or auto/7" in said.err
    assert call(archive, "verify", f"--subset={subset}", "--json").document()["exit"] == "usage"


def test_an_unknown_snapshot_is_named_with_those_that_exist(archive: Archive) -> None:
    said = call(archive, "verify", "2026-01-01")
    assert said.code == 1
    assert "it has 2026-11-21, 2026-11-22" in said.err


def test_no_archive_is_an_error_that_says_where_it_looked(tmp_path: Path) -> None:
    said = harvester("verify", "--archive", tmp_path / "nowhere", cwd=tmp_path)
    assert said.code == 1
    assert "nowhere is no Archive" in said.err


def test_repair_takes_what_another_snapshot_has(archive: Archive) -> None:
    shared = (
        archive.root / "2026-11-22" / f"data/project-1_101/backtest-2_{REPORTS[1].backtest_id}/report.html"
    )
    shared.unlink()
    said = call(archive, "verify", "--repair")
    assert said.code == 0
    assert "repaired: 2026-11-22/" in said.out
    check_archive(archive.root)


def test_repair_restores_modes_and_says_where_it_keeps_what_it_replaced(archive: Archive) -> None:
    shared = f"data/project-1_101/backtest-2_{REPORTS[1].backtest_id}/report.json"
    content = (archive.root / "2026-11-22" / shared).read_bytes()
    (archive.root / "2026-11-22" / shared).unlink()
    (archive.root / "2026-11-22" / shared).write_bytes(content[:-1])
    said = call(archive, "verify", "--repair")
    assert said.code == 0
    assert f"what was replaced, 1 file, is kept below {archive.root}/.damaged" in said.out
    assert [path.read_bytes() for path in (archive.root / ".damaged").rglob("report.json")] == [content[:-1]]
    for path in archive.root.glob("2026-*/**/*"):
        path.chmod(path.stat().st_mode | 0o200)
    assert call(archive, "verify").code == 20
    assert call(archive, "verify", "--repair", "--json").document()["kept_damaged"] == 0
    check_archive(archive.root)


def test_without_credentials_a_lost_report_is_not_read_again(archive: Archive) -> None:
    damage(archive, f"{DIR}/report.html")
    said = call(archive, "verify", "--repair")
    assert said.code == 20
    assert "lost reports cannot be fetched" in said.err
    assert "restore the file from a backup" in said.out


def test_a_repair_waits_for_no_run(archive: Archive) -> None:
    with archive.lock(command="run", wait_s=0):
        assert call(archive, "verify", "--repair").code == 11
        assert call(archive, "verify").code == 0


async def test_repair_reads_a_lost_report_again(tmp_path: Path) -> None:
    async with Simulator(make_scenario(make_backtests(2))) as simulator:
        result = await run_against(simulator, tmp_path / "archive")
        directory = result.path / next(iter(entries(result).values())).path
        shutil.rmtree(directory / "images")
        (directory / "report.html").unlink()
        environ = {
            "HARVESTER_API_BASE_URL": simulator.base_url,
            "QUANTCONNECT_USER_ID": str(USER_ID),
            "QUANTCONNECT_API_TOKEN": TOKEN,
        }
        said = await harvester_beside(
            "verify", "--repair", "--archive", tmp_path / "archive", cwd=tmp_path, environ=environ
        )
    assert said.code == 0, said
    await anyio.to_thread.run_sync(check_archive, tmp_path / "archive")


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({"QUANTCONNECT_USER_ID": "7"}, "another account"),
        ({"QUANTCONNECT_API_TOKEN": "refused"}, "check the user id and the API token"),
        ({"HTTP_PROXY": "socks5://127.0.0.1:9"}, "proxies"),
    ],
)
async def test_when_nothing_can_be_read_again_the_rest_is_mended_and_what_is_left_is_named(
    tmp_path: Path, environ: dict[str, str], why: str
) -> None:
    async with Simulator(make_scenario(make_backtests(2))) as simulator:
        result = await run_against(simulator, tmp_path / "archive")
        (result.path / "bagit.txt").unlink()
        for entry in entries(result).values():
            (result.path / entry.path / "report.html").unlink()
        usual = {
            "HARVESTER_API_BASE_URL": simulator.base_url,
            "QUANTCONNECT_USER_ID": str(USER_ID),
            "QUANTCONNECT_API_TOKEN": TOKEN,
        }
        said = await harvester_beside(
            "verify", "--repair", "--archive", tmp_path / "archive", cwd=tmp_path, environ=usual | environ
        )
    assert said.code == 20, said
    assert f"repaired: {result.path.name}/bagit.txt is missing" in said.out
    assert said.out.count("report.html is missing") == 2
    (told,) = [line for line in said.err.splitlines() if "lost reports cannot be fetched" in line]
    assert why in told


def test_what_was_mended_is_told_when_the_repair_does_not_end_well(archive: Archive) -> None:
    (archive.root / "2026-11-22" / "bagit.txt").unlink()
    images = archive.root / "2026-11-22" / f"data/project-1_101/backtest-2_{REPORTS[1].backtest_id}/images"
    shutil.rmtree(images)
    images.touch()  # no file can be put back below it
    said = call(archive, "verify", "--repair")
    assert said.code == 16
    assert "warning repaired file=2026-11-22/bagit.txt is missing" in said.err


def test_a_snapshot_committed_while_the_repair_waited_is_verified(archive: Archive) -> None:
    words = [sys.executable, "-m", "harvester", "verify", "--repair", "--lock-wait", "1m", "--json"]
    with archive.lock(command="run", wait_s=0):
        waiter = subprocess.Popen([*words, "--archive", archive.root], env={}, stdout=subprocess.PIPE)
        wait_until_asleep(waiter.pid)
        Night(archive, "2026-11-23").run_locked(REPORTS)
    out, _ = waiter.communicate(timeout=TIMEOUT_S)
    assert waiter.returncode == 0
    assert b'"2026-11-23"' in out


def wait_until_asleep(pid: int) -> None:
    """Until the process waits between two tries for the lock."""
    until = time.monotonic() + TIMEOUT_S
    while "nanosleep" not in Path(f"/proc/{pid}/wchan").read_text():
        assert time.monotonic() < until, "the lock was never waited for"


def test_many_problems_are_counted_not_all_printed(tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "archive")
    Night(archive).run([replace(report, images=12) for report in make_reports(projects=1, each=40)])
    shutil.rmtree(archive.root / "2026-11-22" / "data")
    started = time.monotonic()
    said = call(archive, "verify")
    assert said.code == 20
    assert "and 100 more; --json has all" in said.out
    assert time.monotonic() - started < 60


def test_strangers_are_listed_and_no_problem(archive: Archive) -> None:
    (archive.root / "notes.txt").write_text("mine")
    said = call(archive, "verify")
    assert said.code == 0
    assert "not part of the archive, not checked: notes.txt" in said.out
    assert call(archive, "verify", "--json").document()["strangers"] == ["notes.txt"]
    assert call(archive, "-q", "verify").out == ""
    for number in range(30):
        (archive.root / f"stray-{number:02d}").touch()
    assert "stray-18 and 11 more" in call(archive, "verify").out


def test_a_catalog_that_lies_is_a_problem_and_no_answer(archive: Archive) -> None:
    assert call(archive, "catalog", "rebuild").code == 0
    with closing(sqlite3.connect(archive.root / "catalog.sqlite")) as base, base:
        base.execute("UPDATE outcomes SET name = 'LIE'")
    said = call(archive, "history", REPORTS[0].backtest_id)
    assert "LIE" not in said.out
    assert "was altered since it was written" in said.err
    said = call(archive, "verify")
    assert said.code == 20
    assert "catalog.sqlite does not say what the Inventories say" in said.out
    assert "harvester catalog rebuild" in said.out
    assert call(archive, "verify", "2026-11-22").code == 0
    assert call(archive, "verify", "--repair").code == 0
    assert call(archive, "verify").code == 0


def test_an_archive_set_back_is_told_with_how_to_be_sure(archive: Archive) -> None:
    assert call(archive, "catalog", "rebuild").code == 0
    shutil.rmtree(archive.root / "2026-11-22")
    ledger = archive.root / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes().splitlines(keepends=True)[0])
    (archive.root / "latest").unlink()
    (archive.root / "latest").symlink_to("2026-11-21")
    said = call(archive, "-q", "verify")
    assert said.code == 0
    assert "knows a Snapshot 2026-11-22 that ledger.jsonl has never had" in said.err
