"""A server whose lists are paged, changed and answered wrongly as a test says; every report is the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from support.servers.static import StaticApi


@dataclass
class ListedAccount:
    """What is listed and how; may be changed between two runs."""

    projects: list[Any]
    """Rows of `projects/read` as they are served, in this order."""
    backtests: dict[int, list[Any]]
    """Rows of `backtests/list` as they are served, by project."""
    page_limit: int = 0
    """Projects in one answer at most; 0: all."""
    wrong: Mapping[int, tuple[int, bytes]] = field(default_factory=dict)
    """Status and body in place of the right answer, by number of the request for projects, from 1."""
    deleted: Mapping[int, int] = field(default_factory=dict)
    """Projects that are deleted just before a request for projects, by its number."""
    reads: int = 0
    """Requests for projects so far."""
    report: bytes = b'{"report":"<html><body>report</body></html>","success":true}'

    @classmethod
    def of(cls, project_ids: Iterable[int], **fields: Any) -> ListedAccount:
        """Projects with these ids, each with one backtest."""
        ids = list(project_ids)
        projects = [{"projectId": number, "name": f"Project {number}"} for number in ids]
        return cls(projects, {number: [backtest_row(f"{number:032x}")] for number in ids}, **fields)

    def restart(self, **fields: Any) -> None:
        """Count requests from 1 again, with other answers from now on."""
        self.reads = 0
        for name, value in fields.items():
            setattr(self, name, value)

    def read_projects(self, asked: Mapping[str, int]) -> tuple[int, bytes]:
        """The answer to one more request for projects."""
        self.reads += 1
        if (gone := self.deleted.get(self.reads)) is not None:
            self.projects = [row for row in self.projects if row["projectId"] != gone]
        if self.reads in self.wrong:
            return self.wrong[self.reads]
        page = self.projects[asked.get("start", 0) : asked.get("end")]
        return 200, good(projects=page[: self.page_limit] if self.page_limit else page)


class ListingApi(StaticApi):
    """Serves an account."""

    def __init__(self, account: ListedAccount) -> None:
        super().__init__(0, 1, b"@" * 32)
        self._account = account

    def _answer(self, path: bytes, content: bytes) -> None:
        asked = json.loads(content or b"{}")
        if path.endswith(b"/projects/read"):
            self._respond(*self._account.read_projects(asked))
        elif path.endswith(b"/backtests/list"):
            rows = self._account.backtests[asked["projectId"]]
            self._respond(200, good(backtests=rows, count=len(rows)))
        elif path.endswith(b"/report"):
            self._respond(200, self._account.report)
        else:
            super()._answer(path, content)

    def _respond(self, status: int, body: bytes) -> None:
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.writelines([head.encode(), body])


def good(**fields: Any) -> bytes:
    """An answer; JSON as Python writes it, half surrogate pairs and NaN included."""
    return json.dumps({"success": True} | fields).encode()


def backtest_row(backtest_id: Any, name: str = "Backtest") -> dict[str, Any]:
    """A finished backtest as it is listed."""
    return {
        "backtestId": backtest_id,
        "name": name,
        "status": "Completed.",
        "created": "2026-01-01 00:00:00",
        "progress": 1,
    }


@dataclass(frozen=True)
class Served:
    """Where an account is served."""

    base_url: str


@asynccontextmanager
async def serving(account: ListedAccount) -> AsyncIterator[Served]:
    """Serves an account on localhost."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: ListingApi(account), "127.0.0.1", 0)
    async with server:
        yield Served(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v2")
