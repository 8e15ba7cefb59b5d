from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from support.archives import STARTED, Night, append_line, make_reports, open_archive
from support.disks import Killed, SteppingDisk, check_archive

from harvester.archive import Archive, Disk
from harvester.archive.names import snapshot_names
from harvester.archive.recovery import recover
from harvester.archive.store import Store
from harvester.audit import verify_archive
from harvester.errors import CorruptArchiveError
from harvester.format.ledger import load_ledger

REPORTS = make_reports(projects=1, each=2)
DATES = ["2026-11-20", "2026-11-21", "2026-11-22"]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """An Archive with three Snapshots."""
    archive = open_archive(tmp_path / "archive")
    for date in DATES:
        Night(archive, date).run(REPORTS)
    return archive


class Stops(SteppingDisk):
    """Dies at the first step of a kind, once a Snapshot is being made public."""

    def __init__(self, step: str) -> None:
        super().__init__()
        self._step = step
        self._committing = False

    def before(self, number: int, step: str) -> None:
        self._committing |= step == "sync_all"
        if self._committing and step == self._step:
            raise Killed(step)


def cut(archive: Archive, step: str) -> None:
    with suppress(Killed):
        Night(open_archive(archive.root, Stops(step)), "2026-11-23").run(REPORTS)


@pytest.mark.parametrize("step", ["remove", "remove_tree", "rename", "append", "symlink_atomic"])
def test_an_interrupted_commit_is_completed(archive: Archive, step: str) -> None:
    cut(archive, step)
    recover(Store(archive.root, Disk()))
    standing = ["2026-11-23"] if step != "remove" else []  # before it, the partial was not sealed
    assert snapshot_names(archive.root) == [*DATES, *standing]
    if standing:
        check_archive(archive.root)


def test_a_torn_last_line_is_removed_and_written_again(archive: Archive) -> None:
    ledger = archive.root / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes()[:-30])
    recover(Store(archive.root, Disk()))
    check_archive(archive.root)
    assert len(load_ledger(archive.root).lines) == 3


def test_a_lost_latest_is_made_again(archive: Archive) -> None:
    latest = archive.root / "latest"
    latest.unlink()
    latest.symlink_to("/etc")
    recover(Store(archive.root, Disk()))
    check_archive(archive.root)


@pytest.mark.parametrize("name", ["2026-11-19", "2026-11-23", "2027-05-05", "2026-11-22.2"])
def test_a_directory_that_only_looks_like_a_snapshot_is_named_and_left_alone(
    archive: Archive, name: str
) -> None:
    (archive.root / name).mkdir()
    (archive.root / name / "notes.txt").write_text("mine")
    with archive.lock(command="test", wait_s=0):
        snapshot = Night(archive, "2026-11-23").run_locked(REPORTS)
        assert archive._partial is not None
        (note,) = archive._partial.notes
    assert note.startswith(
        f"{archive.root / name} has the name of a Snapshot but is not one; it was left alone."
    )
    assert snapshot.name == ("2026-11-23.2" if name == "2026-11-23" else "2026-11-23")
    assert archive.newest() == snapshot
    assert [path.name for path in archive.foreign()] == [name]
    assert [str(problem) for problem in verify_archive(archive)] == [
        f"{name} has the name of a Snapshot but is not one: no run has committed it"
    ]
    assert (archive.root / name / "notes.txt").read_text() == "mine"


def test_a_committed_snapshot_without_its_record_is_damaged_and_not_foreign(archive: Archive) -> None:
    (archive.root / DATES[1] / "snapshot.json").unlink()
    assert archive.foreign() == []
    assert [snapshot.name for snapshot in archive.snapshots()] == DATES
    assert f"{DATES[1]}/snapshot.json is missing" in map(str, verify_archive(archive))


def test_without_a_ledger_that_can_be_read_nothing_is_called_foreign(archive: Archive) -> None:
    (archive.root / "2027-05-05").mkdir()
    (archive.root / "ledger.jsonl").unlink()
    (archive.root / "ledger.jsonl").mkdir()
    assert archive.foreign() == []


def test_leftovers_are_swept(archive: Archive) -> None:
    (archive.root / ".2026-11-19.part").mkdir()
    (archive.root / ".2026-11-19.part" / "f").write_bytes(b"")
    (archive.root / ".latest.part").symlink_to("nowhere")
    (archive.root / ".notes").write_bytes(b"mine")
    recover(Store(archive.root, Disk()))
    check_archive(archive.root)
    assert (archive.root / ".notes").exists()


def test_an_interrupted_prune_is_finished(archive: Archive) -> None:
    line = load_ledger(archive.root).next_line("prune", DATES[0], "", at=STARTED)
    append_line(archive.root, line)
    recover(Store(archive.root, Disk()))
    assert snapshot_names(archive.root) == DATES[1:]
    check_archive(archive.root)


def test_a_pruned_name_is_not_given_again(archive: Archive) -> None:
    with archive.lock(command="x", wait_s=0):
        for name in DATES:
            append_line(archive.root, load_ledger(archive.root).next_line("prune", name, "", at=STARTED))
    assert Night(archive, "2026-11-22").run(REPORTS).name == "2026-11-22.2"
    check_archive(archive.root)


def test_a_newest_snapshot_deleted_by_hand_is_an_error_that_says_what_to_do(archive: Archive) -> None:
    shutil.rmtree(archive.root / DATES[2])
    with pytest.raises(CorruptArchiveError, match=r"2026-11-22 is missing.*Restore.*--forget 2026-11-22"):
        Night(archive, "2026-11-23").run(REPORTS)


def test_an_older_snapshot_deleted_by_hand_does_not_stop_a_run(archive: Archive) -> None:
    shutil.rmtree(archive.root / DATES[0])
    assert Night(archive, "2026-11-23").run(REPORTS).name == "2026-11-23"


def test_a_newest_snapshot_replaced_by_a_link_is_missing(archive: Archive, tmp_path: Path) -> None:
    shutil.move(archive.root / DATES[2], tmp_path / "elsewhere")
    (archive.root / DATES[2]).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CorruptArchiveError, match="missing"):
        Night(archive, "2026-11-23").run(REPORTS)


@pytest.mark.parametrize("below", ["data", "data/project-1_101"])
def test_a_newest_snapshot_is_not_read_through_a_link(archive: Archive, tmp_path: Path, below: str) -> None:
    shutil.move(archive.root / DATES[2] / below, tmp_path / "elsewhere")
    (archive.root / DATES[2] / below).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CorruptArchiveError, match=f"{below} is no directory, although one was committed"):
        Night(archive, "2026-11-23").run(REPORTS)


def replace_seal(archive: Archive, name: str) -> None:
    path = archive.root / name / "tagmanifest-sha256.txt"
    path.chmod(0o644)
    path.write_bytes(b"")


def test_a_newest_snapshot_that_was_altered_is_not_built_on(archive: Archive) -> None:
    replace_seal(archive, DATES[2])
    record = Night(archive, "2026-11-23").run(REPORTS).record()
    assert record.previous is not None
    assert (record.previous.name, record.passed_over) == (DATES[1], (DATES[2],))


def test_a_missing_snapshot_below_a_damaged_one_is_passed_over_too(archive: Archive) -> None:
    replace_seal(archive, DATES[2])
    shutil.rmtree(archive.root / DATES[1])
    record = Night(archive, "2026-11-23").run(REPORTS).record()
    assert record.previous is not None
    assert (record.previous.name, record.passed_over) == (DATES[0], (DATES[2], DATES[1]))


@pytest.mark.parametrize("step", ["remove_tree", "rename", "append", "symlink_atomic"])
def test_an_interrupted_commit_on_an_older_base_is_completed(archive: Archive, step: str) -> None:
    replace_seal(archive, DATES[2])
    cut(archive, step)
    recover(Store(archive.root, Disk()))
    assert snapshot_names(archive.root) == [*DATES, "2026-11-23"]
    assert archive.snapshots()[-1].record().passed_over == (DATES[2],)


def test_a_run_whose_base_was_damaged_while_it_was_interrupted_goes_on_with_the_one_before(
    archive: Archive,
) -> None:
    cut(archive, "sync_all")
    replace_seal(archive, DATES[2])
    record = Night(archive, "2026-11-23").run(REPORTS).record()
    assert record.previous is not None
    assert record.previous.name == DATES[1]
    base = archive.base()
    assert base.snapshot is not None
    assert (base.snapshot.name, base.passed_over) == ("2026-11-23", {})


def strangers(archive: Archive) -> Iterator[tuple[str, str]]:
    """What somebody may have put there, and what is said about it."""
    root = archive.root
    shutil.copytree(root / DATES[0], root / "2026-11-23")
    yield "2026-11-23", "renamed"
    rename_record(root / "2026-11-23", "2026-11-23")
    yield "2026-11-23", "was not built on the last Snapshot"
    shutil.rmtree(root / "2026-11-23")
    shutil.copytree(root / DATES[0], root / "2026-11-01")
    rename_record(root / "2026-11-01", "2026-11-01")
    yield "2026-11-01", "not newer than 2026-11-22"


def rename_record(path: Path, name: str) -> None:
    file = path / "snapshot.json"
    record = msgspec.json.decode(file.read_bytes())
    file.chmod(0o644)
    file.write_bytes(msgspec.json.encode({**record, "name": name}))


def test_a_snapshot_that_no_run_has_made_is_not_adopted(archive: Archive) -> None:
    for name, words in strangers(archive):
        with pytest.raises(CorruptArchiveError, match=words) as caught:
            Night(archive, "2026-11-24").run(REPORTS)
        assert name in str(caught.value)
        assert len(load_ledger(archive.root).lines) == 3


def test_a_snapshot_that_was_altered_before_its_line_is_not_adopted(archive: Archive) -> None:
    cut(archive, "append")
    info = archive.root / "2026-11-23" / "bag-info.txt"
    info.chmod(0o644)
    info.write_bytes(b"Harvester-Complete: yes\n")
    with pytest.raises(CorruptArchiveError, match=r"bag-info\.txt is not what"):
        recover(Store(archive.root, Disk()))


def test_two_snapshots_without_lines_are_not_adopted(archive: Archive) -> None:
    lines = (archive.root / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    (archive.root / "ledger.jsonl").write_bytes(lines[0])
    with pytest.raises(CorruptArchiveError, match="no line in the Ledger"):
        recover(Store(archive.root, Disk()))
    assert (archive.root / "ledger.jsonl").read_bytes() == lines[0]


def test_a_lost_ledger_is_not_started_over(archive: Archive) -> None:
    (archive.root / "ledger.jsonl").unlink()
    with pytest.raises(CorruptArchiveError, match="restore ledger"):
        recover(Store(archive.root, Disk()))
