"""The client of QuantConnect's API: every request of harvester is paced, signed and retried here."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

import aiohttp
import anyio

from harvester import __version__
from harvester.api.answers import (
    NETWORK_ERRORS,
    check_answer,
    network_error,
    server_time,
    too_large,
)
from harvester.api.budget import BUDGET_BYTES, ByteBudget, Room
from harvester.api.events import NullObserver, RequestEvent, RequestObserver, answer_word
from harvester.api.pace import RateLimiter, limiter_for
from harvester.api.proxy import Route, find_route
from harvester.api.retry import Backoff, retrying
from harvester.api.signing import Signer
from harvester.api.wire import Answer, Meaning, Pending, classify, parse_report
from harvester.config import ApiSettings, Credentials, Settings
from harvester.errors import (
    ApiError,
    AuthenticationError,
    LockedOutError,
    RateLimitedError,
    RefusedError,
    TransportError,
)
from harvester.text import render_duration

T = TypeVar("T")

_CLOCK_TOLERANCE_S: Final = 300.0
"""A clock that is this far off explains a refused signature better than a wrong token does."""
_CLOCK_NOTICE_S: Final = 15.0
"""A clock that is this far off is mentioned: an old page of the API's reference allows 20 s."""


@dataclass(frozen=True)
class _CallSpec(Generic[T]):
    """One call, which may take several attempts."""

    endpoint: str
    payload: dict[str, Any]
    parse: Callable[[Answer], T]
    room: Room
    on_request: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class _Start:
    """The start of one attempt."""

    number: int
    """Number within its call, from 1."""
    asked_at: float
    """Unix time at which it asked the limiter."""
    at: float
    """Unix time at which it started; this is what gets signed."""
    limiter_time: float
    """Its start on the limiter's clock."""


class ApiClient:
    """Sends requests to the API for one Account; an async context manager.

    Entering it raises `ConfigError` if the environment names a proxy that cannot be used.
    """

    def __init__(  # noqa: PLR0913 -- the three that matter are positional, the others are keywords with defaults
        self,
        settings: ApiSettings,
        signer: Signer,
        limiter: RateLimiter,
        *,
        observer: RequestObserver | None = None,
        backoff: Backoff | None = None,
        now: Callable[[], float] = time.time,
        random: Callable[[], float] = random.random,
        budget_bytes: int = BUDGET_BYTES,
    ) -> None:
        """Keep what the client needs; nothing is connected yet.

        Args:
            settings: Address, timeouts, limits.
            signer: Signs each request for the Account.
            limiter: Delays each request; `limiter` is also an attribute, so a run can read and stop it.
            observer: Receives an event for each request; None: nobody does.
            backoff: Waits between the attempts of one call; None: from the settings.
            now: Returns Unix time, which is what gets signed.
            random: Returns a number from 0 to 1, for the jitter of a wait.
            budget_bytes: How much memory all answers but the largest may use at once.
        """
        self.limiter = limiter
        self._settings = settings
        self._signer = signer
        self._observer = observer or NullObserver()
        self._backoff = backoff or Backoff(tries=settings.tries)
        self._now = now
        self._random = random
        self._session: aiohttp.ClientSession | None = None
        self._route = Route()
        self.budget = ByteBudget(budget_bytes)
        """Bounds the answers that are in memory."""
        self.requests = 0
        """Number of requests that were sent, of all kinds."""
        self.server_offset_s: float | None = None
        """Seconds that the server's clock is ahead of this machine's; None before the first answer."""

    @classmethod
    def for_account(
        cls,
        settings: Settings,
        credentials: Credentials,
        *,
        limiter: RateLimiter | None = None,
        observer: RequestObserver | None = None,
        backoff: Backoff | None = None,
    ) -> Self:
        """Return a client for the account that these credentials belong to.

        Args:
            settings: The settings of the account; `api` and, without a limiter, `pace` are used.
            credentials: User id and token, which sign each request.
            limiter: Shared with other commands of the account; None: one of this process alone.
            observer: Receives an event for each request; None: nobody does.
            backoff: Waits between the attempts of one call; None: from the settings.
        """
        return cls(
            settings.api,
            Signer(credentials.user_id, credentials.token.reveal()),
            limiter or limiter_for(settings.pace),
            observer=observer,
            backoff=backoff,
        )

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(
            total=None,  # `_exchange` bounds it, without the time that an answer waits for memory
            sock_connect=self._settings.connect_timeout,
            sock_read=self._settings.read_timeout,
        )
        # Found once for all requests, and its errors come before the first request.
        self._route = find_route(self._settings.base_url)
        self._session = aiohttp.ClientSession(
            timeout=timeout,
            # Each request carries its own signature; cookies would only add state.
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"harvester/{__version__}"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def authenticate(self) -> None:
        """Send the cheapest authenticated request, to prove the credentials.

        Raises:
            AuthenticationError: they are refused or locked out, or this machine's clock is wrong; the text
                says which.
        """
        try:
            with self.budget.room() as room:
                await self._call(_CallSpec("authenticate", {}, lambda answer: answer, room))
        except LockedOutError:
            raise  # its text says what to do already
        except AuthenticationError as exc:
            raise self._with_advice(exc) from exc

    async def call(
        self,
        endpoint: str,
        payload: dict[str, Any],
        parse: Callable[[Answer], T],
        *,
        on_request: Callable[[], None] = lambda: None,
        room: Room | None = None,
    ) -> T:
        """Make one call, with several attempts if necessary, and return what `parse` returns.

        Args:
            endpoint: Route below the base URL.
            payload: JSON object that is sent.
            parse: Converts the answer; a TransportError that it raises leads to another attempt.
            on_request: Called for every request that is sent.
            room: Memory for the answer, if the caller needs it after the call; None: until it is parsed.

        Raises:
            ApiError: by the table of `harvester.api.answers`, after the last attempt.
        """
        try:
            with nullcontext(room) if room else self.budget.room() as held:
                return await self._call(_CallSpec(endpoint, payload, parse, held, on_request))
        except LockedOutError:
            raise  # nothing more is sent, not even to test the credentials
        except AuthenticationError as exc:
            # Only a refused `authenticate` proves that further calls are useless.
            await self.authenticate()
            raise RefusedError(
                f"{exc}, although the credentials are valid",
                endpoint=endpoint,
                status=exc.status,
                texts=exc.texts,
                code=exc.code,
            ) from exc

    async def fetch_report(
        self,
        project_id: int,
        backtest_id: str,
        *,
        on_request: Callable[[], None] = lambda: None,
        room: Room | None = None,
    ) -> str | Pending:
        """Fetch the report's HTML, or `Pending`; the first request makes the server render it.

        `on_request` is called for every request that is sent; `room` is memory for as long as the caller
        needs the report.

        Raises:
            ApiError: by the table of `harvester.api.answers`.
        """
        endpoint = "backtests/read/report"
        payload = {"projectId": project_id, "backtestId": backtest_id}
        return await self.call(
            endpoint,
            payload,
            lambda answer: parse_report(answer, endpoint=endpoint),
            on_request=on_request,
            room=room,
        )

    async def _call(self, call: _CallSpec[T]) -> T:
        async for attempt in retrying(self._backoff, random=self._random, sleep=self.limiter.stop.sleep):
            with attempt:
                asked_at = self._now()
                limiter_time = await self.limiter.acquire()
                start = _Start(attempt.retry_state.attempt_number, asked_at, self._now(), limiter_time)
                self.requests += 1
                call.on_request()
                return await self._attempt(call, start)
        raise AssertionError("unreachable")

    async def _attempt(self, call: _CallSpec[T], start: _Start) -> T:
        word, size, error, hold_s = "cut off", 0, "", 0.0
        try:
            status, headers, body = await self._exchange(call, int(start.at))
            size = len(body)
            answer = check_answer(status, headers, body, endpoint=call.endpoint, now=self._now())
            del body  # a large body is in memory twice: here and in the answer
            parsed = call.parse(answer)
        except ApiError as exc:
            # A failed answer is not kept, so its memory must not delay others during the retry.
            call.room.clear()
            word, error = answer_word(exc), str(exc)
            hold_s = self._report_failure(exc, start)
            raise
        else:
            word = (Meaning.GENERATING if isinstance(parsed, Pending) else classify(answer)).value
            self.limiter.record_success()
            return parsed
        finally:
            self._observer.request_ended(
                RequestEvent(
                    endpoint=call.endpoint,
                    project_id=call.payload.get("projectId"),
                    backtest_id=call.payload.get("backtestId"),
                    attempt=start.number,
                    started=start.at,
                    waited_s=start.at - start.asked_at,
                    took_s=self._now() - start.at,
                    answer=word,
                    size_bytes=size,
                    error=error,
                    hold_s=hold_s,
                )
            )

    def _report_failure(self, exc: ApiError, start: _Start) -> float:
        """Report a failure to the limiter; returns the seconds for which it makes every request wait."""
        if isinstance(exc, RateLimitedError):
            return self.limiter.record_throttled(
                start.limiter_time, retry_after_s=exc.retry_after_s, endpoint=exc.endpoint
            )
        # A refusal is an answer too: it was not "slow down". A broken connection says nothing.
        if not isinstance(exc, TransportError):
            self.limiter.record_success()
        return 0.0

    async def _exchange(
        self, call: _CallSpec[T], timestamp_s: int
    ) -> tuple[int, Mapping[str, str], bytes | bytearray]:
        """Send one signed request; returns status, headers and body, which is read up to the limit only."""
        if self._session is None:
            raise RuntimeError("use the client within `async with`")
        url = f"{self._settings.base_url.rstrip('/')}/{call.endpoint}"
        try:
            with anyio.fail_after(self._settings.total_timeout) as scope:
                async with self._session.post(
                    url,
                    json=call.payload,
                    headers={**self._route.headers, **self._signer.headers(timestamp_s)},
                    proxy=self._route.proxy,
                    proxy_headers=self._route.proxy_headers,
                    # A redirect would send the signature to another host.
                    allow_redirects=False,
                ) as response:
                    self._record_clock(response.headers)
                    return response.status, response.headers, await self._read(call, response, scope)
        except NETWORK_ERRORS as exc:
            raise network_error(exc, endpoint=call.endpoint) from exc

    async def _read(
        self, call: _CallSpec[T], response: aiohttp.ClientResponse, scope: anyio.CancelScope
    ) -> bytearray:
        """Return the body; the time that it waits for memory does not count against the timeout."""
        limit_bytes = self._settings.max_body_mb * 2**20
        body = bytearray()

        async def make_room(size_bytes: int) -> None:
            if call.room.try_grow_to(size_bytes):
                return
            # The clock of the timeout is stopped while the answer waits for memory.
            left_s, scope.deadline = scope.deadline - anyio.current_time(), math.inf
            await call.room.grow_to(size_bytes)
            scope.deadline = anyio.current_time() + left_s

        # With a known length the memory is reserved at once and not in steps.
        await make_room(min(response.content_length or 0, limit_bytes))
        async for part in response.content.iter_any():
            if len(body) + len(part) > limit_bytes:
                response.close()
                raise too_large(limit_bytes, endpoint=call.endpoint)
            await make_room(len(body) + len(part))
            body += part
        return body

    def _record_clock(self, headers: Mapping[str, str]) -> None:
        moment = server_time(headers)
        if moment is not None:
            self.server_offset_s = moment - self._now()

    def _with_advice(self, exc: AuthenticationError) -> AuthenticationError:
        offset_s = self.server_offset_s or 0.0
        if abs(offset_s) > _CLOCK_TOLERANCE_S:
            advice = f"{_clock_words(offset_s)}; set it and run again"
        else:
            advice = "check the user id and the API token on quantconnect.com/settings"
            if abs(offset_s) > _CLOCK_NOTICE_S:
                advice += f"; also, {_clock_words(offset_s)}"
        return AuthenticationError(
            f"{exc}; {advice}", endpoint=exc.endpoint, status=exc.status, texts=exc.texts, code=exc.code
        )


def _clock_words(offset_s: float) -> str:
    side = "behind" if offset_s > 0 else "ahead of"
    return f"this machine's clock is {render_duration(abs(offset_s), rough=True)} {side} the server's"
