"""Everything that an Account lists, with proof that the listing is whole."""

from __future__ import annotations

from typing import Final

from harvester.api.client import ApiClient
from harvester.api.wire import parse_backtests, parse_projects
from harvester.errors import ProtocolError, RefusedError
from harvester.model import Backtest, Project

_PROJECTS: Final = "projects/read"
_BACKTESTS: Final = "backtests/list"
_MAX_PAGES: Final = 1000
"""More pages than that are no listing but a loop."""


async def fetch_projects(client: ApiClient) -> list[Project]:
    """All projects of the Account, each once, in id order.

    One call without bounds is known to give everything, but a server-side limit may exist and no total is
    sent. So a probe beyond the last row follows; where it finds more, the pages are read to their end.

    Raises:
        ApiError: the listing could not be read to its end.
    """
    found = {project.project_id: project for project in await _page(client, {})}
    for _ in range(_MAX_PAGES):
        start = len(found)
        more = await _beyond(client, start, size=max(start, 1))
        new = [project for project in more if project.project_id not in found]
        if not new:
            return [found[project_id] for project_id in sorted(found)]
        found.update((project.project_id, project) for project in new)
    raise ProtocolError(f"{_PROJECTS}: the listing has no end after {_MAX_PAGES} pages", endpoint=_PROJECTS)


async def fetch_backtests(client: ApiClient, project_id: int) -> list[Backtest]:
    """All backtests of a project, each once, by creation and id.

    Raises:
        ApiError: the listing could not be read, or does not hold as many rows as it says.
    """
    payload = {"projectId": project_id, "includeStatistics": True}
    rows = await client.call(
        _BACKTESTS, payload, lambda answer: parse_backtests(answer, project_id, endpoint=_BACKTESTS)
    )
    return sorted(rows, key=lambda backtest: (backtest.created, backtest.backtest_id))


async def _page(client: ApiClient, payload: dict[str, int]) -> list[Project]:
    return await client.call(_PROJECTS, payload, lambda answer: parse_projects(answer, endpoint=_PROJECTS))


async def _beyond(client: ApiClient, start: int, *, size: int) -> list[Project]:
    """The page from `start`; nothing when the server says that there is no such page."""
    try:
        return await _page(client, {"start": start, "end": start + size})
    except RefusedError:
        return []
