"""Fetch single lost reports for a repair: the asynchronous client, called from code that does not await."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal

from harvester.api import ApiClient, Pending
from harvester.app.log import Log
from harvester.app.pacing import shared_limiter
from harvester.archive import Archive
from harvester.audit import Refetch
from harvester.config import Credentials, Settings
from harvester.errors import ApiError, AuthenticationError, ConfigError, CredentialsError, ThrottledError
from harvester.model import InventoryEntry

_PATIENCE_S: Final = 300.0
"""How long the server may take to generate one report."""
_POLL_S: Final = 10.0


@contextmanager
def refetcher(
    archive: Archive, settings: Settings, log: Log, *, credentials: Callable[[], Credentials]
) -> Iterator[Refetch]:
    """Yield a function that fetches a report by its Inventory entry; it connects on its first call.

    Args:
        archive: The Archive that has the reports.
        settings: API and pace.
        log: Takes the reports that could not be fetched, and why.
        credentials: Called once, before the first request; must be those of the Archive's account.
    """
    with ExitStack() as stack:

        def connect() -> tuple[BlockingPortal, ApiClient]:
            client = _make_client(archive, settings, log, credentials())
            portal = stack.enter_context(start_blocking_portal())
            stack.enter_context(portal.wrap_async_context_manager(client))
            portal.call(client.authenticate)
            return portal, client

        yield _Refetcher(connect, log).fetch


class _Refetcher:
    """Connects once, and gives up for good after an error that every other report would meet too."""

    def __init__(self, connect: Callable[[], tuple[BlockingPortal, ApiClient]], log: Log) -> None:
        self._connect = connect
        self._log = log
        self._connected: tuple[BlockingPortal, ApiClient] | None = None
        self._gave_up = False

    def fetch(self, entry: InventoryEntry) -> bytes | None:
        """Return the report as the API serves it now, UTF-8; None when it could not be fetched.

        No error ends the repair: it has replaced files already, and what is left must still be reported.
        """
        if self._gave_up:
            return None
        try:
            self._connected = self._connected or self._connect()
            portal, client = self._connected
            return portal.call(_fetch, client, entry)
        except (ConfigError, AuthenticationError, ThrottledError) as exc:
            self._gave_up = True
            self._log.warning("lost reports cannot be fetched", why=str(exc))
        except ApiError as exc:
            self._log.warning("a lost report could not be fetched", path=entry.path, why=str(exc))
        return None


def _make_client(archive: Archive, settings: Settings, log: Log, found: Credentials) -> ApiClient:
    if not archive.belongs_to(found.user_id):
        raise CredentialsError(
            f"the credentials ({found.origin}) belong to another account than the Archive; use its own"
        )
    limiter = shared_limiter(log, settings, found.user_id, patience_s=_PATIENCE_S)
    return ApiClient.for_account(settings, found, limiter=limiter)


async def _fetch(client: ApiClient, entry: InventoryEntry) -> bytes | None:
    deadline = time.monotonic() + _PATIENCE_S
    while isinstance(report := await client.fetch_report(entry.project_id, entry.backtest_id), Pending):
        if time.monotonic() > deadline:
            return None
        await anyio.sleep(_POLL_S)
    return report.encode()
