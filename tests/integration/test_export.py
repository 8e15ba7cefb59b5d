from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import bagit
import pytest
from support.archives import Night, make_reports, open_archive
from support.cli import Done, harvester
from support.disks import check_bag

from harvester.archive import Archive, Snapshot

REPORTS = [
    replace(
        report,
        tags=("live",) if number == 4 else (),
        project="Recycle Bin/Old" if number > 5 else report.project,
    )
    for number, report in enumerate(make_reports(projects=3, each=2), start=1)
]


def call(archive: Archive, *words: str | Path, **environ: str) -> Done:
    """Run a command on this Archive."""
    return harvester(*words, "--archive", archive.root, cwd=archive.root.parent, environ=environ)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    archive = open_archive(tmp_path / "archive")
    Night(archive).run(REPORTS)
    return archive


def test_a_whole_snapshot_is_a_bag_of_its_own(archive: Archive, tmp_path: Path) -> None:
    said = call(archive, "export", "latest", "--to", tmp_path / "out")
    assert said.code == 0, said
    assert "6 reports of 2026-11-22 in 30 files" in said.out
    check_bag(tmp_path / "out")


@pytest.mark.parametrize(
    ("filters", "reports"),
    [
        (["--project", "101"], 2),
        (["--project", "project*", "--exclude-project", "102"], 3),
        (["--name", "*2"], 3),
        (["--tag", "live"], 1),
        (["--created-before", "2026-10-03"], 3),
        (["--created-after", "2026-10-03"], 3),
    ],
)
def test_the_filters_of_run_select_a_part(
    archive: Archive, tmp_path: Path, filters: list[str], reports: int
) -> None:
    out = tmp_path / "out"
    said = call(archive, "export", "latest", "--to", out, "--json", *filters)
    assert said.code == 0, said
    assert said.document()["reports"] == reports
    assert (out / "index.html").is_file()
    check_bag(out)
    assert len(list(Snapshot("2026-11-22", out).inventory())) == reports


def test_export_of_nothing_is_a_usage_error_and_says_so(archive: Archive, tmp_path: Path) -> None:
    said = call(archive, "export", "latest", "--to", tmp_path / "out", "--project", "nothing")
    assert said.code == 2
    assert "nothing was exported" in said.err


def test_filters_of_the_configuration_do_not_count(archive: Archive, tmp_path: Path) -> None:
    config = tmp_path / "harvester.toml"
    config.write_text("[filters]\nprojects = ['101']\nrecycle_bin = false\n")
    said = call(
        archive, "--config", config, "export", "latest", "--to", tmp_path / "out", "--json", "--name", "*"
    )
    assert said.document()["reports"] == 6


def test_a_zip_is_a_valid_bag_when_it_is_unpacked(archive: Archive, tmp_path: Path) -> None:
    said = call(archive, "export", "2026-11-22", "--to", tmp_path / "handover", "--zip")
    assert said.code == 0
    subprocess.run(["python3", "-m", "zipfile", "-e", tmp_path / "handover.zip", tmp_path], check=True)
    bagit.Bag(str(tmp_path / "handover")).validate()


def test_a_name_with_a_dot_is_kept(archive: Archive, tmp_path: Path) -> None:
    call(archive, "export", "latest", "--to", tmp_path / "v1.2", "--zip")
    assert (tmp_path / "v1.2.zip").is_file()


def test_a_directory_in_use_is_an_error(archive: Archive, tmp_path: Path) -> None:
    assert call(archive, "export", "latest", "--to", tmp_path).code == 2


def test_a_wrong_date_is_a_usage_error(archive: Archive, tmp_path: Path) -> None:
    said = call(archive, "export", "latest", "--to", tmp_path / "out", "--created-after", "yesterday")
    assert said.code == 2
    assert "--created-after" in said.err


def test_a_damaged_snapshot_is_not_handed_over(archive: Archive, tmp_path: Path) -> None:
    path = next((archive.root / "2026-11-22" / "data").rglob("offline.html"))
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    said = call(archive, "export", "latest", "--to", tmp_path / "out")
    assert said.code == 20
    assert "--repair" in said.err
