"""Fetches the lists of an Account: its projects, proven complete or not, and the backtests of a project."""

from __future__ import annotations

from functools import partial
from typing import Final

from harvester.api.budget import Room
from harvester.api.client import ApiClient
from harvester.api.listing import BacktestList, parse_listing
from harvester.api.paging import Paging, ProjectList
from harvester.api.rows import parse_projects
from harvester.errors import (
    ApiError,
    AuthenticationError,
    RateLimitedError,
    RefusedError,
    ThrottledError,
)

_PROJECTS: Final = "projects/read"
_BACKTESTS: Final = "backtests/list"


async def fetch_projects(client: ApiClient) -> ProjectList:
    """Fetch all projects of the Account; `harvester.api.paging` says what proves that none is missing.

    A list that can be read only in part is no error: its `unproven` says why.

    Raises:
        ApiError: not even the call without bounds was answered.
        AuthenticationError, ThrottledError: every further request would fail too.
    """
    paging = Paging()
    while (window := paging.next_window) is not None:
        parse = partial(parse_projects, endpoint=_PROJECTS, first=window.start)
        try:
            rows = await client.call(_PROJECTS, window.payload, parse)
        except (AuthenticationError, ThrottledError):
            raise
        except ApiError as exc:
            if not paging.is_started:
                raise
            if isinstance(exc, RateLimitedError):
                paging.give_up(str(exc))  # requesting it again at once is what the server has just refused
            else:
                no_row = _may_mean_no_row(exc)
                paging.add_failure(str(exc), refused=isinstance(exc, RefusedError), no_row=no_row)
        else:
            paging.add_rows(rows)
    return paging.result()


def _may_mean_no_row(exc: ApiError) -> bool:
    """Whether a refusal comes from the API itself and is not about a missing item or the signature."""
    about_signature = isinstance(exc.__cause__, AuthenticationError)  # refused with good credentials
    return type(exc) is RefusedError and exc.status == 200 and not about_signature


async def fetch_backtests(client: ApiClient, project_id: int, *, room: Room | None = None) -> BacktestList:
    """Fetch all backtests of a project; `room` is memory for as long as the caller needs them.

    Raises:
        ApiError: the listing could not be read, or has another number of rows than it says.
    """
    payload = {"projectId": project_id, "includeStatistics": True}
    parse = partial(parse_listing, project_id=project_id, endpoint=_BACKTESTS)
    return await client.call(_BACKTESTS, payload, parse, room=room)
