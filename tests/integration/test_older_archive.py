"""An archive of version 0.1.0 opens, verifies, is carried and pruned by this one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import anyio.to_thread
import bagit
from support.builders import USER_ID, make_backtests, make_scenario
from support.nights import Nights
from support.older import make_older

from harvester.simulator import Simulator


async def test_an_archive_of_an_older_version_is_verified_carried_and_pruned(tmp_path: Path) -> None:
    async with Simulator(make_scenario(make_backtests(3))) as simulator:
        nights = Nights(simulator, tmp_path / "archive")
        for _ in range(2):
            assert (await nights.run()).code == 0
        await anyio.to_thread.run_sync(make_older, nights.root, USER_ID)
        await anyio.to_thread.run_sync(_judge, nights)

        old = await nights.call("verify")
        assert (old.code, old.err.count("the catalog was written by another version")) == (0, 1)
        simulator.account.add_backtest(101, make_backtests(1, first=9)[0])
        assert (await nights.run()).code == 0
        assert nights.record().counts["carried"] == 3
        assert nights.record().account == nights.record(nights.names()[0]).account
        assert (await nights.call("verify")).err == ""
        assert (await nights.call("history", "0" * 8)).code == 0
        assert (await nights.call("prune", "--keep-daily", "1", "--yes")).code == 0
        assert len(nights.names()) == 1
        assert (await nights.call("verify")).code == 0
        await anyio.to_thread.run_sync(_judge, nights)


def _judge(nights: Nights) -> None:
    """Two judges that are not ours accept every Snapshot."""
    for name in nights.names():
        bagit.Bag(str(nights.root / name)).validate()
        for manifest in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
            subprocess.run(["sha256sum", "--check", "--quiet", manifest], cwd=nights.root / name, check=True)
