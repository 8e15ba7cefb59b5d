"""The rate limiter that all commands for one account share through a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec
from platformdirs import user_state_path

from harvester.api import RateLimiter, find_store, limiter_for, pace_file_name
from harvester.app.log import Log
from harvester.config import Settings
from harvester.format import ARCHIVE_FILE, PACE
from harvester.text import Duration


def shared_limiter(
    log: Log,
    settings: Settings,
    user_id: int,
    *,
    patience_s: float | None = None,
    limit_per_min: float | None = None,
) -> RateLimiter:
    """Return the limiter of an account. It knows what the API told other commands of this user.

    Blocks while it reads the file that they share.

    Args:
        log: Takes holds in force and problems with the file.
        settings: Pace, API and archive.
        user_id: Of the account.
        patience_s: A longer hold ends the command; None: `pace.max_hold` decides.
        limit_per_min: Limit to start from when the file knows nothing of the account.
    """
    pace = settings.pace
    if patience_s is not None:
        pace = msgspec.structs.replace(pace, max_hold=Duration(min(patience_s, pace.max_hold)))
    found = find_store(list(_places(settings, user_id)))
    if found.problem:
        log.warning(
            f"the pace of requests is not remembered between commands: {found.problem}; "
            "set XDG_STATE_HOME to a directory that can be written"
        )

    def warn_of_hold(until: datetime) -> None:
        log.warning(
            f"the server asked an earlier command for a pause; nothing is sent before {until.isoformat()}"
        )

    return limiter_for(pace, limit_per_min=limit_per_min, store=found.store, on_hold=warn_of_hold)


def warn_of_problem(log: Log, limiter: RateLimiter) -> None:
    """Log it when the pace could no longer be shared during a run."""
    if limiter.problem:
        log.warning(limiter.problem)


def _places(settings: Settings, user_id: int) -> Iterator[Path]:
    """Files for the account's pace, best first: the user's state directory, then the Archive."""
    with suppress(RuntimeError):  # a user without a name or home, as containers have them
        yield user_state_path("harvester") / "pace" / pace_file_name(user_id, settings.api.base_url)
    archive = Path(settings.archive.dir)
    if (archive / ARCHIVE_FILE).exists():
        yield archive / PACE
