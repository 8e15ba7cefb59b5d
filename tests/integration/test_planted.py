"""Links and pipes planted in an Archive: replaced or refused, never written through, never waited for."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import anyio.to_thread
import pytest
from support.builders import Asked, make_backtests, make_scenario, run_against

from harvester.archive import Archive
from harvester.audit import update_catalog, verify_archive
from harvester.errors import ArchiveError
from harvester.simulator import Simulator
from harvester.site import write_pages

FIRST, SECOND = "2026-11-22", "2026-11-23"
PARTIAL = f".{SECOND}.partial"
PROJECT = f"{FIRST}/data/project-1_101"
REPORT = f"{PROJECT}/backtest-1_{1:032x}"
GOES_ON = {
    "latest", "catalog.sqlite", "catalog.sqlite-journal", ".catalog.sqlite.part", ".harvester.lock.owner",
    "..harvester.lock.owner.part", ".latest.part", SECOND, f"{PARTIAL}/.run", f"{PARTIAL}/.run/partial.json",
    f"{PARTIAL}/data", f"{PARTIAL}/data/project-1_101", f"{PARTIAL}/journal.jsonl", f"{PARTIAL}/site",
    f"{FIRST}/site", f"{FIRST}/index.html", f"{FIRST}/manifest-sha256.txt", f"{REPORT}/report.html",
    f"{FIRST}/snapshot.json", f"{FIRST}/inventory.jsonl", f"{FIRST}/tagmanifest-sha256.txt",
    f"{FIRST}/data", PROJECT, REPORT, f"{REPORT}/images",
}  # fmt: skip
"""A run does not need what was there, or leaves it as it is for `verify` to find."""
STOPS = {
    "harvester.json", "ledger.jsonl", PARTIAL, FIRST,
}  # fmt: skip
"""A run cannot do without it, or nothing can stand in its place."""
EITHER = {".harvester.lock"}
"""A pipe can be locked as well as a file."""


def plant_link(path: Path, outside: Path) -> None:
    """A link to what was there, or to an empty file."""
    target = outside / "target"
    if os.path.lexists(path):
        path.rename(target)
    else:
        target.touch()
    path.symlink_to(target)


def plant_dangling(path: Path, outside: Path) -> None:
    _remove(path)
    path.symlink_to(outside / "target")


def plant_pipe(path: Path, _: Path) -> None:
    _remove(path)
    os.mkfifo(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def contents(directory: Path) -> dict[str, tuple[int, bytes]]:
    """Everything below a directory: kind and permissions, and bytes."""
    return {
        path.relative_to(directory).as_posix(): (
            path.lstat().st_mode,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in directory.rglob("*")
    }


@contextmanager
def never_waited_for(path: Path) -> Iterator[None]:
    """Lets go of who waits at the other end of a planted pipe, and fails the test for it."""
    waited = []

    def let_go() -> None:
        waited.append(path)
        with suppress(OSError):
            os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))

    timer = threading.Timer(30, let_go)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    assert not waited


async def run_on(root: Path, date: str) -> None:
    """One night of the main job, with its pages and the catalog."""

    def index() -> None:
        with suppress(ArchiveError):  # it is derived, so a run goes on without it
            update_catalog(Archive.open(root))

    now = datetime.fromisoformat(f"{date}T03:00:00").replace(tzinfo=UTC)
    async with Simulator(make_scenario(make_backtests(2))) as simulator:
        await run_against(simulator, root, Asked(now=lambda: now, pages=write_pages, refresh_days=0))
    await anyio.to_thread.run_sync(index)


async def goes_on(root: Path) -> bool:
    """Whether the next night ends with a Snapshot, and not with an error that says why not."""
    stopped = False
    try:
        await run_on(root, SECOND)
    except* ArchiveError:
        stopped = True
    return not stopped


def make_partial(root: Path) -> None:
    """What a run that was cut off leaves behind."""
    (root / PARTIAL / ".run" / "listing").mkdir(parents=True)
    (root / PARTIAL / "data" / "project-1_101").mkdir(parents=True)
    account = Archive.open(root).account
    state = f'{{"format":1,"account":"{account}","run_id":"r","started":"{SECOND}T03:00:00Z"}}'
    (root / PARTIAL / ".run" / "partial.json").write_text(state)


@pytest.mark.parametrize("plant", [plant_link, plant_dangling, plant_pipe])
@pytest.mark.parametrize("name", sorted(GOES_ON | STOPS | EITHER))
async def test_what_is_planted_is_replaced_or_refused_and_nothing_outside_changes(
    tmp_path: Path, name: str, plant: Callable[[Path, Path], None]
) -> None:
    root, outside = tmp_path / "archive", tmp_path / "outside"
    await run_on(root, FIRST)

    def prepare() -> dict[str, tuple[int, bytes]]:
        outside.mkdir()
        (outside / "neighbour").write_bytes(b"mine")
        if name.startswith(f"{PARTIAL}/"):
            make_partial(root)
        plant(root / name, outside)
        return contents(outside)

    before = await anyio.to_thread.run_sync(prepare)
    with never_waited_for(root / name):
        went_on = await goes_on(root)
        assert name in EITHER or went_on == (name in GOES_ON)
        await anyio.to_thread.run_sync(_verify_if_it_is_one, root, name)
    assert await anyio.to_thread.run_sync(contents, outside) == before


def _verify_if_it_is_one(root: Path, name: str) -> None:
    """What stands within a Snapshot is found; what a run has replaced is no longer there to be found."""
    try:
        problems = verify_archive(Archive.open(root))
    except ArchiveError:
        assert name == "harvester.json"
        return
    expected = name.startswith(FIRST) or name in {SECOND, "ledger.jsonl"}
    assert bool(problems) == expected, problems
