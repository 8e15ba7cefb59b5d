from __future__ import annotations

from pathlib import Path

import pytest
from support.archives import Report
from support.values import make_entry

from harvester.errors import CorruptArchiveError, DiskError
from harvester.format.inventory import load_inventory, load_projects, render_entry
from harvester.model import InventoryEntry, Outcome
from harvester.secrets import hide


def entry(number: int, **fields: str) -> InventoryEntry:
    return Report(backtest_id=f"{number:032x}").entry(Outcome.SAVED, **fields)


def write(path: Path, *lines: bytes) -> Path:
    path.write_bytes(b"".join(lines))
    return path


def test_entries_are_read_back_in_order(tmp_path: Path) -> None:
    entries = [entry(1), entry(2, path="data/p_1/b_2"), entry(3, reason="line\nbreak \u2028")]
    assert list(load_inventory(write(tmp_path / "i", *map(render_entry, entries)))) == entries


def test_secrets_are_masked_in_free_texts_and_no_name_is_changed(tmp_path: Path) -> None:
    hide("CANARY-inventory")
    secret = entry(1, error="at CANARY-inventory", reason="CANARY-inventory", status="CANARY-inventory")
    (found,) = load_inventory(write(tmp_path / "i", render_entry(secret)))
    assert (found.error, found.reason, found.status) == ("at ***", "***", "CANARY-inventory")


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (render_entry(entry(1)), "out of order"),
        (render_entry(entry(0)), "out of order"),
        (render_entry(entry(2))[:-1], "truncated"),
        (b"{}\n", "damaged"),
        (b"\n", "damaged"),
        (b'{"a":' * 5000 + b"\n", "damaged"),
        (render_entry(entry(2, path="../../etc")), "which no report has"),
        (render_entry(entry(2, path="data/p/../../../x")), "which no report has"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, second: bytes, words: str) -> None:
    path = write(tmp_path / "inventory.jsonl", render_entry(entry(1)), second)
    with pytest.raises(CorruptArchiveError, match=rf"inventory\.jsonl:2.*{words}"):
        list(load_inventory(path))


def test_a_line_without_end_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "i"
    with path.open("wb") as file:
        file.truncate(64 * 2**20)
    with pytest.raises(CorruptArchiveError, match="truncated"):
        list(load_inventory(path))


def test_a_disk_that_fails_while_a_line_is_read_is_named() -> None:
    with pytest.raises(DiskError, match=r"/proc/self/mem cannot be read: Input/output error"):
        list(load_inventory(Path("/proc/self/mem")))


def test_the_entries_of_a_large_project_stay_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harvester.format.inventory.AT_ONCE", 2)
    entries = [
        make_entry(name, project_id=project_id, tags=("ü",)) for project_id in (1, 2, 3) for name in "abc"
    ]
    del entries[4:6]  # of the second project one is left
    path = tmp_path / "inventory.jsonl"
    path.write_bytes(b"".join(map(render_entry, entries)))
    found = list(load_projects(path))
    assert [isinstance(each, list) for _, each in found] == [False, True, False]
    for _ in range(2):
        assert {n: list(each) for n, each in found} == {
            1: entries[:3], 2: entries[3:4], 3: entries[4:],
        }  # fmt: skip
    assert [len(each) for _, each in found] == [3, 1, 3]
