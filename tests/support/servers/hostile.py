"""A server that answers with whatever it was given, and commands against it within fixed bounds."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from support.servers.static import StaticApi

MEGABYTE = 2**20


@dataclass(frozen=True)
class Served:
    """One backtest and what is answered when its report is asked for."""

    name: str
    html: str = "<html><body><p>plain</p></body></html>"
    raw: bytes = b""
    """A whole answer, headers included, in place of one that holds the HTML; the connection ends after it."""
    repeated: int = 1
    """So often the last megabyte of `raw` is sent."""


class HostileApi(StaticApi):
    """One project; ids are the numbers of the backtests, or what was given for them."""

    def __init__(self, project: str, served: Mapping[str, Served]) -> None:
        super().__init__(len(served), 1, b"@" * 32)
        self._project = project
        self._served = served

    def _project_rows(self) -> list[dict[str, object]]:
        return [row | {"name": self._project} for row in super()._project_rows()]

    def _listing(self, asked: dict[str, int]) -> dict[str, object]:
        stamp = {"status": "Completed.", "created": "2026-01-01T00:00:00Z", "progress": 1}
        rows = [{"backtestId": key, "name": item.name, **stamp} for key, item in self._served.items()]
        return {"success": True, "backtests": rows, "count": len(rows)}

    def _answer(self, path: bytes, content: bytes) -> None:
        if not path.endswith(b"/report"):
            super()._answer(path, content)
            return
        item = self._served[json.loads(content)["backtestId"]]
        if not item.raw:
            self._send(json.dumps({"report": item.html, "success": True}).encode())
            return
        self._transport.write(item.raw)
        for _ in range(item.repeated - 1):
            self._transport.write(item.raw[-MEGABYTE:])
        self._transport.close()


@asynccontextmanager
async def hostile_api(served: Mapping[str, Served], project: str = "Project") -> AsyncIterator[str]:
    """Serves these backtests; gives the base URL."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: HostileApi(project, served), "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v2"


_MEASURED = """
import atexit, os, pathlib, re, resource, sys
def tell():
    peak = re.search(r"VmHWM:\\s*(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]
    pathlib.Path(os.environ["PEAK_FILE"]).write_text(peak)
atexit.register(tell)
resource.setrlimit(resource.RLIMIT_CPU, (120, 130))
sys.argv[0] = "harvester"
from harvester.__main__ import main
sys.exit(main())
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended, and the most memory that it had."""

    code: int
    out: str
    err: str
    peak_mb: float


async def measured(*words: str, cwd: Path, base_url: str) -> Ended:
    """A command as a process of its own that may use two minutes of CPU time and no more."""
    place = cwd / "peak"
    environ = {
        "HARVESTER_API_BASE_URL": base_url,
        "HARVESTER_API_TRIES": "1",
        "HARVESTER_PACE_BURST": "10",
        "HARVESTER_PACE_RATE_PER_MIN": "60000",
        "HARVESTER_REPORTS_RETRY_AFTER": "20ms",
        "HARVESTER_REPORTS_TRIES": "1",
        "PEAK_FILE": str(place),
        "QUANTCONNECT_API_TOKEN": "CANARY0token",
        "QUANTCONNECT_USER_ID": "123456",
    }
    command = [sys.executable, "-c", _MEASURED, *words]
    with anyio.fail_after(300):
        done = await anyio.run_process(command, cwd=cwd, env=environ, check=False)
    peak_mb = int(await anyio.Path(place).read_text()) / 1024
    await anyio.Path(place).unlink()
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode(), peak_mb)
