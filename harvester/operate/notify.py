"""Sends pings, a webhook and messages about a run.

What cannot be sent does not fail the run: every function returns the error as text for the log, empty if
there was none. Addresses may be secrets and are in no text.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any, Final

import aiohttp
import anyio.to_thread

from harvester.api import find_route
from harvester.errors import ConfigError
from harvester.secrets import mask, mask_value

_TIMEOUT_S: Final = 10.0


async def ping(url: str, what: str) -> str:
    """Notify a Healthchecks-style service that a run starts (`start`) or has ended (its exit code).

    Returns:
        The error as text; empty if there was none.
    """
    return await _send("the ping", f"{url.rstrip('/')}/{what}", None)


async def post_summary(url: str, summary: dict[str, Any]) -> str:
    """Send the JSON summary of a run to a webhook; returns the error as text, empty if there was none."""
    return await _send("the webhook", url, mask_value(summary))


async def send_message(urls: Sequence[str], title: str, body: str) -> str:
    """Send a text by mail, chat or pager through apprise; returns the errors as text, empty if none.

    Errors name an address by its position in the settings, since it may hold a password.
    """
    return await anyio.to_thread.run_sync(lambda: "; ".join(_deliver(urls, mask(title), mask(body))))


def _deliver(urls: Sequence[str], title: str, body: str) -> Iterator[str]:
    try:
        from apprise import Apprise  # noqa: PLC0415 -- the extra `apprise` is optional
    except ImportError:
        yield "apprise is not installed, so no message was sent; run: pip install 'apprise>=1.9'"
        return
    logging.getLogger("apprise").disabled = True  # its lines hold parts of addresses
    for place, url in enumerate(urls, start=1):
        receiver = Apprise()
        if not receiver.add(url):
            yield f"notify.apprise_urls: address {place} is not recognised by apprise"
        elif not receiver.notify(title=title, body=body):
            yield f"notify.apprise_urls: the message to address {place} could not be delivered"


async def _send(name: str, url: str, body: dict[str, Any] | None) -> str:
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    try:
        route = find_route(url)
        async with (
            aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.post(
                url,
                json=body,
                headers=route.headers,
                proxy=route.proxy,
                proxy_headers=route.proxy_headers,
                allow_redirects=False,
            ) as response,
        ):
            return "" if response.status < 300 else f"{name} failed: HTTP {response.status}"
    except ConfigError as exc:
        return f"{name} failed: {exc}"
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as exc:
        return f"{name} failed: {type(exc).__name__}"
