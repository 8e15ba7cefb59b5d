"""Answers that are larger than the memory for them: one after the other, and none is given up for waiting."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from support.servers.canned import TOKEN, USER_ID, make_limiter

from harvester.api.client import ApiClient
from harvester.api.retry import Backoff
from harvester.api.signing import Signer
from harvester.config.settings import ApiSettings
from harvester.text import Duration

HTML = "<p>\u20ac / \\ \U0001f600</p>" * 60_000
BODY = json.dumps({"success": True, "report": HTML}).encode()


@asynccontextmanager
async def serving(*, chunked: bool) -> AsyncIterator[str]:
    """Every request gets the body, with its length before it or in chunks of a length that nobody knows."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line[15:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:"
        )
        await reader.readexactly(length)
        kind = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(BODY)
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + kind + b"\r\n\r\n")
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY) if chunked else BODY
        writer.write(body)
        with anyio.move_on_after(10):
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_large_answer_waits_for_another_one_longer_than_an_answer_may_take(*, chunked: bool) -> None:
    done: list[str] = []
    async with serving(chunked=chunked) as base_url:
        settings = ApiSettings(base_url=base_url, total_timeout=Duration(0.5), read_timeout=Duration(5))
        given = {"backoff": Backoff(tries=1), "budget_bytes": len(BODY) // 4}
        async with ApiClient(settings, Signer(USER_ID, TOKEN), make_limiter(), **given) as client:

            async def fetch(name: str) -> None:
                with client.budget.room() as room:
                    html = await client.fetch_report(1, name, room=room)
                    done.append(f"{name} came")
                    assert html == HTML
                    await anyio.sleep(0.8)  # it is archived
                    done.append(f"{name} is archived")

            async with anyio.create_task_group() as group:
                for name in ("a", "b"):
                    group.start_soon(fetch, name)
    (first, _), (second, _) = (line.split(" ", 1) for line in done[::2])
    assert done == [f"{first} came", f"{first} is archived", f"{second} came", f"{second} is archived"]


async def test_memory_is_given_back_when_an_answer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(chunked=True) as base_url:
        settings = ApiSettings(base_url=base_url, max_body_mb=1)
        async with ApiClient(settings, Signer(USER_ID, TOKEN), make_limiter()) as client:
            with client.budget.room() as room:
                with pytest.raises(Exception, match="larger than"):
                    await client.fetch_report(1, "a", room=room)
                assert room.size_bytes == 0
