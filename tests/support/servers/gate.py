"""An HTTP server that hands requests on to another one, unless a test wants something to happen to them."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Fate = str | int
"""`pass`, `refuse` (not handed on), `lose` (handed on, its answer is lost), or a status to answer with."""


class Gate(ThreadingHTTPServer):
    """Asks `decide` about each request: number, method and path."""

    daemon_threads = True

    def __init__(self, target: str, decide: Callable[[int, str, str], Fate]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = urlsplit(target).netloc
        self.decide = decide
        self.count = 0
        self.lock = threading.Lock()
        self.seen: list[tuple[str, str]] = []

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Gate
    protocol_version = "HTTP/1.1"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):  # every method is served alike
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.lock:
            self.server.count += 1
            number = self.server.count
            self.server.seen.append((self.command, self.path))
        fate = self.server.decide(number, self.command, self.path)
        if isinstance(fate, int):
            self._answer(fate, [("Retry-After", "1")], b"<Error><Code>SlowDown</Code></Error>")
        elif fate == "refuse":
            self._hang_up()
        else:
            status, headers, content = self._hand_on(body)
            if fate == "lose":
                self._hang_up()
            else:
                self._answer(status, headers, content)

    def _hand_on(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(self.server.target, timeout=30)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.endheaders(body or None)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in {"transfer-encoding", "connection", "content-length"}:
                self.send_header(name, value)
        given = {name.lower(): value for name, value in headers}.get("content-length")
        self.send_header("Content-Length", given if self.command == "HEAD" and given else str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(2)

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def gate(target: str, decide: Callable[[int, str, str], Fate]) -> Iterator[Gate]:
    """A gate before the server at `target`."""
    server = Gate(target, decide)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
