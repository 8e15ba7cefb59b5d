"""Looking at a date in a Bucket: its pages, served on loopback out of the packs, with nothing on disk."""

from __future__ import annotations

import hashlib
import mimetypes
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from harvester.bucket.reader import BucketReader, OpenedSnapshot, PackedReport
from harvester.errors import BucketError
from harvester.format import INDEX

LOOPBACK: Final = "127.0.0.1"
_CACHE_BYTES: Final = 64 * 2**20
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".jsonl": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
}


class SnapshotFiles:
    """The files of one Snapshot by their paths in the bag; used by several threads at once."""

    def __init__(self, reader: BucketReader, snapshot: OpenedSnapshot) -> None:
        self._reader = reader
        self._bundle = snapshot.bundle
        self._tags = frozenset(snapshot.bundle.names)
        self._reports = {report.path: report for report in snapshot.reports()}
        self._cache: OrderedDict[str, dict[str, bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, path: str) -> bytes | None:
        """The bytes of a file, checked; None when the Snapshot has none of that path.

        Raises:
            CorruptBucketError: it is not what was committed.
            BucketError: it cannot be got.
        """
        if path in self._tags:
            with self._lock:  # a zip is read by one thread at a time
                return self._bundle.read(path)
        parts = path.split("/", 3)
        report = self._reports.get("/".join(parts[:3])) if len(parts) == 4 else None
        if report is None or parts[3] not in report.files:
            return None
        return self._files_of(report)[parts[3]]

    def _files_of(self, report: PackedReport) -> dict[str, bytes]:
        with self._lock:
            if report.path in self._cache:
                self._cache.move_to_end(report.path)
                return self._cache[report.path]
        files = self._reader.load_report(report)
        with self._lock:
            self._cache[report.path] = files
            while len(self._cache) > 1 and self._cached_bytes() > _CACHE_BYTES:
                self._cache.popitem(last=False)
        return files

    def _cached_bytes(self) -> int:
        return sum(len(content) for files in self._cache.values() for content in files.values())


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD; there is nothing to change."""

    server: BrowseServer
    protocol_version = "HTTP/1.1"
    timeout = 60
    server_version = "harvester"
    sys_version = ""

    def do_GET(self) -> None:
        """Send a file."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Send what is known of a file."""
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        if not self._is_asked_for_us():
            # A page elsewhere whose name leads to this address must not read what is served here.
            self._send(HTTPStatus.MISDIRECTED_REQUEST, b"not this host\n", "text/plain", with_body=with_body)
            return
        path = unquote(urlsplit(self.path).path).lstrip("/") or INDEX
        try:
            content = self.server.files.read(path)
        except BucketError as exc:
            self._send(
                HTTPStatus.BAD_GATEWAY, f"{exc}\n".encode(), "text/plain; charset=utf-8", with_body=with_body
            )
            return
        if content is None:
            self._send(HTTPStatus.NOT_FOUND, b"not in this Snapshot\n", "text/plain", with_body=with_body)
        else:
            self._send(HTTPStatus.OK, content, content_type(path), with_body=with_body)

    def _is_asked_for_us(self) -> bool:
        return self.headers.get("Host", "") in self.server.names

    def _send(self, status: HTTPStatus, content: bytes, kind: str, *, with_body: bool) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        if status is HTTPStatus.OK:
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()[:32]}"')
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base class calls it so
        """Say nothing: what is looked at is nobody's business."""


class BrowseServer(ThreadingHTTPServer):
    """Serves the files of one Snapshot on loopback."""

    daemon_threads = True

    def __init__(self, files: SnapshotFiles, port: int = 0) -> None:
        super().__init__((LOOPBACK, port), _Handler)
        self.files = files
        bound = self.server_address[1]
        self.names = {f"{LOOPBACK}:{bound}", f"localhost:{bound}"}

    @property
    def url(self) -> str:
        """Where the pages begin."""
        return f"http://{LOOPBACK}:{self.server_address[1]}/"

    def url_of(self, path: str) -> str:
        """Where a file of the bag is."""
        return self.url + quote(path)


@contextmanager
def browsing(reader: BucketReader, name: str, *, port: int = 0) -> Iterator[BrowseServer]:
    """A server for one date, answering from a thread of its own until the block ends.

    Raises:
        CorruptBucketError: its lists are not what was committed.
        BucketError: there is no such Snapshot, or it cannot be got.
        OSError: the port is taken.
    """
    with ExitStack() as stack:
        snapshot = stack.enter_context(reader.snapshot(name))
        server = stack.enter_context(BrowseServer(SnapshotFiles(reader, snapshot), port))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        thread.start()
        stack.callback(thread.join)
        stack.callback(server.shutdown)
        yield server


def content_type(path: str) -> str:
    """What a browser is told about a file."""
    suffix = "." + path.rpartition(".")[2]
    return _TYPES.get(suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"
