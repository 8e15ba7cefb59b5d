"""Every way in which one answer can go wrong, carried out on the real connection."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate
from typing import Final

from aiohttp import web

from harvester.simulator.gate import HASH_CODE, LOCKED_OUT, echo_of
from harvester.simulator.protocol import encode, refuse
from harvester.simulator.scenario import FaultKind

_HTML: Final = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center><hr>{1}</body></html>"
_STATUSES: Final = {
    FaultKind.BAD_GATEWAY: (502, "Bad Gateway", "nginx"),
    FaultKind.UNAVAILABLE: (503, "Service Temporarily Unavailable", "nginx"),
    FaultKind.GATEWAY_TIMEOUT: (504, "Gateway Time-out", "nginx"),
    FaultKind.CLOUDFLARE: (520, "Web server is returning an unknown error", "cloudflare"),
    FaultKind.HTML_200: (200, "Maintenance", "We will be back soon"),
}
_BODIES: Final = {
    FaultKind.INVALID_JSON: b'{"report": nonsense, "success"',
    FaultKind.INVALID_UTF8: b'{"report": "\xff\xfe\xfa", "success": true}',
    FaultKind.WRONG_SHAPE: b'["neither", "this"]',
    FaultKind.WRONG_TYPE: b'{"report": 42, "backtests": 42, "projects": 42, "success": true}',
    FaultKind.ERRORS: b'{"errors":["Invalid argument"],"success":false}',
    FaultKind.MESSAGES: b'{ "success": false, "messages": ["Message 1", "Message 2"] }',
    FaultKind.MESSAGE: b'{ "success": false, "Message": "Internal Error 21" }',
    FaultKind.NOT_FOUND: b'{ "success": false, "errors": [ "Backtest not found" ] }',
    FaultKind.HASH: b'{"errors":["Hash doesn\'t match. Please check"],"success":false}',
    FaultKind.HASH_CODE: encode(HASH_CODE),
    FaultKind.LOCKED_OUT: encode(refuse(LOCKED_OUT)),
    FaultKind.USER: b'{"errors":["UserID not valid (None) REF #m2scDQ8GD7"],"success":false}',
    FaultKind.TIMESTAMP: b'{"errors":["Invalid timestamp, value received: 0"],"success":false}',
    FaultKind.SLOW_DOWN: b'{"errors":["Too many backtest requests; please slow down."],"success":false}',
}
_OVERSIZED_PARTS: Final = 4096
_PART: Final = b"A" * 65_536


async def send_fault(
    request: web.Request, kind: FaultKind, *, body: bytes, retry_after_s: float, pause_s: float
) -> web.StreamResponse:
    """Send what the fault says instead of the right answer, or a damaged form of it.

    Args:
        request: The request to answer.
        kind: What goes wrong.
        body: The body that would have been right.
        retry_after_s: The wait that some of the answers name, in seconds of this machine's clock.
        pause_s: The pause between the bytes of a drip, in seconds; a hang lasts a thousand pauses.
    """
    if kind in _STATUSES:
        status, title, server = _STATUSES[kind]
        return web.Response(status=status, text=_HTML.format(title, server), content_type="text/html")
    if kind in _REFUSALS:
        return _refuse(kind, retry_after_s)
    wrong = _wrong_body(request, kind, body)
    if wrong is not None:
        return web.Response(body=wrong, content_type="application/json")
    if kind is FaultKind.GZIP:
        response = web.Response(body=body, content_type="application/json")
        response.enable_compression(web.ContentCoding.gzip)
        return response
    return await _stream_fault(request, kind, body=body, pause_s=pause_s)


def _wrong_body(request: web.Request, kind: FaultKind, body: bytes) -> bytes | None:
    """The body that is sent with status 200; None for faults of another kind."""
    if kind is FaultKind.HASH_ECHO:
        return encode(refuse(echo_of(request.headers)))
    if kind is FaultKind.TRUNCATED_JSON:
        return body[: len(body) // 2]
    return _BODIES.get(kind)


_REFUSALS: Final = frozenset(
    {
        FaultKind.EMPTY_500,
        FaultKind.UNAUTHORIZED,
        FaultKind.TOO_MANY,
        FaultKind.TOO_MANY_SECONDS,
        FaultKind.TOO_MANY_DATE,
    }
)


def _refuse(kind: FaultKind, retry_after_s: float) -> web.Response:
    if kind is FaultKind.EMPTY_500:
        return web.Response(status=500)
    if kind is FaultKind.UNAUTHORIZED:
        return web.Response(status=401, headers={"WWW-Authenticate": "Basic"})
    headers = {}
    if kind is FaultKind.TOO_MANY_SECONDS:
        headers["Retry-After"] = f"{retry_after_s:.0f}"
    if kind is FaultKind.TOO_MANY_DATE:
        headers["Retry-After"] = formatdate(time.time() + retry_after_s, usegmt=True)
    return web.Response(status=429, headers=headers)


async def _stream_fault(
    request: web.Request, kind: FaultKind, *, body: bytes, pause_s: float
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    if kind is FaultKind.RESET_BEFORE_HEADERS:
        _abort(request)
    elif kind is FaultKind.HANG:
        await asyncio.sleep(pause_s * 1000)
        _abort(request)
    elif kind is FaultKind.RESET_IN_BODY:
        response.content_length = len(body)
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        _abort(request)
    elif kind is FaultKind.DRIP:
        await response.prepare(request)
        for at in range(len(body)):
            await response.write(body[at : at + 1])
            await asyncio.sleep(pause_s)
    else:  # oversized
        await response.prepare(request)
        await response.write(b'{"report": "')
        for _ in range(_OVERSIZED_PARTS):
            await response.write(_PART)
    return response


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
