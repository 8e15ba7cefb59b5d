"""Pings and a webhook around a run. Whatever goes wrong here is a text for the log and spoils no run."""

from __future__ import annotations

from typing import Any, Final

import aiohttp

_TIMEOUT_S: Final = 10.0


async def ping(url: str, what: str) -> str:
    """Tell a Healthchecks-style service that a run starts (`start`) or has ended (its exit code).

    Returns:
        What went wrong; empty when nothing did. The address is a secret and not in it.
    """
    return await _send("the ping", f"{url.rstrip('/')}/{what}", None)


async def post_summary(url: str, summary: dict[str, Any]) -> str:
    """Send the JSON summary of a run to a webhook; returns what went wrong."""
    return await _send("the webhook", url, summary)


async def _send(name: str, url: str, body: dict[str, Any] | None) -> str:
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(
                timeout=timeout, trust_env=True, cookie_jar=aiohttp.DummyCookieJar()
            ) as session,
            session.post(url, json=body, allow_redirects=False) as response,
        ):
            return "" if response.status < 300 else f"{name} was answered with HTTP {response.status}"
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as exc:
        return f"{name} failed: {type(exc).__name__}"
