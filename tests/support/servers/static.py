"""The least server that an account can be read from: every answer stands ready in memory.

Run as a process of its own, it leaves the pace of a measure to whoever reads. `GET /N` has the same body as
the report of backtest N, for tools that know nothing of the API.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import random

from PIL import Image

_ID = b"@" * 32
"""Stands in the body where each report has its own id."""


def make_body(images: int, size_bytes: int) -> bytes:
    """The answer that holds a report, with noise for charts, which nothing compresses."""
    noise, side = random.Random(1), max(1, int((size_bytes / images * 0.75) ** 0.5))
    page = ["<!DOCTYPE html><html><head><title>Report</title></head><body><h3>", _ID.decode(), "</h3>"]
    page.append('<table id="key-characteristics"><tr><td>Drawdown</td><td>10%</td></tr></table>')
    for n in range(images):
        png = io.BytesIO()
        Image.frombytes("L", (side, side), noise.randbytes(side * side)).save(png, "png", compress_level=0)
        uri = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
        page.append(f'<table><tr><th>Chart {n + 1}</th></tr><tr><td><img src="{uri}"></td></tr></table>')
    return json.dumps({"report": "".join(page) + "</body></html>", "success": True}).encode()


_FIGURES = {
    "sharpeRatio": 0.812, "alpha": 0.011, "beta": 0.43, "compoundingAnnualReturn": 12.3, "drawdown": 21.5,
    "lossRate": 44, "netProfit": 130.2, "psr": 31.4, "sortinoRatio": 0.9, "treynorRatio": 0.2, "winRate": 56,
    "trades": 1200, "tradeableDates": 2510, "parameters": 4,
}  # fmt: skip
"""What the real listing says of each backtest."""


class StaticApi(asyncio.Protocol):
    """Answers one request after the other on one connection."""

    def __init__(self, backtests: int, projects: int, body: bytes, status: str = "Completed.") -> None:
        self._backtests = backtests
        self._projects = projects
        self._status = status
        self._before, self._after = body.split(_ID)
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._pending += data
        while b"\r\n\r\n" in self._pending:
            head, _, rest = self._pending.partition(b"\r\n\r\n")
            lines = head.lower().split(b"\r\n")
            length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
            if len(rest) < length:
                return
            self._pending = rest[length:]
            self._answer(head.split(b" ", 2)[1], rest[:length])

    def _answer(self, path: bytes, content: bytes) -> None:
        asked = json.loads(content or b"{}")
        if path.endswith(b"/authenticate"):
            self._send(b'{"success":true,"errors":[]}')
        elif path.endswith(b"/projects/read"):
            page = self._project_rows()[asked.get("start", 0) : asked.get("end")]
            self._send(json.dumps({"success": True, "projects": page}).encode())
        elif path.endswith(b"/backtests/list"):
            self._send(json.dumps(self._listing(asked)).encode())
        elif path.endswith(b"/optimizations/list"):
            self._send(b'{"optimizations":[],"success":true}')
        elif path.endswith(b"/backtests/read/report"):
            self._send(self._before, asked["backtestId"].encode(), self._after)
        else:
            self._send(self._before, f"{int(path[1:]):032x}".encode(), self._after)

    def _project_rows(self) -> list[dict[str, object]]:
        stamps = {"created": "2026-01-01T00:00:00Z", "modified": "2026-01-01T00:00:00Z"}
        return [{"projectId": n + 1, "name": f"Project {n + 1}", **stamps} for n in range(self._projects)]

    def _listing(self, asked: dict[str, int]) -> dict[str, object]:
        each = self._backtests // self._projects
        first = (asked["projectId"] - 1) * each
        rows = [
            {
                "backtestId": f"{n + 1:032x}",
                "name": f"Backtest {n + 1}",
                "status": self._status,
                "created": "2026-01-01T00:00:00Z",
                "progress": 1,
                "parameterSet": {"fast": n % 50, "slow": n % 200},
                **_FIGURES,
            }
            for n in range(first, first + each)
        ]
        start, end = asked.get("start", 0), asked.get("end", len(rows))
        return {"success": True, "backtests": rows[start:end], "count": len(rows)}

    def _send(self, *parts: bytes) -> None:
        length = sum(map(len, parts))
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        self._transport.writelines([head.encode(), *parts])


async def serve(backtests: int, projects: int, size_bytes: int, status: str, images: int) -> None:
    body = make_body(images, size_bytes)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: StaticApi(backtests, projects, body, status), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    given = argparse.ArgumentParser()
    for name in ("backtests", "projects", "size_bytes"):
        given.add_argument(name, type=int)
    given.add_argument("--status", default="Completed.", help="of every backtest")
    given.add_argument("--images", type=int, default=14)
    asyncio.run(serve(**vars(given.parse_args())))
