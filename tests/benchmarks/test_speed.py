"""Reports a second, CPU and memory when the API sets no limit, against tools that do less."""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from support.measure import FULL, apart, forget, harvest, keep_parts, loop_lag, median, seconds_of, serving
from support.servers.static import make_body

pytestmark = pytest.mark.bench

BODY_BYTES = 1_700_000
WORKERS = "8"
TURNS = 3

_UNPACK = """
import base64, hashlib, json, re, sys
from pathlib import Path
for body in sorted(Path(sys.argv[1]).glob("*.json")):
    html = json.loads(body.read_bytes())["report"]
    directory = body.with_suffix("")
    directory.mkdir()
    files = {"report.html": html.encode()}
    for n, text in enumerate(re.findall('src="data:image/png;base64,([^"]*)"', html), 1):
        files[f"{n:02d}.png"] = base64.b64decode(text)
    for name, content in files.items():
        print(hashlib.sha256(content).hexdigest(), name)
        (directory / name).write_bytes(content)
"""


def _serving(backtests: int, projects: int) -> AbstractContextManager[str]:
    return serving(backtests, projects, BODY_BYTES)


def _curl(base_url: str, count: int, directory: Path) -> list[str | Path]:
    directory.mkdir()
    config = directory / "curl.config"
    config.write_text(
        "".join(f'url = "{base_url}/{n}"\noutput = "{directory}/{n:06d}.json"\n' for n in range(1, count + 1))
    )
    return ["curl", "--fail", "--silent", "--parallel", "--parallel-max", WORKERS, "--config", config]


def _parts_on_all_cores(body: Path, count: int, root: Path) -> float:
    """Seconds for what no archive can do without, from memory, shared by a process for each core."""
    cores = os.cpu_count() or 1
    root.mkdir()
    started = time.perf_counter()
    with ThreadPoolExecutor(cores) as threads:
        roots = [root / str(n) for n in range(cores)]
        list(threads.map(lambda part: apart(keep_parts, part, body, str(count // cores)), roots))
    return time.perf_counter() - started


def test_reports_a_second_against_curl(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    count = 1_000 if FULL else 200
    body = tmp_path / "body.json"
    body.write_bytes(make_body(14, BODY_BYTES))
    plain, unpacked, parts, ours = [], [], [], []
    with _serving(count, 5) as base_url:
        for turn in range(TURNS):
            os.sync()
            bodies = tmp_path / f"bodies-{turn}"
            plain.append(seconds_of(_curl(base_url, count, bodies)))
            unpacked.append(plain[-1] + seconds_of([sys.executable, "-c", _UNPACK, bodies]))
            forget(bodies)
            os.sync()
            bare = tmp_path / f"parts-{turn}"
            parts.append(_parts_on_all_cores(body, count, bare))
            forget(bare)
            os.sync()
            root = tmp_path / f"archive-{turn}"
            ours.append(apart(harvest, root, base_url, WORKERS)["seconds"])
            forget(root)
    with capsys.disabled():
        print(
            f"\n{count:,} reports of {BODY_BYTES / 1e6:.1f} MB, no limit: {count / median(ours):.0f}/s; "
            f"curl --parallel {count / median(plain):.0f}/s: "
            f"{median(plain) / median(ours):.2f} x (goal 0.4), "
            f"with a script that unpacks {count / median(unpacked):.0f}/s: "
            f"{median(unpacked) / median(ours):.2f} x (goal 2.5); "
            f"decode + hash + write alone, from memory and on {os.cpu_count()} cores at once "
            f"{count / median(parts):.0f}/s: {median(parts) / median(ours):.2f} x"
        )


def test_cpu_seconds_per_gigabyte(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    count = 1_000 if FULL else 200
    body = tmp_path / "body.json"
    body.write_bytes(make_body(14, BODY_BYTES))
    ours, peer = [], []
    with _serving(count, 5) as base_url:
        for turn in range(TURNS):
            for figures, measure, words in (
                (peer, keep_parts, [str(body), str(count)]),
                (ours, harvest, [base_url, WORKERS]),
            ):
                root = tmp_path / f"{measure.__name__}-{turn}"
                figures.append(apart(measure, root, *words)["cpu_s"])
                forget(root)
    size_gb = count * BODY_BYTES / 1e9
    with capsys.disabled():
        print(
            f"\nCPU seconds per GB of reports: {median(ours) / size_gb:.1f}, "
            f"decode + hash + write alone {median(peer) / size_gb:.1f}: "
            f"{median(ours) / median(peer):.2f} x (goal 1.3)"
        )


def test_peak_memory_does_not_grow_with_the_account(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = (400, 4_000) if FULL else (100, 400)
    peaks = []
    for size in sizes:
        with _serving(size, 8) as base_url:
            root = tmp_path / f"archive-{size}"
            peaks.append(apart(harvest, root, base_url, WORKERS)["peak_mb"])
            forget(root)
    with capsys.disabled():
        print(
            f"\npeak memory, {WORKERS} workers: {sizes[0]:,} reports {peaks[0]:.0f} MB, "
            f"{sizes[1]:,} reports {peaks[1]:.0f} MB: {peaks[1] / peaks[0]:.2f} x (goal 150 MB, 1.1 x)"
        )


def test_the_event_loop_is_never_blocked_for_long(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    count = 1_000 if FULL else 200
    with _serving(count, 5) as base_url:
        lag = apart(loop_lag, tmp_path / "archive", base_url, WORKERS)
    with capsys.disabled():
        print(
            f"\nevent loop during a run of {count:,} reports: late by {lag['p99_ms']:.1f} ms (p99, goal 20), "
            f"{lag['worst_ms']:.0f} ms at worst, of {lag['samples']:.0f} samples"
        )


def test_the_start_of_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    harvester = Path(sys.executable).with_name("harvester")
    turns = 31 if FULL else 11
    plain = [seconds_of([sys.executable, "-c", "pass"]) for _ in range(turns)]
    ours = [seconds_of([harvester, "--version"]) for _ in range(turns)]
    with capsys.disabled():
        print(
            f"\nharvester --version: {median(ours) * 1000:.0f} ms, "
            f"python -c pass {median(plain) * 1000:.0f} ms: "
            f"+ {(median(ours) - median(plain)) * 1000:.0f} ms (goal 70)"
        )
