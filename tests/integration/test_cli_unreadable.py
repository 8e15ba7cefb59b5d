"""The commands that look at every Snapshot, where the disk does not give one of the files."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from support.archives import Night, make_reports, open_archive
from support.cli import harvester


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """The record of the first of two Snapshots; it cannot be opened, not even by root: it is a socket."""
    archive = open_archive(tmp_path / "archive")
    for date in ("2026-11-21", "2026-11-22"):
        Night(archive, date).run(make_reports(1, 1))
    path = archive.root / "2026-11-21" / "snapshot.json"
    path.unlink()
    os.mknod(path, stat.S_IFSOCK | 0o444)
    return path


def test_snapshots_lists_the_others(record: Path, tmp_path: Path) -> None:
    done = harvester("snapshots", cwd=tmp_path)
    assert done.code == 20
    assert "2026-11-22" in done.out
    assert f"{record} cannot be read" in done.err


def test_verify_reports_it_and_goes_on(record: Path, tmp_path: Path) -> None:
    stray = record.parent.with_name("2026-11-22") / "stray"
    stray.write_bytes(b"")
    done = harvester("verify", "--json", cwd=tmp_path)
    assert done.code == 20
    found = {(problem["path"], problem["kind"]) for problem in done.document()["problems"]}
    assert found == {("snapshot.json", "unreadable"), ("stray", "extra")}
