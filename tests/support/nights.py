"""Nights over the command line: one simulated account, one archive, and what somebody does to it between."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from harvester.app.exits import code_of_ending
from harvester.model import InventoryEntry, SnapshotRecord
from harvester.simulator import Simulator
from support.builders import TOKEN, USER_ID, Asked, Watcher, run_against
from support.cli import Done, harvester_beside

MANIFEST, TAGMANIFEST, INVENTORY = "manifest-sha256.txt", "tagmanifest-sha256.txt", "inventory.jsonl"


@dataclass(frozen=True)
class Nights:
    """The commands of one user on one archive."""

    simulator: Simulator
    root: Path

    async def call(self, *words: str) -> Done:
        """One command on this archive, quick and patient for fractions of a second."""
        environ = {
            "HARVESTER_API_BASE_URL": self.simulator.base_url,
            "HARVESTER_API_TRIES": "1",
            "HARVESTER_PACE_BURST": "10",
            "HARVESTER_PACE_PAUSE": "50ms",
            "HARVESTER_PACE_RATE_PER_MIN": "60000",
            "HARVESTER_REPORTS_DEADLINE": "2s",
            "HARVESTER_REPORTS_FIRST_POLL": "50ms",
            "HARVESTER_REPORTS_RETRY_AFTER": "20ms",
            "HARVESTER_REPORTS_TRIES": "1",
            "QUANTCONNECT_API_TOKEN": TOKEN,
            "QUANTCONNECT_USER_ID": str(USER_ID),
        }
        return await harvester_beside(*words, "--archive", self.root, cwd=self.root.parent, environ=environ)

    async def run(self, *options: str) -> Done:
        """One night."""
        return await self.call("run", *options)

    async def night(self, **asked: Any) -> tuple[int, Watcher]:
        """One night in this process, which is quicker; its exit code, and everything that it told."""
        watcher = Watcher()
        result = await run_against(self.simulator, self.root, Asked(watcher=watcher, **asked))
        assert result.record is not None
        return code_of_ending(result.record.ending).value, watcher

    def names(self) -> list[str]:
        """The Snapshots, oldest first; all are of one date, or in the order of their names."""
        found = [path.name for path in self.root.iterdir() if path.is_dir() and path.name[0] == "2"]
        return sorted(found, key=lambda name: (name[:10], int(name[11:] or 1)))

    def record(self, name: str = "") -> SnapshotRecord:
        """The record of a Snapshot, of the newest one unless it is named."""
        path = self.root / (name or self.names()[-1]) / "snapshot.json"
        return msgspec.json.decode(path.read_bytes(), type=SnapshotRecord)

    def entries(self, name: str = "") -> dict[str, InventoryEntry]:
        """The Inventory of a Snapshot by backtest id."""
        lines = (self.root / (name or self.names()[-1]) / INVENTORY).read_bytes().splitlines()
        found = [msgspec.json.decode(line, type=InventoryEntry) for line in lines]
        return {entry.backtest_id: entry for entry in found}

    def asked_for(self, since: int) -> set[str]:
        """The backtests of which a report was requested, from the request of that number on."""
        requests = self.simulator.requests[since:]
        return {item.backtest_id for item in requests if item.route == "backtests/read/report"}


def edit(path: Path, before: bytes, after: bytes) -> None:
    """Replace bytes of a committed file, by a new file of the same name, as an editor does it."""
    content = path.read_bytes()
    assert before in content, f"{path} does not hold {before[:80]!r}"
    put(path, content.replace(before, after, 1))


def put(path: Path, content: bytes) -> None:
    """Give a committed file other bytes; what is linked to it elsewhere keeps its own."""
    path.unlink()
    path.write_bytes(content)
    path.chmod(0o444)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
