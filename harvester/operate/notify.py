"""Pings, a webhook and messages around a run. Trouble with them is a text for the log and spoils no run."""

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
    """Tell a Healthchecks-style service that a run starts (`start`) or has ended (its exit code).

    Returns:
        What went wrong; empty when nothing did. The address is a secret and not in it.
    """
    return await _send("the ping", f"{url.rstrip('/')}/{what}", None)


async def post_summary(url: str, summary: dict[str, Any]) -> str:
    """Send the JSON summary of a run to a webhook; returns what went wrong."""
    return await _send("the webhook", url, mask_value(summary))


async def send_message(urls: Sequence[str], title: str, body: str) -> str:
    """Send a text by whatever apprise knows: mail, chats, pagers; returns what went wrong.

    Addresses are called by their place in the settings, since they hold passwords.
    """
    return await anyio.to_thread.run_sync(lambda: "; ".join(_deliver(urls, mask(title), mask(body))))


def _deliver(urls: Sequence[str], title: str, body: str) -> Iterator[str]:
    try:
        from apprise import Apprise
    except ImportError:
        yield "apprise is not installed, so no message was sent; run: pip install 'apprise>=1.9'"
        return
    logging.getLogger("apprise").disabled = True  # its lines hold parts of addresses
    for place, url in enumerate(urls, start=1):
        receiver = Apprise()
        if not receiver.add(url):
            yield f"notify.apprise_urls: address {place} is none that apprise knows"
        elif not receiver.notify(title=title, body=body):
            yield f"notify.apprise_urls: the message to address {place} was not taken"


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
            return "" if response.status < 300 else f"{name} was answered with HTTP {response.status}"
    except ConfigError as exc:
        return f"{name} failed: {exc}"
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as exc:
        return f"{name} failed: {type(exc).__name__}"
