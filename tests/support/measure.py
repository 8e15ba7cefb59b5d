"""Measures against a peer in the same run: medians of turns taken one after the other."""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from harvester.archive import Archive, Carried, Disk, Fresh
from harvester.harvest.decision import Decision, FetchReport
from harvester.model import Backtest, BacktestState, Ending, InventoryEntry, Outcome, Project, SnapshotRecord
from harvester.text import Duration
from support.archives import STARTED, Night, Report, make_reports, open_archive

FULL = os.environ.get("BENCH") == "full"
"""Whether the sizes of the goals are wanted; otherwise a tenth or less, in seconds instead of minutes."""


class UnsyncedDisk(Disk):
    """Does not wait for the disk; for making large Archives that nobody needs after a power cut."""

    def write(self, path: Path, content: bytes, *, sync: bool = True) -> None:
        super().write(path, content, sync=False)

    def sync_dir(self, path: Path) -> None:
        pass


def make_archive(root: Path, reports: Sequence[Report]) -> Archive:
    """An Archive with one Snapshot of these reports; the memory it takes does not grow with them."""
    archive = open_archive(root, UnsyncedDisk())
    by_project: dict[int, list[Report]] = {}
    for report in reports:
        by_project.setdefault(report.project_id, []).append(report)
    with archive.lock(command="bench", wait_s=0):
        partial = archive.begin(date="2026-11-01", run_id="bench", started=STARTED)
        for project_id, group in sorted(by_project.items()):
            for report in group:
                record = report.record("bench")
                partial.save_report(record, report.html, report.offline, report.pictures)
            group.sort(key=lambda report: report.key)
            partial.fill(project_id, [Fresh(report.entry(Outcome.SAVED)) for report in group])
        partial.commit(make_record())
    archive.disk = Disk()
    return archive


def make_record() -> SnapshotRecord:
    return SnapshotRecord(
        name="",
        run_id="bench",
        account="4f1d2c3b5a697887",
        version="0",
        started=STARTED,
        finished=STARTED,
        complete=True,
        ending=Ending.OK,
        listed=0,
        counts={},
    )


def carry_all(root: Path, date: str) -> dict[str, float]:
    """A night with nothing new, as far as the archive goes; seconds and peak memory."""
    archive = open_archive(root)
    started = time.perf_counter()
    with archive.lock(command="bench", wait_s=0):
        partial = archive.begin(date=date, run_id=date, started=STARTED)
        assert partial.previous is not None
        for project_id, entries in partial.previous.projects():
            partial.fill(project_id, [Carried(entry, entry) for entry in entries])
        partial.commit(make_record())
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "peak_mb": peak_mb()}


def plan_all(root: Path, date: str) -> dict[str, float]:
    """A night with nothing new from the listing to the commit, without the API; seconds and peak memory."""
    from harvester.config.selection import Selection
    from harvester.config.settings import FilterSettings
    from harvester.harvest.place import Filler, previous_entries
    from harvester.harvest.plan import Listing, Policy, plan_account

    archive = open_archive(root)
    policy = Policy(Selection(FilterSettings()), now=datetime(2026, 12, 1, tzinfo=UTC))
    started = time.perf_counter()
    with archive.lock(command="bench", wait_s=0):
        partial = archive.begin(date=date, run_id=date, started=STARTED)
        assert partial.previous is not None
        projects = set()
        for project_id, entries in partial.previous.projects():
            project = Project(project_id, entries[0].project)
            partial.save_listing(project, [_as_listed(entry) for entry in entries])
            projects.add(project_id)
        listing = Listing(projects, partial.load_listing, unread={}, orphans={})

        def plan() -> Iterator[tuple[int, list[Decision]]]:
            return plan_account(listing, previous_entries(partial.previous), policy)

        requests = sum(isinstance(decision, FetchReport) for _, decisions in plan() for decision in decisions)
        assert requests == 0, requests
        filler = Filler(partial, {}, SimpleNamespace(notify=lambda event: None), lambda: STARTED)
        record = filler.fill(plan(), make_record())
        partial.commit(record)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "peak_mb": peak_mb()}


def _as_listed(entry: InventoryEntry) -> Backtest:
    """The row that the API would list for it again."""
    return Backtest(
        project_id=entry.project_id,
        backtest_id=entry.backtest_id,
        name=entry.name,
        created=entry.created,
        status="Completed.",
        state=BacktestState.FINISHED,
        statistics=entry.statistics,
        change_key=entry.change_key,
        row={"backtestId": entry.backtest_id, "name": entry.name, "note": "x" * 200, **entry.statistics},
    )


def verify_all(root: Path) -> dict[str, float]:
    """Verify the newest Snapshot; seconds and peak memory."""
    from harvester.audit import verify_archive

    archive = Archive.open(root)
    started = time.perf_counter()
    problems = verify_archive(archive, [archive.snapshot("latest")])
    seconds = time.perf_counter() - started
    assert not [
        problem for problem in problems if problem.path != "snapshot.json"
    ]  # the record counts nothing
    return {"seconds": seconds, "peak_mb": peak_mb()}


def push_all(root: Path, endpoint: str, url: str) -> dict[str, float]:
    """Push an Archive; seconds, bytes, requests and peak memory."""
    from harvester.bucket.address import parse_address
    from harvester.bucket.push import Push
    from support.object_store import Server

    store = Server(endpoint).store(parse_address(url))
    started = time.perf_counter()
    pushed = Push(store, Archive.open(root)).run()
    seconds = time.perf_counter() - started
    requests = pushed.requests
    return {
        "seconds": seconds,
        "bytes": pushed.sent_bytes,
        "put": requests.put,
        "list": requests.list,
        "get": requests.get,
        "peak_mb": peak_mb(),
    }


def verify_bucket(root: Path, endpoint: str, url: str) -> dict[str, float]:
    """Verify a Bucket by its listing; seconds, CPU seconds, requests and peak memory."""
    from harvester.bucket.address import parse_address
    from harvester.bucket.verify import Verify
    from support.object_store import Server

    store = Server(endpoint).store(parse_address(url))
    spent, started = sum(os.times()[:2]), time.perf_counter()
    found = Verify(store, archive=Archive.open(root)).run()
    seconds = time.perf_counter() - started
    assert [item for item in found.problems if "backtests" not in item.text] == []
    return {
        "seconds": seconds,
        "cpu_s": sum(os.times()[:2]) - spent,
        "list": store.requests.list,
        "get": store.requests.get,
        "peak_mb": peak_mb(),
    }


def make_dates(root: Path, count: str) -> dict[str, float]:
    """An Archive with so many Snapshots of 24 reports, one a day; the CPU seconds of the last run."""
    archive = open_archive(root, UnsyncedDisk())
    reports = make_reports(projects=4, each=6, images=1)
    spent = 0.0
    for number in range(int(count)):
        spent = sum(os.times()[:2])
        Night(archive, _day(number)).run(reports)
    return {"cpu_s": sum(os.times()[:2]) - spent}


def _day(number: int) -> str:
    return (date(2020, 1, 1) + timedelta(days=number)).isoformat()


def run_again(root: Path) -> dict[str, float]:
    """One more night with nothing new, the catalog after it included."""
    from harvester.audit import update_catalog

    archive = Archive.open(root)
    reports = make_reports(projects=4, each=6, images=1)
    with archive.lock(command="bench", wait_s=0):
        update_catalog(archive)
    number = len(archive.snapshots())
    spent, started = sum(os.times()[:2]), time.perf_counter()
    with archive.lock(command="bench", wait_s=0):
        Night(archive, _day(number)).run_locked(reports)
        update_catalog(archive)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "cpu_s": sum(os.times()[:2]) - spent, "peak_mb": peak_mb()}


def verify_dates(root: Path) -> dict[str, float]:
    """Verify all Snapshots, and that nothing is wrong."""
    from harvester.audit import verify_archive

    spent, started = sum(os.times()[:2]), time.perf_counter()
    assert verify_archive(Archive.open(root)) == []
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "cpu_s": sum(os.times()[:2]) - spent, "peak_mb": peak_mb()}


def prune_dates(root: Path, kept: str) -> dict[str, float]:
    """Remove all Snapshots but the newest ones."""
    from harvester.audit import Retention, plan_prune, prune_snapshots

    archive = Archive.open(root)
    spent, started = sum(os.times()[:2]), time.perf_counter()
    with archive.lock(command="bench", wait_s=0):
        plan = plan_prune(archive, date(2100, 1, 1), Retention(daily=int(kept)))
        planned_s = time.perf_counter() - started
        prune_snapshots(archive, plan.remove, at=STARTED)
    seconds = time.perf_counter() - started
    assert len(archive.snapshots()) == int(kept)
    return {
        "seconds": seconds,
        "planned_s": planned_s,
        "cpu_s": sum(os.times()[:2]) - spent,
        "peak_mb": peak_mb(),
    }


@contextmanager
def serving(backtests: int, projects: int, size_bytes: int, *options: str) -> Iterator[str]:
    """The least server of an account with reports of this size, in a process of its own."""
    server = subprocess.Popen(
        [
            sys.executable, "-m", "support.servers.static",
            str(backtests), str(projects), str(size_bytes), *options,
        ],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
    finally:
        server.terminate()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()


def peak_mb() -> float:
    """The most memory this process has had; `ru_maxrss` would begin with what its parent had."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def write_site(directory: Path) -> dict[str, float]:
    """Write the pages of a partial Snapshot; seconds and peak memory."""
    from harvester.site import write_pages

    started = time.perf_counter()
    write_pages(directory)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "peak_mb": peak_mb()}


def harvest(root: Path, base_url: str, workers: str) -> dict[str, float]:
    """One run as the command line makes it, with no limit of its rate."""
    from harvester.cli.app import app

    os.environ |= {
        "HARVESTER_API_BASE_URL": base_url,
        "HARVESTER_PACE_RATE_PER_MIN": "1000000",
        "HARVESTER_PACE_BURST": "1000",
        "HARVESTER_PACE_WORKERS": workers,
        "QUANTCONNECT_USER_ID": "123456",
        "QUANTCONNECT_API_TOKEN": "aaaabbbbccccdddd",
    }
    spent, started = sum(os.times()[:2]), time.perf_counter()
    code = app(["-q", "run", "--archive", str(root)], standalone_mode=False)
    seconds = time.perf_counter() - started
    assert not code, code
    return {"seconds": seconds, "cpu_s": sum(os.times()[:2]) - spent, "peak_mb": peak_mb()}


def loop_lag(root: Path, base_url: str, workers: str) -> dict[str, float]:
    """How late the event loop comes to what is due during a run, in ms: the 99th of 100 and the worst."""
    import anyio

    from support.builders import Asked, run_against

    late_ms: list[float] = []

    async def watch() -> None:
        while True:
            due = time.perf_counter() + 0.001
            await anyio.sleep(0.001)
            late_ms.append((time.perf_counter() - due) * 1000)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(watch)
            address = SimpleNamespace(base_url=base_url)
            pace = {"rate_per_min": 1e6, "burst": 1000, "workers": int(workers)}
            await run_against(address, root, Asked(), pace=pace, api={"total_timeout": Duration(60)})
            group.cancel_scope.cancel()

    anyio.run(main)
    late_ms.sort()
    return {"p99_ms": late_ms[int(len(late_ms) * 0.99)], "worst_ms": late_ms[-1], "samples": len(late_ms)}


def keep_parts(root: Path, body_file: str, count: str) -> dict[str, float]:
    """Nothing but what no archive can do without: decode, hash and write each report; CPU seconds."""
    import re

    import msgspec
    import pybase64

    body, disk = Path(body_file).read_bytes(), Disk()
    root.mkdir()
    spent, started = sum(os.times()[:2]), time.perf_counter()
    for n in range(int(count)):
        html = msgspec.json.decode(body)["report"]
        found = re.findall(r'src="data:image/png;base64,([^"]*)"', html)
        images = [(f"images/{k}.png", pybase64.b64decode(text)) for k, text in enumerate(found)]
        page = re.sub(r'src="data:image/png;base64,([^"]*)"', "", html)
        files = [("report.html", html.encode()), ("offline.html", page.encode()), *images]
        lines = [f"{hashlib.sha256(content).hexdigest()}  {name}" for name, content in files]
        directory = root / str(n)
        (directory / "images").mkdir(parents=True)
        disk.write_all(directory, [*files, ("report.json", "\n".join(lines).encode())])
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "cpu_s": sum(os.times()[:2]) - spent}


def apart(function: Callable[..., dict[str, float]], *arguments: str | Path) -> dict[str, float]:
    """Call a function of this module in a process of its own, so that its memory is its own."""
    code = (
        "import json, sys; from pathlib import Path; from support import measure; "
        "print(json.dumps(getattr(measure, sys.argv[1])(Path(sys.argv[2]), *sys.argv[3:])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, function.__name__, *map(str, arguments)],
        cwd=Path(__file__).parents[1],
        check=True,
        capture_output=True,
        text=True,
    )
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def seconds_of(command: Sequence[str | Path], **options: Any) -> float:
    """How long a command takes."""
    started = time.perf_counter()
    subprocess.run(list(map(str, command)), check=True, capture_output=True, **options)
    return time.perf_counter() - started


def forget(tree: Path) -> None:
    """Give back the space of a tree without removing a name; none of its files may be linked elsewhere.

    When it looks for a free inode, ext4 passes by all that were deleted in the last minutes, one after the
    other; a measure that creates files would be one of that.
    """
    for path in tree.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.chmod(0o600)
            os.truncate(path, 0)


def median(values: Sequence[float]) -> float:
    return statistics.median(values)
