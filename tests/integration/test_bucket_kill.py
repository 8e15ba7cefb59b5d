"""Pushes that are killed at an operation of the store: nobody sees half a Snapshot, the next push goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.buckets import check_same, look, make_archive
from support.object_store import PLAIN, Server, SteppingStore

from harvester.archive import Archive
from harvester.bucket.findings import Finding
from harvester.bucket.push import Push, PushSettings

_AT_ONCE = 2


def _push_and_die(server: Server, url: str, archive: Path, dies_at: int, when: str) -> int:
    words = ["-m", "support.bucket_child", server.endpoint, url, archive, dies_at, when]
    command = [sys.executable, *map(str, words)]
    tests = Path(__file__).parents[1]
    return subprocess.run(command, cwd=tests, check=False, capture_output=True).returncode


def _steps(server: Server, archive: Archive) -> int:
    store = SteppingStore(server.options())
    Push(store, archive, PushSettings(at_once=_AT_ONCE)).run()
    return store.steps


def kill_and_push_again(server: Server, archive: Archive, dies_at: int, when: str, target: Path) -> None:
    """Kill one push at an operation, look at the Bucket, push again, and look at everything."""
    address = server.address(PLAIN)
    assert _push_and_die(server, address.url, archive.root, dies_at, when) == -signal.SIGKILL
    store = SteppingStore(server.options(address))
    seen = look(store, read=(1, 1))  # what can be seen is whole
    damage = [str(item) for item in seen.problems if item.is_damage]
    assert damage in ([], ["lease.json is missing"]), (dies_at, when)
    there = {info.key for info in store.list("reports")}
    store.log.clear()
    Push(store, archive, PushSettings(at_once=_AT_ONCE)).run()
    twice = [key for step, key in store.log if step == "create" and key in there]
    assert len(twice) <= _AT_ONCE, (dies_at, when)
    left = look(store, archive, read=(1, 1)).problems
    assert [item for item in left if not item.key.startswith("snapshots/")] == [], (dies_at, when)
    assert [item.finding for item in left] in ([], [Finding.UNNAMED]), (dies_at, when)
    check_same(store, archive, target)


def test_a_push_killed_at_any_operation_leaves_a_bucket_that_the_next_completes(
    s3_server: Server, tmp_path: Path
) -> None:
    archive = make_archive(tmp_path / "a")
    for dies_at in range(1, _steps(s3_server, archive) + 1):
        when = "before" if dies_at % 2 else "after"
        kill_and_push_again(s3_server, archive, dies_at, when, tmp_path / f"b{dies_at}")


@pytest.mark.soak
def test_a_push_killed_before_or_after_any_operation(s3_server: Server, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a", nights=3)
    for dies_at in range(1, _steps(s3_server, archive) + 1):
        for when in ("before", "after"):
            kill_and_push_again(s3_server, archive, dies_at, when, tmp_path / f"b{dies_at}-{when}")
