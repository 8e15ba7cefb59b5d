"""The limiter that all commands for one account share through a file, and what is said about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec
from platformdirs import user_state_path

from harvester.api import RateLimiter, find_store, limiter_for, pace_file_name
from harvester.cli.console import Session
from harvester.config import Settings
from harvester.format import ARCHIVE_FILE, PACE
from harvester.text import Duration


def shared_limiter(
    session: Session,
    settings: Settings,
    user_id: int,
    *,
    patience_s: float | None = None,
    limit_per_min: float | None = None,
) -> RateLimiter:
    """The limiter for an account, which knows what other commands of the user were told. Blocks for its file.

    Args:
        session: Where holds and problems are logged.
        settings: Pace, API and archive.
        user_id: Names the account.
        patience_s: A hold that is longer ends the command; None: `pace.max_hold` decides.
        limit_per_min: The hidden limit to start from where nothing is known of the account's pace.
    """
    pace = settings.pace
    if patience_s is not None:
        pace = msgspec.structs.replace(pace, max_hold=Duration(min(patience_s, pace.max_hold)))
    found = find_store(list(_places(settings, user_id)))
    if found.problem:
        text = (
            f"the pace of requests is not remembered between commands: {found.problem}; "
            "set XDG_STATE_HOME to a directory that can be written"
        )
        session.log.warning(text)

    def tell(until: datetime) -> None:
        text = f"the server asked an earlier command for a pause; nothing is sent before {until.isoformat()}"
        session.log.warning(text)

    return limiter_for(pace, limit_per_min=limit_per_min, store=found.store, on_hold=tell)


def warn_of_problem(session: Session, limiter: RateLimiter) -> None:
    """Say so when the pace could no longer be shared in mid-run."""
    if limiter.problem:
        session.log.warning(limiter.problem)


def _places(settings: Settings, user_id: int) -> Iterator[Path]:
    """Where the account's pace may be kept, the first that can be written: state directory, archive."""
    with suppress(RuntimeError):  # a user without a name or home, as containers have them
        yield user_state_path("harvester") / "pace" / pace_file_name(user_id, settings.api.base_url)
    archive = Path(settings.archive.dir)
    if (archive / ARCHIVE_FILE).exists():
        yield archive / PACE
