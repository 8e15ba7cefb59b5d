"""Reading single reports again for a repair: the API's client, called from code that does not await."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from harvester.cli.console import Session
from harvester.errors import ApiError, AuthenticationError, ConfigError, CredentialsError, ThrottledError

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

    from harvester.api import ApiClient
    from harvester.archive import Archive
    from harvester.audit import Reread
    from harvester.config import Settings
    from harvester.model import InventoryEntry

_PATIENCE_S: Final = 300.0
"""How long one report may be generated before it is given up."""
_POLL_S: Final = 10.0


@contextmanager
def reader(session: Session, archive: Archive, settings: Settings) -> Iterator[Reread]:
    """A function that asks the API for a report again; nothing is connected before its first call."""
    with ExitStack() as stack:
        yield _Reader(session, archive, settings, stack).read


class _Reader:
    """The client, made when it is first needed."""

    def __init__(self, session: Session, archive: Archive, settings: Settings, stack: ExitStack) -> None:
        self._session = session
        self._archive = archive
        self._settings = settings
        self._stack = stack
        self._portal: BlockingPortal | None = None
        self._client: ApiClient | None = None
        self._refused = False

    def read(self, entry: InventoryEntry) -> bytes | None:
        """The report's bytes as the API gives them now; None when it does not.

        What keeps every report from being read, such as refused credentials or a long hold, is told once
        and ends no repair: files were replaced already, and what is left has to be named.
        """
        if self._refused:
            return None
        try:
            portal, client = self._connect()
            return portal.call(_fetch, client, entry)
        except (ConfigError, AuthenticationError, ThrottledError) as exc:
            self._refused = True
            self._session.log.warning("lost reports are not read again", why=str(exc))
        except ApiError as exc:
            self._session.log.warning("a lost report was not read again", path=entry.path, why=str(exc))
        return None

    def _connect(self) -> tuple[BlockingPortal, ApiClient]:
        if self._portal is None or self._client is None:
            from anyio.from_thread import start_blocking_portal

            client = self._make_client()
            self._portal = self._stack.enter_context(start_blocking_portal())
            self._client = self._stack.enter_context(self._portal.wrap_async_context_manager(client))
            self._portal.call(client.authenticate)
        return self._portal, self._client

    def _make_client(self) -> ApiClient:
        from harvester.api import ApiClient
        from harvester.app.pacing import shared_limiter
        from harvester.config import Loaded

        found = self._session.credentials(Loaded(self._settings, {}, None, self._session.account))
        if not self._archive.belongs_to(found.user_id):
            raise CredentialsError("the credentials are another account's than the Archive")
        limiter = shared_limiter(self._session, self._settings, found.user_id, patience_s=_PATIENCE_S)
        return ApiClient.for_account(self._settings, found, limiter=limiter)


async def _fetch(client: ApiClient, entry: InventoryEntry) -> bytes | None:
    import anyio

    from harvester.api import Pending

    deadline = time.monotonic() + _PATIENCE_S
    while isinstance(report := await client.fetch_report(entry.project_id, entry.backtest_id), Pending):
        if time.monotonic() > deadline:
            return None
        await anyio.sleep(_POLL_S)
    return report.encode()
