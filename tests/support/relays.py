"""What lies between harvester and a server: a proxy for plain http, a TLS terminator, a CONNECT proxy."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from harvester.simulator import Simulator


@dataclass
class Relay:
    """A server that hands every connection on to another one, and keeps what was sent to it."""

    port: int = 0
    heard: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def relaying(target_port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[Relay]:
    """A proxy for plain http, which a request reaches with its whole address; with `tls` a TLS terminator."""
    relay = Relay()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_server, from_server = await asyncio.open_connection("127.0.0.1", target_port)
        await asyncio.gather(_pump(reader, from_server, relay.heard), _pump(to_server, writer, []))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    relay.port = server.sockets[0].getsockname()[1]
    async with server:
        yield relay


@dataclass
class ConnectProxy:
    """A proxy that opens tunnels by CONNECT, until it is told to refuse."""

    port: int = 0
    asked: list[bytes] = field(default_factory=list)
    """The head of each CONNECT."""
    status: int = 200
    _tunnels: list[asyncio.StreamWriter] = field(default_factory=list)

    def refuse(self, status: int) -> None:
        """Close every tunnel and answer each further CONNECT with this status."""
        self.status = status
        for writer in self._tunnels:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head)
        if self.status != 200:
            writer.write(b"HTTP/1.1 %d Not Today\r\nContent-Length: 0\r\n\r\n" % self.status)
            writer.close()
            return
        port = int(head.split(b" ")[1].rpartition(b":")[2])
        to_server, from_server = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self._tunnels += [writer, from_server]
        with suppress(OSError):
            await asyncio.gather(_pump(reader, from_server, []), _pump(to_server, writer, []))


@asynccontextmanager
async def connect_proxy() -> AsyncIterator[ConnectProxy]:
    """A CONNECT proxy on a port of its own."""
    proxy = ConnectProxy()
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    async with server:
        yield proxy


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: list[bytes]) -> None:
    while content := await reader.read(65536):
        heard.append(content)
        writer.write(content)
        await writer.drain()
    writer.close()


def port_of(simulator: Simulator) -> int:
    return int(simulator.base_url.split(":")[2].split("/")[0])


def make_tls(directory: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context for `localhost`, and the certificate that a client has to trust."""
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    words += ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*words, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate
