"""The commands that answer questions, over an archive that `demo` has made."""

from __future__ import annotations

import csv
import io
import os
import pwd
import shutil
import signal
import subprocess
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from support.archives import Night, make_reports, open_archive
from support.cli import harvester


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of `demo` over a small account."""
    directory = tmp_path_factory.mktemp("demo")
    for _ in range(2):
        done = harvester(
            "demo", "--backtests", "4", "--projects", "2", "--archive", "a", "--json", cwd=directory
        )
        assert done.code == 0, done.err
    document = done.document()
    assert document["snapshot"]["counts"]["carried"] == 4
    return directory / "a"


def ask(archive: Path, *words: str) -> str:
    done = harvester(*words, "--archive", "a", cwd=archive.parent)
    assert done.code == 0, done.err
    return done.out


def test_demo_means_the_home_by_a_tilde(tmp_path: Path) -> None:
    words = ("demo", "--archive=~/a", "--backtests", "1", "--projects", "1")
    done = harvester(*words, cwd=tmp_path, environ={"HOME": str(tmp_path / "home")})
    assert done.code == 0, done.err
    assert (tmp_path / "home" / "a" / "latest").exists()


def test_csv_holds_no_formula_in_any_width(tmp_path: Path) -> None:
    names = ["=1+1", "\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20SUM(A1)"]
    reports = [
        replace(report, name=name, statistics={"=cmd": 1.0})
        for report, name in zip(make_reports(projects=1, each=5), names, strict=True)
    ]
    Night(open_archive(tmp_path / "a")).run(reports)
    rows = list(csv.DictReader(io.StringIO(ask(tmp_path / "a", "list", "--csv"))))
    assert [row["name"] for row in rows] == [f"'{name}" for name in names]
    assert "'=cmd" in rows[0]


def test_list_shows_the_best_first(archive: Path) -> None:
    lines = ask(archive, "list", "--sort", "-sharpe").splitlines()
    assert lines[0].split() == ["created", "state", "sharpe", "cagr", "drawdown", "id", "project", "name"]
    sharpes = [float(line.split()[2]) for line in lines[1:5]]
    assert sharpes == sorted(sharpes, reverse=True)
    assert lines[-1] == "8 backtests"


@pytest.mark.parametrize(
    "words", [("list",), ("snapshots",), ("diff", "latest"), ("export", "latest", "--to", "out")]
)
def test_a_directory_that_only_looks_like_a_snapshot_is_named_and_left_out(
    archive: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    shutil.copytree(archive, tmp_path / "a", symlinks=True)
    (tmp_path / "a" / "2027-05-05").mkdir()
    done = harvester(*words, "--archive", "a", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "2027-05-05 has the name of a Snapshot but is not one; it is left out" in done.err


@pytest.mark.parametrize(
    ("words", "number"),
    [
        (("--outcome", "carried"), 4),
        (("--outcome", "gone"), 0),
        (("--project", "Momentum*"), 2),
        (("--created-after", "2030-01-01"), 0),
        (("2026-01-01",), None),
    ],
)
def test_list_takes_the_filters_of_run(archive: Path, words: tuple[str, ...], number: int | None) -> None:
    done = harvester("list", *words, "--archive", "a", "--json", cwd=archive.parent)
    assert done.code == (0 if number is not None else 1)
    if number is not None:
        assert len(done.document()["backtests"]) == number


def test_list_shows_all_there_is_whatever_a_run_reads(archive: Path) -> None:
    settings = archive.with_name("filtered.toml")
    settings.write_text('[filters]\nnames = ["nothing"]\nrecycle_bin = false\n')
    lines = harvester(
        "--config", settings.name, "list", "--archive", "a", cwd=archive.parent
    ).out.splitlines()
    assert lines[-1] == "8 backtests"


@pytest.mark.parametrize("key", ["read_at", "-read_at"])
def test_list_puts_last_what_was_never_read_whichever_way_it_goes(archive: Path, key: str) -> None:
    states = [line.split()[1] for line in ask(archive, "list", "--sort", key).splitlines()[1:-1]]
    assert states == ["carried"] * 4 + ["skipped"] * 4


def test_list_gives_a_spreadsheet_all_figures(archive: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(ask(archive, "list", "--csv", "--sort", "name"))))
    assert len(rows) == 8
    assert {row["state"] for row in rows} == {"carried", "skipped"}
    assert [row["name"] for row in rows] == sorted(row["name"] for row in rows)
    assert any(row["sharpeRatio"] for row in rows)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--sort", "nonsense"), "use one of"),
        (("--outcome", "nonsense"), "use one of saved"),
        (("--csv", "--json"), "cannot be combined"),
    ],
)
def test_list_names_what_it_does_not_know(archive: Path, words: tuple[str, ...], said: str) -> None:
    done = harvester("list", *words, "--archive", "a", cwd=archive.parent)
    assert done.code == 2
    assert said in done.out + done.err


def test_history_tells_what_became_of_a_backtest(archive: Path) -> None:
    found = harvester(
        "list", "--outcome", "carried", "--archive", "a", "--json", cwd=archive.parent
    ).document()
    backtest_id = found["backtests"][0]["backtest_id"]
    lines = ask(archive, "history", backtest_id[:8]).splitlines()
    assert backtest_id in lines[0]
    assert [line.split()[2] for line in lines[2:]] == ["saved", "carried"]
    document = harvester("history", backtest_id, "--archive", "a", "--json", cwd=archive.parent).document()
    assert [passage["outcome"] for passage in document[0]["history"]] == ["saved", "carried"]
    assert harvester("history", "no-such", "--archive", "a", cwd=archive.parent).code == 2
    assert harvester("history", "", "--archive", "a", cwd=archive.parent).code == 2


def test_catalog_is_made_again(archive: Path) -> None:
    assert "2 Snapshots" in ask(archive, "catalog", "rebuild")
    document = harvester("catalog", "rebuild", "--archive", "a", "--json", cwd=archive.parent).document()
    assert document["snapshots"] == 2


def test_schedule_says_what_would_be_missing_at_night(tmp_path: Path) -> None:
    environ = {"HARVESTER_PACE_WORKERS": "3", "HARVESTER_METRICS_TEXTFILE": str(tmp_path / "node" / "h.prom")}
    done = harvester("schedule", cwd=tmp_path, environ=environ)
    assert done.code == 0
    assert "set user_id and token_file in [credentials]" in done.err
    assert "set pace.workers in the configuration (environment HARVESTER_PACE_WORKERS)" in done.err
    assert f"mkdir -p {tmp_path / 'archive'}" in done.err
    assert f"mkdir -p {tmp_path / 'node'}" in done.err
    assert f"ReadWritePaths={tmp_path / 'archive'} {tmp_path / 'node'}" in done.out


def test_schedule_runs_as_who_owns_the_archive(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    if os.geteuid() == 0:
        os.chown(tmp_path / "archive", 65534, -1)
    owner = pwd.getpwuid((tmp_path / "archive").stat().st_uid).pw_name
    assert f"User={owner}" in harvester("schedule", cwd=tmp_path).out.splitlines()


def test_schedule_prints_units_and_a_crontab_line(archive: Path) -> None:
    units = ask(archive, "schedule", "--at", "4:30")
    assert f"ReadWritePaths={archive}" in units
    assert "OnCalendar=*-*-* 04:30:00" in units
    assert ask(archive, "schedule", "--cron").startswith("0 3 * * * ")
    assert harvester("schedule", "--at", "25:00", cwd=archive.parent).code == 2


def test_dry_run_and_simulate_work_together(tmp_path: Path) -> None:
    log = tmp_path / "requests.jsonl"
    words = [sys.executable, "-m", "harvester", "simulate", "--port", "0", "--request-log", str(log)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().strip()
        exported = [process.stderr.readline().removeprefix("export ").strip() for _ in range(3)]
        environ = dict(line.split("=", 1) for line in exported)
        assert environ["HARVESTER_API_BASE_URL"] == url
        environ["HARVESTER_PACE_RATE_PER_MIN"] = "6000"
        done = harvester("run", "--dry-run", cwd=tmp_path, environ=environ)
        document = harvester("run", "--dry-run", "--json", cwd=tmp_path, environ=environ).document()
        urllib.request.urlopen(f"{url}/authenticate").close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert done.code == 0
    assert "30 reports would be fetched" in done.out
    assert document["reports"] == 30
    assert not (tmp_path / "archive").exists()
    assert len(log.read_text().splitlines()) > 10
