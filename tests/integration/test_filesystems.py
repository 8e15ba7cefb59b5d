"""Nights on file systems that lack what ext4 has; each is a real one in an image file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import anyio.to_thread
import pytest
from support.builders import TOKEN, USER_ID, make_backtests, make_scenario
from support.cli import Done, harvester_beside
from support.filesystems import EXFAT, FEW_INODES, VFAT, mounted

from harvester.archive import Archive
from harvester.simulator import ProjectSpec, Scenario, Simulator

BACKTESTS = (
    *make_backtests(2),
    *make_backtests(1, first=3, name="한" * 90),
    *make_backtests(1, first=4, name="CON: A/B?"),
)
SCENARIO = Scenario(
    projects=(
        ProjectSpec(project_id=101, name="aux", backtests=BACKTESTS[:2]),
        ProjectSpec(project_id=102, name="AUX", backtests=BACKTESTS[2:]),
    ),
    drawing=make_scenario().drawing,
)


class Nights:
    """Commands on one archive, against one simulator."""

    def __init__(self, simulator: Simulator, root: Path, cwd: Path) -> None:
        self.simulator = simulator
        self.root = root
        self._cwd = cwd

    async def call(self, *words: str, code: int = 0) -> Done:
        environ = {
            "HARVESTER_API_BASE_URL": self.simulator.base_url,
            "QC_USER_ID": str(USER_ID),
            "QC_API_TOKEN": TOKEN,
            "HARVESTER_PACE_RATE_PER_MIN": "60000",
            "HARVESTER_PACE_BURST": "10",
        }
        done = await harvester_beside(*words, "--archive", str(self.root), cwd=self._cwd, environ=environ)
        assert done.code == code, f"{words}: {done.out}{done.err}"
        return done


@pytest.fixture(params=[EXFAT, VFAT], ids=lambda kind: kind.name)
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system without links and permissions, on which case does not count."""
    with mounted(request.param, tmp_path) as root:
        yield root


async def test_nights_on_a_file_system_without_links_and_permissions(bare: Path, tmp_path: Path) -> None:
    async with Simulator(SCENARIO) as simulator:
        nights = Nights(simulator, bare / "archive", tmp_path)
        first = await nights.call("run")
        assert "has no symbolic links" in first.err
        for words in (["verify"], ["run"], ["verify"], ["prune", "--keep-daily", "1", "--yes"]):
            assert "symbolic" not in (await nights.call(*words)).err
        simulator.account.add_backtest(101, make_backtests(1, first=9)[0])
        simulator.account.rename_project(102, "Aux 2")
        await nights.call("run")
        await nights.call("verify")
        await nights.call("catalog", "rebuild")
        await nights.call("export", "latest", "--to", str(bare / "export"))
    await anyio.to_thread.run_sync(check_newest, bare / "archive")


def check_newest(root: Path) -> None:
    newest = Archive.open(root).newest()
    assert newest is not None
    assert (root / "latest").read_text() == f"{newest.name}\n"
    assert newest.record().link_mode == "copy"
    assert sum(entry.archived for entry in newest.inventory()) == 5


async def test_doctor_names_what_such_a_file_system_lacks(bare: Path, tmp_path: Path) -> None:
    async with Simulator(SCENARIO) as simulator:
        done = await Nights(simulator, bare / "archive", tmp_path).call("doctor", "--json")
    warnings = " ".join(check["text"] for check in done.document()["checks"] if check["status"] == "warning")
    for lack in ("hard links", "symbolic links", "permissions"):
        assert lack in warnings
    assert [path.name for path in bare.iterdir()] == []


async def test_an_altered_file_is_found_there_too(bare: Path, tmp_path: Path) -> None:
    async with Simulator(SCENARIO) as simulator:
        nights = Nights(simulator, bare / "archive", tmp_path)
        await nights.call("run")
        report = next((bare / "archive").rglob("report.html"))
        report.write_bytes(report.read_bytes().replace(b"e", b"a", 1))
        said = await nights.call("verify", code=20)
        assert "1 problem" in said.out


async def test_inodes_that_run_out_are_not_called_a_full_disk(tmp_path: Path) -> None:
    """Each night takes two inodes a backtest; the default of ext4 has one for 16 kB."""
    with mounted(FEW_INODES, tmp_path) as root:
        async with Simulator(make_scenario(make_backtests(20))) as simulator:
            nights = Nights(simulator, root / "archive", tmp_path)
            said = await nights.call("run", code=16)
            assert "no inode left for another file" in said.err
            assert re.search(r"with \d+ MB free. Remove old Snapshots", said.err)
            assert "the disk is full" not in said.err
            doctor = await nights.call("doctor", "--json", code=16)  # not even its own probe has room
            (inodes,) = [check for check in doctor.document()["checks"] if check["name"] == "inodes"]
            assert (inodes["status"], "inodes free" in inodes["text"]) == ("warning", True)
