"""The catalog: what runs build is what a rebuild builds, and it answers questions."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import anyio.to_thread
import pytest
from support.archives import Night, make_reports, open_archive
from support.builders import make_backtests, make_scenario, run_against
from support.cli import harvester

from harvester.archive import Archive
from harvester.audit import load_history, rebuild_catalog, update_catalog
from harvester.simulator import Simulator

_FIRST = f"{1:032x}"


def dump(archive: Path) -> list[str]:
    with closing(sqlite3.connect(archive / "catalog.sqlite")) as base, base:
        return list(base.iterdump())


@pytest.fixture
async def archive(tmp_path: Path) -> Path:
    """Four nights: new, nothing new, changed and renamed, gone and new; the catalog follows each."""
    async with Simulator(make_scenario(make_backtests(5), make_backtests(3, first=6))) as simulator:
        account = simulator.account
        for night in range(4):
            if night == 2:
                account.change_backtest(101, _FIRST, snapshot_id=9, seed=77)
                account.rename_project(102, "Renamed")
            if night == 3:
                account.delete_backtest(101, _FIRST)
                account.add_backtest(102, make_backtests(1, first=20)[0])
            await run_against(simulator, tmp_path)
            await anyio.to_thread.run_sync(lambda: update_catalog(Archive.open(tmp_path)))
    return tmp_path


async def test_runs_and_a_rebuild_come_to_the_same(archive: Path) -> None:
    built = dump(archive)
    await anyio.to_thread.run_sync(lambda: rebuild_catalog(Archive.open(archive)))
    assert dump(archive) == built
    assert any('INSERT INTO "figures"' in line for line in built)


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\x00" + b"\xff" * 5000])
async def test_a_damaged_catalog_is_made_anew(archive: Path, content: bytes) -> None:
    built = dump(archive)
    (archive / "catalog.sqlite").write_bytes(content)
    await anyio.to_thread.run_sync(lambda: update_catalog(Archive.open(archive)))
    assert dump(archive) == built


async def test_a_lost_catalog_is_made_again_for_a_question(archive: Path) -> None:
    (archive / "catalog.sqlite").unlink()
    found = await anyio.to_thread.run_sync(lambda: load_history(Archive.open(archive), _FIRST))
    passages = found[101, _FIRST]
    assert [(passage.outcome, passage.gone) for passage in passages] == [
        ("saved", False),
        ("carried", False),
        ("updated", False),
        ("carried", True),
    ]
    assert passages[2].saved_in == passages[2].from_snapshot


async def test_a_night_without_news_adds_one_snapshot_and_lengthens_the_rest(tmp_path: Path) -> None:
    def numbers() -> tuple[int, ...]:
        with closing(sqlite3.connect(tmp_path / "catalog.sqlite")) as base, base:
            tables = ("snapshots", "outcomes", "reports", "images")
            return tuple(base.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables)

    found = []
    async with Simulator(make_scenario(make_backtests(3))) as simulator:
        for _ in range(4):
            await run_against(simulator, tmp_path)
            await anyio.to_thread.run_sync(lambda: update_catalog(Archive.open(tmp_path)))
            found.append(numbers())
    images = found[0][3]
    assert found == [(1, 3, 3, images), (2, 6, 3, images), (3, 6, 3, images), (4, 6, 3, images)]


def test_questions_are_answered_by_plain_sqlite3(archive: Path) -> None:
    def ask(view: str) -> list[str]:
        done = subprocess.run(
            ["sqlite3", str(archive / "catalog.sqlite"), f"SELECT * FROM {view}"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.splitlines()

    assert len(ask("newest_reports")) == 9
    assert len(ask("changed_reports")) == 1
    assert len(ask("gone_backtests")) == 1
    assert ask("failures") == []
    sharpes = [float(line.split("|")[0]) for line in ask("best_sharpe")]
    assert sharpes == sorted(sharpes, reverse=True)
    assert any("|CAGR|" in line for line in ask("key_figures"))


def test_a_rebuild_does_not_run_beside_a_run(tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "archive")
    Night(archive).run(make_reports(projects=1, each=1))
    with archive.lock(command="run", wait_s=0):
        done = harvester("catalog", "rebuild", cwd=tmp_path)
    assert done.code == 11
    assert "command 'run'" in done.err
    assert not (archive.root / "catalog.sqlite").exists()
    assert harvester("catalog", "rebuild", "--lock-wait", "1m", cwd=tmp_path).code == 0
