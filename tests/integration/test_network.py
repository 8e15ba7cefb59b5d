"""How the API is reached through proxies and with a CA of one's own, and that nothing leaks on the way."""

from __future__ import annotations

import asyncio
import base64
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio.to_thread
import pytest
from builders import TOKEN, USER_ID, make_backtests, make_scenario
from commands import Done, harvester_beside
from listener import listening

from harvester.simulator import Simulator

PASSWORD = "CANARY0proxy0password"


@dataclass
class Relay:
    """A server that hands every connection on to another one, and keeps what was sent to it."""

    port: int = 0
    heard: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def relaying(target_port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[Relay]:
    """A proxy for plain http, which a request reaches with its whole address; with `tls` a TLS terminator."""
    relay = Relay()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: list[bytes]) -> None:
        while content := await reader.read(65536):
            heard.append(content)
            writer.write(content)
            await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_server, from_server = await asyncio.open_connection("127.0.0.1", target_port)
        await asyncio.gather(pump(reader, from_server, relay.heard), pump(to_server, writer, []))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    relay.port = server.sockets[0].getsockname()[1]
    async with server:
        yield relay


async def run(cwd: Path, base_url: str, **environ: str) -> Done:
    given = {
        "HARVESTER_API_BASE_URL": base_url,
        "HARVESTER_API_TRIES": "1",
        "HARVESTER_PACE_RATE_PER_MIN": "60000",
        "QC_USER_ID": str(USER_ID),
        "QC_API_TOKEN": TOKEN,
    }
    return await harvester_beside("-v", "run", cwd=cwd, environ=given | environ)


def port_of(simulator: Simulator) -> int:
    return int(simulator.base_url.split(":")[2].split("/")[0])


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
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    for content in (done.out.encode(), done.err.encode(), *written):
        assert PASSWORD.encode() not in content
        assert basic not in content


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


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
async def test_a_certificate_is_trusted_when_its_ca_is_named(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"

    def make() -> ssl.SSLContext:
        words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
        words += ["-addext", "subjectAltName=DNS:localhost"]
        subprocess.run([*words, "-keyout", key, "-out", certificate], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return context

    tls = await anyio.to_thread.run_sync(make)
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
