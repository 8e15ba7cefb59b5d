"""The pace as processes share it: what is kept, how it ages, and what is not believed."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest

from harvester.api.pace_file import (
    Clocks,
    MemoryPace,
    PaceFile,
    PaceState,
    find_store,
    pace_file_name,
)

HELD = PaceState(full_in_s=2.0, held_for_s=60.0, limit_per_min=30.0)


@dataclass
class Machine:
    """A machine's clocks, which the test moves."""

    uptime_s: float = 1000.0
    wall_s: float = 1.7e9
    boot: str = "first"

    def clocks(self) -> Clocks:
        return Clocks(lambda: self.uptime_s, lambda: self.wall_s, self.boot)

    def read(self, path: Path) -> PaceState | None:
        """What a process that begins now finds; nothing is changed by it."""
        found: list[PaceState | None] = []

        def look(state: PaceState | None) -> PaceState:
            found.append(state)
            return state or PaceState()

        assert PaceFile(path, self.clocks()).update(look)
        return found[0]

    def write(self, path: Path, state: PaceState) -> None:
        assert PaceFile(path, self.clocks()).update(lambda _: state)


def test_what_one_process_writes_the_next_one_finds_with_the_time_since_taken_off(tmp_path: Path) -> None:
    machine, path = Machine(), tmp_path / "pace"
    assert machine.read(path) is None
    machine.write(path, HELD)
    machine.uptime_s += 1.5
    assert machine.read(path) == PaceState(full_in_s=0.5, held_for_s=58.5, limit_per_min=30.0)
    machine.uptime_s += 100
    assert machine.read(path) == PaceState(limit_per_min=30.0)


@pytest.mark.parametrize("jump_s", [-1e9, -3600.0, 3600.0, 1e9])
def test_setting_the_clock_changes_nothing_while_the_machine_runs(tmp_path: Path, jump_s: float) -> None:
    machine, path = Machine(), tmp_path / "pace"
    machine.write(path, HELD)
    machine.wall_s += jump_s
    machine.uptime_s += 10.0
    found = machine.read(path)
    assert found is not None
    assert found.held_for_s == 50.0


@pytest.mark.parametrize(("passed_s", "left_s"), [(20.0, 40.0), (100.0, 0.0), (-500.0, 60.0)])
@pytest.mark.parametrize("boot", ["second", ""])
def test_after_a_restart_the_wall_clock_counts_and_one_that_was_set_back_shortens_nothing(
    tmp_path: Path, passed_s: float, left_s: float, boot: str
) -> None:
    machine, path = Machine(), tmp_path / "pace"
    machine.write(path, HELD)
    machine.boot, machine.uptime_s, machine.wall_s = boot, 5.0, machine.wall_s + passed_s
    found = machine.read(path)
    assert found is not None
    assert found.held_for_s == left_s


GOOD = {"state": {"held_for_s": 60.0}, "boot": "first", "uptime_s": 1000.0, "wall_s": 1.7e9, "format": 1}


@pytest.mark.parametrize(
    "content",
    [
        b" ",
        b"\x00" * 512,
        b"not JSON",
        json.dumps(GOOD).encode()[:-5],
        json.dumps(GOOD | {"format": 2}).encode(),
        json.dumps(GOOD | {"boot": "x" * 65}).encode(),
        json.dumps(GOOD | {"state": {"held_for_s": -1.0}}).encode(),
        json.dumps(GOOD | {"state": {"full_in_s": 1e300}}).encode(),
        json.dumps(GOOD | {"state": {"limit_per_min": 0}}).encode(),
        json.dumps(GOOD | {"uptime_s": float("nan")}).encode(),
        json.dumps(GOOD).encode().ljust(513),
        b"[" * 100_000,
    ],
)
def test_what_is_not_understood_is_said_to_be_unknown_and_is_replaced(tmp_path: Path, content: bytes) -> None:
    machine, path = Machine(), tmp_path / "pace"
    path.write_bytes(content)
    assert machine.read(path) == PaceState(unknown=True)
    machine.write(path, HELD)
    assert path.stat().st_size == 512
    assert machine.read(path) == HELD


def test_the_file_is_private_and_names_nobody(tmp_path: Path) -> None:
    name = pace_file_name(123456, "https://www.quantconnect.com/api/v2/")
    assert name == pace_file_name(123456, "https://www.quantconnect.com/api/v2")
    assert name != pace_file_name(123457, "https://www.quantconnect.com/api/v2")
    assert "123456" not in name
    path = tmp_path / "state" / "pace" / name
    before = os.umask(0)
    try:
        assert find_store([path]).problem == ""
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_while_another_process_is_at_it_nothing_is_changed(tmp_path: Path) -> None:
    machine, path = Machine(), tmp_path / "pace"
    machine.write(path, HELD)
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert not PaceFile(path, machine.clocks()).update(lambda _: PaceState())
    assert machine.read(path) == HELD


def test_the_first_place_that_can_be_written_is_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    bad = [tmp_path / "file" / "pace", tmp_path / "link"]
    found = find_store([*bad, tmp_path / "archive.pace"])
    assert (isinstance(found.store, PaceFile), found.problem) == (True, "")
    assert (tmp_path / "archive.pace").exists()
    assert not (tmp_path / "elsewhere").exists()
    alone = find_store(bad)
    assert isinstance(alone.store, MemoryPace)
    assert all(str(path) in alone.problem for path in bad)
    assert find_store([]).problem
