"""Answers without a server, for tests in which one answer is mapped to one error."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import aiohttp
import msgspec
from aioresponses import aioresponses

from harvester.api.answers import check_answer
from harvester.api.budget import Room
from harvester.api.client import ApiClient
from harvester.api.pace import RateLimiter, limiter_for
from harvester.api.retry import Backoff
from harvester.api.signing import Signer
from harvester.config.settings import ApiSettings, PaceSettings
from harvester.text import Duration

BASE = "https://quantconnect.invalid/api/v2"
USER_ID, TOKEN = 123456, "aaaabbbbccccdddd"
Payload = dict[str, Any]


class CannedResponse(aiohttp.ClientResponse):
    """aioresponses 0.7.9 does not know of the writer that aiohttp 3.14 asks for."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"stream_writer": SimpleNamespace(output_size=0)} | kwargs)


class Canned(aioresponses):
    """What `endpoint` answers, in order; each answer once."""

    def answer(self, endpoint: str, body: bytes = b'{"success":true}', **fields: Any) -> None:
        self.post(f"{BASE}/{endpoint}", body=body, response_class=CannedResponse, **fields)

    def fail(self, endpoint: str, exception: BaseException) -> None:
        self.post(f"{BASE}/{endpoint}", exception=exception)

    def headers(self) -> list[dict[str, str]]:
        """The headers of all requests, in order by endpoint."""
        return [dict(call.kwargs["headers"]) for calls in self.requests.values() for call in calls]


def make_limiter() -> RateLimiter:
    return limiter_for(PaceSettings(rate_per_min=6e6, burst=100, pause=Duration(0.001)))


def make_client(*, tries: int = 1, limiter: RateLimiter | None = None, **outside: Any) -> ApiClient:
    """A client that waits for nothing and tries once, unless said otherwise."""
    given = {"backoff": Backoff(tries=tries, slow_downs=tries, first_s=0.0)} | outside
    return ApiClient(ApiSettings(base_url=BASE), Signer(USER_ID, TOKEN), limiter or make_limiter(), **given)


class ScriptedClient(ApiClient):
    """A client whose answers, or errors, a function gives."""

    def __init__(self, answer: Callable[[Payload], Any]) -> None:
        super().__init__(ApiSettings(base_url=BASE), Signer(1, "t"), make_limiter())
        self._answer = answer
        self.payloads: list[Payload] = []

    async def authenticate(self) -> None:
        """Is always right."""

    async def call(
        self,
        endpoint: str,
        payload: Payload,
        parse: Callable[[Any], Any],
        *,
        on_request: Callable[[], None] = lambda: None,
        room: Room | None = None,
    ) -> Any:
        on_request()
        self.payloads.append(payload)
        answer = self._answer(payload)
        if isinstance(answer, Exception):
            raise answer
        body = msgspec.json.encode(answer)
        return parse(check_answer(200, {}, body, endpoint=endpoint, now=0.0))
