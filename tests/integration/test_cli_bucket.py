"""The bucket over the command line: runs that push, dates that come back, damage that is named."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from support.buckets import make_archive
from support.builders import TOKEN, USER_ID, make_backtests, make_scenario
from support.cli import Done, command_environment, harvester, harvester_beside
from support.disks import check_bag
from support.object_store import KEY_ID, REGION, SECRET, Server

from harvester.simulator import Simulator


class Site:
    """A directory with a configuration that has a bucket."""

    def __init__(self, server: Server, cwd: Path, *, base_url: str = "", **bucket: Any) -> None:
        self.cwd = cwd
        self.store = server.store()
        self.environ = {
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION,
            "QUANTCONNECT_USER_ID": str(USER_ID),
            "QUANTCONNECT_API_TOKEN": TOKEN,
        }
        given = {"url": self.store.address.url, "endpoint": server.endpoint, **bucket}
        lines = [f"bucket.{key} = {value!r}".replace("'", '"') for key, value in given.items()]
        if base_url:
            lines += [f'api.base_url = "{base_url}"', "pace.rate_per_min = 60000"]
        (cwd / "harvester.toml").write_text(f'archive.dir = "{cwd}/archive"\n' + "\n".join(lines) + "\n")
        (cwd / "harvester.toml").chmod(0o600)

    def run(self, *words: str | Path, **environ: str) -> Done:
        return harvester(*words, cwd=self.cwd, environ=self.environ | environ)


@pytest.fixture
def site(s3_server: Server, tmp_path: Path) -> Site:
    make_archive(tmp_path / "archive")
    return Site(s3_server, tmp_path)


def test_a_push_says_what_it_sends_and_then_that_all_is_there(site: Site) -> None:
    planned = site.run("push", "--dry-run")
    assert (planned.code, planned.err) == (0, "")
    assert "would push 2026-11-22, 2026-11-23" in planned.out
    assert "16 PUT" in planned.out
    pushed = site.run("push", "--json").document()
    assert pushed["snapshots"] == ["2026-11-22", "2026-11-23"]
    assert pushed["requests"]["put"] == 16
    assert "up to date" in site.run("push").out
    assert site.run("push", "-q").out == ""


def test_every_run_pushes_and_a_bucket_that_is_away_ends_it_with_6(s3_server: Server, tmp_path: Path) -> None:
    import anyio

    async def nights() -> list[Done]:
        async with Simulator(make_scenario(make_backtests(2))) as simulator:
            site = Site(s3_server, tmp_path, base_url=simulator.base_url)
            words = ("run", "--json")
            first = await harvester_beside(*words, cwd=tmp_path, environ=site.environ)
            away = site.environ | {"HARVESTER_BUCKET_URL": "s3://nowhere/x"}
            second = await harvester_beside(*words, cwd=tmp_path, environ=away)
            third = await harvester_beside(*words, cwd=tmp_path, environ=site.environ)
            return [first, second, third]

    first, second, third = anyio.run(nights)
    assert first.code == 0, first.err
    assert len(first.document()["bucket"]["snapshots"]) == 1
    assert second.code == 6, second.err
    assert second.document()["exit"] == "unpushed"
    assert "there is no bucket 'nowhere'" in second.document()["bucket"]["errors"][0]
    assert len(third.document()["bucket"]["snapshots"]) == 2  # the one of the second run too


def test_a_date_and_an_archive_come_back_without_an_archive(site: Site, tmp_path: Path) -> None:
    assert site.run("push").code == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    url = site.store.address.url
    environ = site.environ | {"AWS_ENDPOINT_URL": site.store.options.endpoint}
    words = ("restore", "latest", "--from", url, "--to", "bag")
    done = harvester(*words, cwd=elsewhere, environ=environ)
    assert (done.code, done.err) == (0, "")
    subprocess.run(["diff", "-r", elsewhere / "bag", tmp_path / "archive" / "2026-11-23"], check=True)
    check_bag(elsewhere / "bag")
    assert harvester(*words, cwd=elsewhere, environ=environ).code == 1  # it is in use now
    done = harvester("restore", "--all", "--from", url, "--to", "all", cwd=elsewhere, environ=environ)
    assert done.code == 0, done.err
    assert harvester("verify", "--archive", "all", cwd=elsewhere, environ=environ).code == 0


def test_damage_in_the_bucket_is_named_and_repaired(site: Site) -> None:
    assert site.run("push").code == 0
    assert site.run("verify", "--bucket", "--read", "--checksums").code == 0
    victim = min(info.key for info in site.store.list("reports"))
    site.store.overwrite(victim, b"something else")
    found = site.run("verify", "--bucket", "--json")
    assert found.code == 20
    assert [item["key"] for item in found.document()["problems"]] == [victim]
    repaired = site.run("verify", "--bucket", "--repair")
    assert repaired.code == 0
    assert f"repaired: {victim}" in repaired.out
    assert site.run("verify", "--bucket", "latest", "--read", "--subset", "1/2").code == 0


def test_reports_that_are_lost_on_disk_come_back_from_the_bucket(site: Site, tmp_path: Path) -> None:
    assert site.run("push").code == 0
    lost = [path for path in (tmp_path / "archive").rglob("*") if path.is_file() and "/data/" in str(path)]
    lost = [path for path in lost if path.parts[-2].startswith("backtest-1") or "images" in path.parts]
    before = {path: path.read_bytes() for path in lost}
    for path in lost:
        path.unlink()
    damaged = next((tmp_path / "archive" / "2026-11-23").rglob("report.html"))
    sound = damaged.read_bytes()
    damaged.chmod(0o644)
    damaged.write_bytes(b"rot")
    assert site.run("verify").code == 20
    repaired = site.run("verify", "--repair", HARVESTER_API_BASE_URL="http://127.0.0.1:9")
    assert repaired.code == 0, repaired.out
    assert {path: path.read_bytes() for path in lost} == before
    assert damaged.read_bytes() == sound
    assert site.run("verify", "--bucket").code == 0


def test_prune_of_the_bucket_says_what_it_would_do(site: Site) -> None:
    assert site.run("push").code == 0
    plan = site.run("prune", "--bucket", "--keep-daily", "1", "--json").document()
    assert (plan["remove"], plan["done"]) == (["2026-11-22"], False)
    done = site.run("prune", "--bucket", "--keep-daily", "1", "--yes")
    assert "removed 1 Snapshots from the bucket" in done.out
    assert site.run("verify", "--bucket").code == 0
    assert site.run("verify").code == 0  # nothing on disk has changed
    done = site.run("restore", "--all", "--to", "all")
    assert "2026-11-22 is no longer in the bucket" in done.err
    assert site.run("verify", "--archive", "all").code == 0


def test_doctor_asks_the_bucket(site: Site) -> None:
    checks = {check["name"]: check for check in site.run("doctor", "--json").document()["checks"]}
    names = (
        "bucket",
        "bucket write",
        "bucket create-only",
        "bucket replace",
        "bucket clock",
        "bucket retention",
    )
    assert {checks[name]["status"] for name in names} == {"ok"}
    found = site.run("doctor", "--json", AWS_SECRET_ACCESS_KEY="wrong-secret-of-a-test").document()
    (failed,) = (check for check in found["checks"] if check["name"] == "bucket")
    assert failed["status"] == "error"
    assert "credentials are wrong" in failed["text"]
    assert "wrong-secret" not in str(found)


def test_browsing_ends_with_ctrl_c(site: Site) -> None:
    assert site.run("push").code == 0
    command = [sys.executable, "-m", "harvester", "browse", "2026-11-22"]
    with subprocess.Popen(
        command,
        cwd=site.cwd,
        env=command_environment(site.environ, site.cwd) | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = next(word for word in line.split() if word.startswith("http://127.0.0.1:"))
        with urllib.request.urlopen(url + "manifest-sha256.txt") as answer:
            assert answer.read() == (site.cwd / "archive" / "2026-11-22" / "manifest-sha256.txt").read_bytes()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0


def test_what_is_wrong_with_the_words_is_said(site: Site, tmp_path: Path) -> None:
    assert site.run("restore", "--to", "x").code == 2
    assert site.run("restore", "latest").code == 2
    assert site.run("verify", "--read").code == 2
    assert site.run("push", HARVESTER_BUCKET_URL="").code == 2
    wrong = site.run("push", HARVESTER_BUCKET_URL="http://bucket/x")
    assert (wrong.code, "must begin with s3://" in wrong.err) == (2, True)
    assert site.run("push", HARVESTER_BUCKET_RETENTION="7y").code == 2
    assert site.run("push", HARVESTER_BUCKET_BEAT="1h").code == 2
    assert (tmp_path / "archive" / "harvester.json").exists()
