"""Checks of the API: the credentials, the clock, the first page of projects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import anyio

from harvester.api import ApiClient, Backoff, BadRow, RateLimiter, parse_projects
from harvester.app.doctor.check import Check, Status, failure, ok, warning
from harvester.app.exits import ExitCode
from harvester.config import Credentials, Settings
from harvester.errors import ApiError, AuthenticationError, ThrottledError

_PROJECTS: Final = "projects/read"
_PAGE: Final = 10
_CLOCK_TOLERANCE_S: Final = 30.0
PATIENCE_S: Final = 60.0
"""A diagnosis waits no longer than this, whatever pause the server asks for."""


async def check_api(
    settings: Settings, credentials: Credentials, limiter: RateLimiter, patience_s: float = PATIENCE_S
) -> list[Check]:
    """Send two requests and check what they show.

    Args:
        settings: API and pace.
        credentials: Of the account.
        limiter: The account's.
        patience_s: How long to wait, besides what the configured rate needs for two requests.
    """
    patience_s += 2 * 60 / settings.pace.rate_per_min
    client = ApiClient.for_account(settings, credentials, limiter=limiter, backoff=Backoff(tries=2))
    checks: list[Check] = []
    async with client:
        with anyio.move_on_after(patience_s) as scope:
            checks.append(await _check_authentication(client))
            checks.extend(check_clock(client.server_offset_s))
            if checks[0].status is Status.OK:
                checks.append(await _check_projects(client))
    if scope.cancelled_caught:
        text = f"no usable answer from {settings.api.base_url} within {patience_s:.0f} s"
        checks.append(Check("api", Status.ERROR, text, "try again later", ExitCode.ERROR))
    return checks


def check_clock(offset_s: float | None) -> Iterator[Check]:
    """Compare this machine's clock with the server's; no check when the server was not reached.

    Args:
        offset_s: The server's time minus ours, seconds.
    """
    if offset_s is None:
        return
    side = "behind" if offset_s > 0 else "ahead of"
    text = f"{abs(offset_s):.0f} s {side} the server's"
    if abs(offset_s) > _CLOCK_TOLERANCE_S:
        yield warning("clock", text, "signatures carry the time: set the clock (timedatectl set-ntp true)")
    else:
        yield ok("clock", text)


async def _check_authentication(client: ApiClient) -> Check:
    try:
        await client.authenticate()
    except AuthenticationError as exc:
        return failure("authentication", exc)
    except ThrottledError as exc:
        return failure("pace", exc)
    except ApiError as exc:
        return failure(
            "api", exc, "check that this machine reaches api.base_url, through the proxy if there is one"
        )
    return ok("authentication", "the API accepts the credentials")


async def _check_projects(client: ApiClient) -> Check:
    try:
        found = await client.call(
            _PROJECTS, {"start": 0, "end": _PAGE}, lambda answer: parse_projects(answer, endpoint=_PROJECTS)
        )
    except ApiError as exc:
        return failure("projects", exc)
    if not found:
        return warning("projects", "the account lists none", "check that it is the account you mean")
    bad = [row.text for row in found if isinstance(row, BadRow)]
    if bad:
        text = f"{len(bad)} of {len(found)} rows have no usable id ({bad[0]})"
        return warning("projects", text, "a run archives the others and ends 3 (partial); ask QuantConnect")
    more = " or more" if len(found) >= _PAGE else ""
    return ok("projects", f"{len(found)}{more} can be listed")
