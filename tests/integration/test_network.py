"""How the API is reached through proxies and with a CA of one's own, and that nothing leaks on the way."""

from __future__ import annotations

import base64
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread
import pytest
from support.builders import TOKEN, USER_ID, make_backtests, make_scenario
from support.cli import Done, harvester_beside
from support.relays import ConnectProxy, connect_proxy, make_tls, port_of, relaying
from support.servers.listener import listening

from harvester.simulator import RequestRecord, Scenario, Simulator

PASSWORD = "CANARY0proxy0password"
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")


async def run(cwd: Path, base_url: str, *words: str, **environ: str) -> Done:
    given = {
        "HARVESTER_API_BASE_URL": base_url,
        "HARVESTER_API_TRIES": "1",
        "HARVESTER_PACE_RATE_PER_MIN": "60000",
        "QC_USER_ID": str(USER_ID),
        "QC_API_TOKEN": TOKEN,
    }
    return await harvester_beside("-v", *(words or ("run",)), cwd=cwd, environ=given | environ)


async def test_the_proxy_of_the_environment_is_used_and_its_password_goes_nowhere_else(
    tmp_path: Path,
) -> None:
    async with (
        Simulator(make_scenario(make_backtests(2))) as simulator,
        relaying(port_of(simulator)) as proxy,
    ):
        address = f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}"
        done = await run(tmp_path, simulator.base_url, HTTP_PROXY=address)
    assert done.code == 0, done.err
    sent = b"".join(proxy.heard)
    assert sent.startswith(b"POST http://127.0.0.1:")
    basic = base64.b64encode(f"user:{PASSWORD}".encode())
    assert b"Proxy-Authorization: Basic " + basic in sent
    assert PASSWORD not in done.out + done.err
    assert basic.decode() not in done.out + done.err
    assert not stored(tmp_path, PASSWORD.encode(), basic)


async def test_a_proxy_that_is_not_there_is_named_without_its_password(tmp_path: Path) -> None:
    done = await run(tmp_path, "http://127.0.0.1:9/api/v2", HTTP_PROXY=f"http://user:{PASSWORD}@127.0.0.1:9")
    assert done.code == 1
    assert "the proxy could not be reached" in done.err
    assert PASSWORD not in done.out + done.err


async def test_a_proxy_that_cannot_be_used_is_an_error_and_never_passed_by(tmp_path: Path) -> None:
    proxy = {"ALL_PROXY": f"socks5://user:{PASSWORD}@127.0.0.1:9"}
    async with Simulator(make_scenario(make_backtests(1))) as simulator:
        done = await run(tmp_path, simulator.base_url, **proxy)
        excepted = await run(tmp_path, simulator.base_url, NO_PROXY="localhost,127.0.0.1", **proxy)
    assert done.code == 2
    assert "a proxy of the kind socks5; only http:// proxies can be used" in done.err
    assert excepted.code == 0
    assert PASSWORD not in done.out + done.err + excepted.out + excepted.err


@pytest.mark.parametrize(
    "proxies",
    [
        {"HTTP_PROXY": "http://127.0.0.1:9"},
        {"ALL_PROXY": "socks5://127.0.0.1:9", "NO_PROXY": "example.org"},
        {"http_proxy": "http://127.0.0.1:9", "no_proxy": "*"},
    ],
)
async def test_the_demo_needs_no_proxy_whatever_the_environment_names(
    tmp_path: Path, proxies: dict[str, str]
) -> None:
    done = await harvester_beside(
        "demo", "--projects", "1", "--backtests", "1", cwd=tmp_path, environ=proxies
    )
    assert done.code == 0, done.err


async def test_passwords_of_netrc_are_none_of_our_business(tmp_path: Path) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login somebody password CANARY0of0netrc")
    netrc.chmod(0o600)
    async with Simulator(make_scenario(make_backtests(1))) as simulator, listening() as listener:
        environ = {"HOME": str(tmp_path), "HARVESTER_NOTIFY_WEBHOOK_URL": listener.url}
        done = await run(tmp_path, simulator.base_url, **environ)
    assert done.code == 0, done.err
    assert listener.told
    assert "Authorization" not in listener.headers[-1]


@needs_openssl
async def test_a_certificate_is_trusted_when_its_ca_is_named(tmp_path: Path) -> None:
    tls, certificate = await anyio.to_thread.run_sync(make_tls, tmp_path)
    async with (
        Simulator(make_scenario(make_backtests(2))) as simulator,
        relaying(port_of(simulator), tls) as server,
    ):
        base_url = f"https://localhost:{server.port}/api/v2"
        refused = await run(tmp_path, base_url)
        trusted = await run(tmp_path, base_url, SSL_CERT_FILE=str(certificate))
    assert refused.code == 1
    assert "certificate is not trusted" in refused.err
    assert trusted.code == 0, trusted.err


# -- an https address through a proxy ------------------------------------------------------------


@dataclass(frozen=True)
class Behind:
    """A server that is reached by https and through a proxy."""

    proxy: ConnectProxy
    simulator: Simulator
    base_url: str
    certificate: Path

    async def run(self, cwd: Path, *words: str) -> Done:
        given = {
            "HTTPS_PROXY": f"http://user:{PASSWORD}@127.0.0.1:{self.proxy.port}",
            "SSL_CERT_FILE": str(self.certificate),
            "HARVESTER_PACE_WORKERS": "1",
            "HARVESTER_REPORTS_DEADLINE": "300ms",
            "HARVESTER_REPORTS_RETRY_AFTER": "50ms",
        }
        return await run(cwd, self.base_url, *words, **given)


@asynccontextmanager
async def behind_a_proxy(
    directory: Path, scenario: Scenario, *, status: int, at: str
) -> AsyncIterator[Behind]:
    """A proxy that refuses with this status once the server has been asked for this route."""
    tls, certificate = await anyio.to_thread.run_sync(make_tls, directory)

    def refuse(request: RequestRecord) -> None:
        if request.route == at:
            proxy.refuse(status)

    async with (
        Simulator(scenario, record=refuse) as simulator,
        relaying(port_of(simulator), tls) as server,
        connect_proxy() as proxy,
    ):
        yield Behind(proxy, simulator, f"https://localhost:{server.port}/api/v2", certificate)


@needs_openssl
async def test_a_password_opens_the_tunnel_and_is_not_sent_through_it(tmp_path: Path) -> None:
    scenario = make_scenario(make_backtests(2))
    async with behind_a_proxy(tmp_path, scenario, status=200, at="") as behind:
        done = await behind.run(tmp_path)
        (asked,) = behind.proxy.asked  # one tunnel for all requests
    assert done.code == 0, done.err
    basic = base64.b64encode(f"user:{PASSWORD}".encode())
    assert b"\r\nProxy-Authorization: Basic " + basic + b"\r\n" in asked
    assert not stored(tmp_path, PASSWORD.encode(), basic)


@needs_openssl
@pytest.mark.parametrize("status", [407, 502])
async def test_a_proxy_that_refuses_from_the_start_is_named_without_its_password(
    tmp_path: Path, status: int
) -> None:
    async with behind_a_proxy(tmp_path, make_scenario(make_backtests(1)), status=200, at="") as behind:
        behind.proxy.refuse(status)
        done = await behind.run(tmp_path)
        checked = await behind.run(tmp_path, "doctor")
    said = f"the proxy refused to connect to the server (HTTP {status} Not Today)"
    assert done.code != 0
    assert said in done.err
    assert said in checked.out
    assert ("check the user and the password in HTTPS_PROXY" in done.err) == (status == 407)
    assert PASSWORD not in done.out + done.err + checked.out + checked.err


@needs_openssl
@pytest.mark.parametrize("status", [407, 502])
@pytest.mark.parametrize(
    ("at", "places"),
    [
        ("backtests/list", {"journal.jsonl", "snapshot.json"}),
        ("backtests/read/report", {"journal.jsonl", "inventory.jsonl"}),
    ],
)
async def test_a_proxy_that_refuses_during_a_run_leaves_no_password_in_the_snapshot(
    tmp_path: Path, at: str, places: set[str], status: int
) -> None:
    scenario = make_scenario(make_backtests(2), make_backtests(2))
    async with behind_a_proxy(tmp_path, scenario, status=status, at=at) as behind:
        done = await behind.run(tmp_path)
    assert done.code in {3, 4}, done.err
    assert PASSWORD not in done.out + done.err
    assert not stored(tmp_path, PASSWORD.encode(), base64.b64encode(f"user:{PASSWORD}".encode()))
    said = b"the proxy refused to connect to the server (HTTP %d Not Today)" % status
    assert places <= {path.name for path in stored(tmp_path, said)}


def stored(directory: Path, *texts: bytes) -> list[Path]:
    """The files below a directory that hold any of these."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    return [path for path in files if any(text in path.read_bytes() for text in texts)]
