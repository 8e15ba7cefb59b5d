from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.archives import Night, Report, make_reports, open_archive
from support.cli import Done, harvester

from harvester.archive import Archive

REPORTS = [replace(report, statistics={"Sharpe Ratio": 1.0}) for report in make_reports(projects=1, each=4)]


def call(archive: Archive, *words: str | Path, **environ: str) -> Done:
    """Run a command on this Archive."""
    return harvester(*words, "--archive", archive.root, cwd=archive.root.parent, environ=environ)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Two nights between which everything happened that can happen."""
    archive = open_archive(tmp_path / "archive")
    Night(archive, "2026-11-21").run(REPORTS)
    new = Report(project_id=105, backtest_id="f" * 32, name="Brand New")
    changed = replace(REPORTS[1], html=b"changed", statistics={"Sharpe Ratio": 2.5})
    Night(archive, "2026-11-22").run([replace(REPORTS[0], name="Re\x1b[31mnamed"), changed, REPORTS[3], new])
    return archive


def test_every_difference_is_told(archive: Archive) -> None:
    said = call(archive, "diff", "2026-11-21")
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0] == "2026-11-21 .. 2026-11-22"
    assert lines[1].startswith("new       Momentum / Brand New [")
    assert lines[2].startswith("changed   Project 1 / Backtest 2 [")
    assert lines[3].startswith("renamed   Project 1 / Backtest 1 [")
    assert lines[4].startswith("gone      Project 1 / Backtest 3 [")
    assert lines[5].startswith("stats     Project 1 / Backtest 2 [")
    assert lines[6].split() == ["Sharpe", "Ratio", "1", "->", "2.5"]
    assert lines[-1] == "1 new, 1 changed, 1 renamed, 1 gone, 1 with changed statistics, 1 unchanged"


def test_names_cannot_command_the_terminal(archive: Archive) -> None:
    assert "\x1b" not in call(archive, "diff", "2026-11-21", "2026-11-22").out


def test_json_has_the_same(archive: Archive) -> None:
    found = call(archive, "diff", "2026-11-21", "latest", "--json").document()
    assert (found["earlier"], found["later"], found["same"]) == ("2026-11-21", "2026-11-22", 1)
    assert found["moved"][0]["statistics"] == {"Sharpe Ratio": [1.0, 2.5]}
    assert found["renamed"][0]["before"] == {"project": "Project 1", "name": "Backtest 1"}
    assert found["changed"][0]["differs"] == "rendering"
    assert [entry["name"] for entry in found["new"]] == ["Brand New"]
    assert [entry["name"] for entry in found["gone"]] == ["Backtest 3"]


def test_an_unknown_snapshot_is_an_error(archive: Archive) -> None:
    assert call(archive, "diff", "2026-01-01").code == 1


def test_the_command_ends_with_20_and_names_a_damaged_inventory(archive: Archive) -> None:
    path = archive.root / "2026-11-21" / "inventory.jsonl"
    path.chmod(0o644)
    path.write_bytes(b"junk\n")
    said = call(archive, "diff", "2026-11-21")
    assert said.code == 20
    assert "inventory.jsonl:1" in said.err
