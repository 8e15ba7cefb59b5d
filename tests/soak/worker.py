"""A process that runs, verifies and prunes, night after night: what a crontab does in many, in one."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import msgspec
from support.builders import USER_ID, make_credentials, make_settings

from harvester.api.pace import limiter_for
from harvester.api.retry import Backoff
from harvester.archive import Archive
from harvester.audit import Retention, plan_prune, prune_snapshots, update_catalog, verify_archive
from harvester.config.settings import Settings
from harvester.harvest.compose import open_run
from harvester.model import Learned, account_fingerprint
from harvester.operate import Observers, open_journal
from harvester.site import write_pages
from harvester.text import Duration

WORKERS = 4
RETENTION = Retention(within=timedelta(days=30), weekly=8, monthly=24)
"""What the README recommends."""


class Order(msgspec.Struct, frozen=True):
    """One thing to do: `run`, `verify` or `prune`."""

    what: str
    at: datetime
    base_url: str = ""
    """Of the server, for a run."""
    names: list[str] = []
    """Snapshots to verify; none: all."""


class Vitals(msgspec.Struct, frozen=True):
    """What must not grow in a process that lives long."""

    fds: int
    threads: int
    blocks: int
    """Of memory in use by Python's own objects: exact, which the size in RAM is not."""
    rss_mb: float


class Done(msgspec.Struct, frozen=True):
    """How it came out."""

    vitals: Vitals
    seconds: float = 0.0
    snapshot: str = ""
    ending: str = ""
    problems: list[str] = []
    pruned: int = 0
    refused: int = 0


class Worker:
    """Does what it is told with one Archive."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def do(self, order: Order) -> Done:
        started = time.monotonic()
        done = {"run": self._run, "verify": self._verify, "prune": self._prune}[order.what](order)
        return msgspec.structs.replace(done, vitals=vitals(), seconds=time.monotonic() - started)

    def _run(self, order: Order) -> Done:
        archive = Archive.create_or_open(self._root, account=account_fingerprint(USER_ID))
        with archive.lock(command="run", wait_s=0):
            done = anyio.run(_run_once, archive, order)
            update_catalog(archive)
        return done

    def _verify(self, order: Order) -> Done:
        archive = Archive.open(self._root)
        problems = verify_archive(archive, [archive.snapshot(name) for name in order.names] or None)
        return Done(_UNKNOWN, problems=[str(problem) for problem in problems])

    def _prune(self, order: Order) -> Done:
        archive = Archive.open(self._root)
        with archive.lock(command="prune", wait_s=0):
            archive.recover()
            plan = plan_prune(archive, order.at.date(), RETENTION)
            prune_snapshots(archive, plan.remove, at=order.at.strftime("%Y-%m-%dT%H:%M:%SZ"))
        return Done(_UNKNOWN, pruned=len(plan.remove), refused=len(plan.refused))


async def _run_once(archive: Archive, order: Order) -> Done:
    """The main job with the parts that the command line gives it, on the date of the order."""
    now = order.at.replace(tzinfo=UTC)
    settings = _settings(order.base_url, archive.root)
    newest = archive.newest()
    learned = newest.record().learned if newest else Learned()
    limiter = limiter_for(settings.pace, limit_per_min=learned.rate_per_min)
    observers = Observers()
    backoff = Backoff(first_s=0.005, most_s=0.01)
    async with open_run(
        archive,
        settings,
        make_credentials(),
        observer=observers,
        limiter=limiter,
        backoff=backoff,
        pages=write_pages,
        journal=lambda path: _journal(path, observers),
        now=lambda: now,
    ) as run:
        result = await run.execute()
    assert result.record is not None
    return Done(_UNKNOWN, snapshot=result.path.name, ending=result.record.ending)


@asynccontextmanager
async def _journal(path: Path, observers: Observers) -> AsyncIterator[None]:
    stamp = lambda: datetime.now(UTC).isoformat(timespec="milliseconds")  # noqa: E731
    async with open_journal(path, stamp=stamp) as journal:
        with observers.joined(journal):
            yield


def _settings(base_url: str, root: Path) -> Settings:
    """Patient for as long as the scaled server needs; so fast that a halved rate is still fast."""
    return make_settings(
        base_url,
        root,
        api={"max_body_mb": 2},
        pace={"rate_per_min": 6_000_000, "workers": WORKERS, "pause": Duration(0.01)},
        reports={"deadline": Duration(0.5)},
    )


_UNKNOWN = Vitals(0, 0, 0, 0.0)


def vitals() -> Vitals:
    """What this process holds at the moment; what malloc was given back and keeps is not held."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    fds = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    rss_mb = round(int(status["VmRSS"].split()[0]) / 1024, 1)
    return Vitals(fds, int(status["Threads"]), sys.getallocatedblocks(), rss_mb)


def main() -> None:
    """Say what is held before anything is done, then take orders until stdin ends."""
    worker = Worker(Path(sys.argv[1]))
    _say(Done(vitals()))
    for line in sys.stdin.buffer:
        _say(worker.do(msgspec.json.decode(line, type=Order)))


def _say(done: Done) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(done) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
