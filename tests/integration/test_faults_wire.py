"""Faults below HTTP, and answers that no web framework would send: from small servers of the tests' own."""

from __future__ import annotations

import asyncio
import gzip
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio.to_thread
import pytest
from support.builders import Asked, Watcher, entries, make_backtests, make_scenario, outcomes, run_against

from harvester.api.client import ApiClient
from harvester.api.pace import limiter_for
from harvester.api.retry import Backoff
from harvester.api.signing import Signer
from harvester.api.wire import Pending
from harvester.config.settings import ApiSettings, PaceSettings
from harvester.errors import ApiError, ProtocolError, StoppedError, TransportError
from harvester.harvest.events import Event, Rescheduled, Settled
from harvester.harvest.run import RunResult
from harvester.model import Outcome
from harvester.simulator import Fault, FaultKind, Simulator
from harvester.text import Duration

MEGABYTE = 2**20


def answer(body: bytes, *headers: bytes, length: int | None = None) -> bytes:
    """A complete answer, unless `length` says otherwise."""
    size = len(body) if length is None else length
    lines = [b"HTTP/1.1 200 OK", b"Content-Type: application/json", b"Content-Length: %d" % size, *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@asynccontextmanager
async def raw_server(
    content: bytes, *, pause_s: float = 0.0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Answers every request with these bytes and closes; `pause_s` lies before the last byte."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(1)
            writer.write(content[:-1])
            await writer.drain()
            await asyncio.sleep(pause_s)
            writer.write(content[-1:])
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def fetch(base_url: str, **api: Any) -> str | Pending:
    """One report in one attempt."""
    settings = ApiSettings(
        **(
            {
                "base_url": base_url,
                "max_body_mb": 1,
                "read_timeout": Duration(0.5),
                "total_timeout": Duration(1),
            }
            | api
        )
    )
    limiter = limiter_for(PaceSettings(rate_per_min=6e6))
    async with ApiClient(settings, Signer(1, "t"), limiter, backoff=Backoff(tries=1)) as client:
        return await client.fetch_report(1, "b")


GOOD = b'{"report":"<html>","success":true}'
FRAME = b'{"report":"%s","success":true}'
BOMB = gzip.compress(FRAME % (b"x" * 40 * MEGABYTE))


@pytest.mark.parametrize(
    "content",
    [
        answer(GOOD),
        answer(gzip.compress(GOOD), b"Content-Encoding: gzip"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD), GOOD),
        b"HTTP/1.0 200 OK\r\n\r\n" + GOOD,
        answer(b" \r\n" + GOOD + b"\n"),
    ],
    ids=["plain", "gzip", "chunked", "until the end", "white space"],
)
async def test_every_good_form_of_an_answer_is_read(content: bytes) -> None:
    async with raw_server(content) as base_url:
        assert await fetch(base_url) == "<html>"


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b" ", TransportError, ""),
        (b"garbage\r\n\r\n", TransportError, ""),
        (b"HTTP/1.1 999999 Odd\r\n\r\n", TransportError, ""),
        (b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\n", TransportError, ""),
        (b"HTTP/1.1 200 OK\r\nContent-Le", TransportError, ""),
        (answer(GOOD, length=9999), TransportError, "truncated"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" + GOOD, TransportError, "truncated"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", TransportError, ""),
        (answer(b"no gzip at all", b"Content-Encoding: gzip"), TransportError, ""),
        (answer(gzip.compress(GOOD)[:-20], b"Content-Encoding: gzip"), TransportError, ""),
        (answer(FRAME % (b"x" * MEGABYTE)), ProtocolError, "larger than 1 MB;"),
        (answer(BOMB, b"Content-Encoding: gzip"), ProtocolError, "larger than 1 MB;"),
        (answer(b"", b"Location: /elsewhere").replace(b"200", b"307"), ApiError, "redirects to '/elsewhere'"),
    ],
    ids=[
        "nothing", "garbage", "odd status", "endless header", "cut in headers", "cut in body", "cut in chunk",
        "odd chunk", "no gzip", "cut gzip", "too large", "bomb", "redirect",
    ],
)  # fmt: skip
async def test_every_bad_form_of_an_answer_is_an_error_with_its_reason(
    content: bytes, kind: type[ApiError], words: str
) -> None:
    async with raw_server(content) as base_url:
        with pytest.raises(kind, match=f"backtests/read/report: .*{words}"):
            await fetch(base_url)


async def test_a_body_just_within_the_limit_is_read() -> None:
    html = b"x" * (MEGABYTE - len(FRAME) + 2)
    async with raw_server(answer(FRAME % html)) as base_url:
        assert await fetch(base_url) == html.decode()


@pytest.mark.parametrize(
    ("api", "words"),
    [
        ({"read_timeout": Duration(0.1)}, "the answer stopped coming"),
        ({"total_timeout": Duration(0.1)}, "the answer took too long as a whole"),
    ],
)
async def test_a_server_that_falls_silent_is_given_up_in_time(api: dict[str, Any], words: str) -> None:
    async with raw_server(answer(GOOD), pause_s=30.0) as base_url:
        started = time.monotonic()
        with pytest.raises(TransportError, match=words):
            await fetch(base_url, **api)
        assert time.monotonic() - started < 5


# -- no connection -------------------------------------------------------------------------------


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_a_refused_connection_says_so() -> None:
    with pytest.raises(TransportError, match="no connection"):
        await fetch(f"http://127.0.0.1:{free_port()}")


async def test_an_unknown_name_says_so() -> None:
    with pytest.raises(TransportError, match="the server's name could not be looked up"):
        await fetch("http://nowhere.invalid")


async def test_a_connection_that_is_never_accepted_is_given_up_in_time() -> None:
    with socket.socket() as full, socket.socket() as first:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        first.connect(full.getsockname())
        with pytest.raises(TransportError, match="no connection in time"):
            await fetch(
                f"http://127.0.0.1:{full.getsockname()[1]}",
                connect_timeout=Duration(0.2),
                read_timeout=Duration(5),
                total_timeout=Duration(10),
            )


async def test_a_server_that_does_not_speak_tls_says_so() -> None:
    async with raw_server(answer(GOOD)) as base_url:
        with pytest.raises(TransportError, match="TLS"):
            await fetch(base_url.replace("http:", "https:"))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    def make() -> ssl.SSLContext:
        key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
        words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1"]
        subprocess.run([*words, "-keyout", key, "-out", certificate], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return context

    async with raw_server(answer(GOOD), tls=await anyio.to_thread.run_sync(make)) as base_url:
        with pytest.raises(TransportError, match="certificate is not trusted"):
            await fetch(base_url)


async def test_a_run_without_a_server_ends_with_the_reason(tmp_path: Path) -> None:
    nowhere: Any = SimpleNamespace(base_url=f"http://127.0.0.1:{free_port()}/api/v2")
    with pytest.raises(TransportError, match="authenticate: no connection"):
        await run_against(nowhere, tmp_path)
    assert not (tmp_path / "latest").exists()


# -- a server that goes away, and comes back -----------------------------------------------------


class Flaky(Watcher):
    """Takes the server down after four reports, and brings it back when the run has noticed, if at all."""

    def __init__(self, simulator: Simulator, *, back: bool) -> None:
        super().__init__()
        self.simulators = [simulator]
        self._back = back
        self._saved = 0
        self._tasks: list[asyncio.Future[Any]] = []

    def notify(self, event: Event) -> None:
        super().notify(event)
        if isinstance(event, Settled) and event.outcome is Outcome.SAVED:
            self._saved += 1
            if self._saved == 4:
                self._tasks.append(asyncio.ensure_future(self.simulators[0].__aexit__(None, None, None)))
        if isinstance(event, Rescheduled) and event.answer == "server away" and self._back:
            self._back = False
            old = self.simulators[0]
            self.simulators.append(Simulator(old.scenario, port=old.port))
            self._tasks.append(asyncio.ensure_future(self.simulators[1].__aenter__()))

    async def end(self) -> None:
        await asyncio.gather(*self._tasks)
        await self.simulators[-1].__aexit__(None, None, None)

    def asked(self) -> list[str]:
        """Backtests whose report was given, over all lives of the server."""
        records = [record for simulator in self.simulators for record in simulator.requests]
        return [record.backtest_id for record in records if record.answer == "ready"]


async def run_flaky(tmp_path: Path, *, back: bool) -> tuple[RunResult, Flaky]:
    simulator = Simulator(make_scenario(make_backtests(12)))
    await simulator.__aenter__()
    flaky = Flaky(simulator, back=back)
    result = await run_against(
        simulator,
        tmp_path,
        Asked(watcher=flaky),
        api={"tries": 2},
        pace={"workers": 1},
        reports={"retry_after": Duration(0.3), "deadline": Duration(2 if back else 0.5)},
    )
    await flaky.end()
    return result, flaky


async def test_a_server_that_goes_away_and_comes_back_costs_nothing_but_time(tmp_path: Path) -> None:
    result, flaky = await run_flaky(tmp_path, back=True)
    assert len(flaky.simulators) == 2
    assert set(outcomes(result).values()) == {"saved"}
    assert result.record is not None
    assert result.record.ending.value == "ok"
    assert sorted(flaky.asked()) == sorted(outcomes(result))


async def test_a_port_that_nobody_answers_any_more_ends_the_run_with_what_it_has(tmp_path: Path) -> None:
    first, flaky = await run_flaky(tmp_path, back=False)
    assert first.record is not None
    assert (first.record.ending.value, first.record.complete) == ("partial", False)
    counts = first.record.counts
    assert (counts["saved"], counts["saved"] + counts["pending"]) == (len(flaky.asked()), 12)
    missing = {name for name, outcome in outcomes(first).items() if outcome != "saved"}
    assert all("connection" in entries(first)[name].error + entries(first)[name].reason for name in missing)
    async with Simulator(flaky.simulators[0].scenario) as again:
        second = await run_against(again, tmp_path)
        asked = [record.backtest_id for record in again.requests if record.route == "backtests/read/report"]
    assert set(asked) == missing
    assert set(outcomes(second).values()) == {"saved", "carried"}


async def test_time_that_runs_out_before_the_projects_are_known_takes_nothing_for_gone(
    tmp_path: Path,
) -> None:
    async with Simulator(make_scenario(make_backtests(3))) as simulator:
        first = await run_against(simulator, tmp_path)
    hang = Fault(kind=FaultKind.HANG, route="projects/read")
    async with Simulator(make_scenario(make_backtests(3), faults=(hang,))) as simulator:
        with pytest.raises(StoppedError, match="time for this run is up before the projects were listed"):
            await run_against(
                simulator,
                tmp_path,
                api={"read_timeout": 0.2, "total_timeout": 0.2, "tries": 2},
                run={"max_duration": 0.1},
            )
    async with Simulator(make_scenario(make_backtests(3))) as simulator:
        third = await run_against(simulator, tmp_path)
    assert set(outcomes(third).values()) == {"carried"}
    assert third.record is not None
    assert third.record.gone == 0
    assert first.path.exists()
