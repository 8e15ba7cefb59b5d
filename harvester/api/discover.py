"""Everything that an Account lists, and whether the list of projects is proven complete."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

from harvester.api.client import ApiClient
from harvester.api.paging import Paging, ProjectList
from harvester.api.rows import BadRow, parse_backtests, parse_projects
from harvester.errors import (
    ApiError,
    AuthenticationError,
    RateLimitedError,
    RefusedError,
    ThrottledError,
)
from harvester.model import Backtest

_PROJECTS: Final = "projects/read"
_BACKTESTS: Final = "backtests/list"


@dataclass(frozen=True)
class BacktestList:
    """The backtests of a project, each once, by creation and id."""

    backtests: list[Backtest]
    bad_rows: tuple[str, ...] = ()
    """Rows without a usable id; each may be a backtest."""


async def fetch_projects(client: ApiClient) -> ProjectList:
    """All projects of the Account; `harvester.api.paging` says what proves that none is missing.

    A list that can be read only in part is no error: it says that it is not proven, and why.

    Raises:
        ApiError: not even the call without bounds was answered.
        AuthenticationError, ThrottledError: no further request has a point.
    """
    paging = Paging()
    while (window := paging.asks) is not None:
        parse = partial(parse_projects, endpoint=_PROJECTS, first=window.start)
        try:
            rows = await client.call(_PROJECTS, window.payload, parse)
        except (AuthenticationError, ThrottledError):
            raise
        except ApiError as exc:
            if not paging.begun:
                raise
            if isinstance(exc, RateLimitedError):
                paging.give_up(str(exc))  # asking again at once is what the server has just refused
            else:
                paging.failed(str(exc), refused=isinstance(exc, RefusedError), no_row=_may_mean_no_row(exc))
        else:
            paging.answered(rows)
    return paging.result()


def _may_mean_no_row(exc: ApiError) -> bool:
    """Whether a refusal is the API's own plain no: not a gateway's, not about the item or the signature."""
    about_signature = isinstance(exc.__cause__, AuthenticationError)  # refused with good credentials
    return type(exc) is RefusedError and exc.status == 200 and not about_signature


async def fetch_backtests(client: ApiClient, project_id: int) -> BacktestList:
    """All backtests of a project.

    Raises:
        ApiError: the listing could not be read, or does not hold as many rows as it says.
    """
    payload = {"projectId": project_id, "includeStatistics": True}
    rows = await client.call(
        _BACKTESTS, payload, lambda answer: parse_backtests(answer, project_id, endpoint=_BACKTESTS)
    )
    backtests = [row for row in rows if isinstance(row, Backtest)]
    return BacktestList(
        sorted(backtests, key=lambda backtest: (backtest.created, backtest.backtest_id)),
        tuple(row.text for row in rows if isinstance(row, BadRow)),
    )
