"""`harvester doctor`: is everything in place for a run, and what to do where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from harvester.cli import options
from harvester.cli.console import Session, emit_json, leave, worst

if TYPE_CHECKING:
    from harvester.app import Check


def doctor(
    context: typer.Context,
    archive: options.Archive = None,
    account: options.Account = None,
    json: options.Json = False,
) -> None:
    """Check configuration, credentials, clock, API, disk, links, permissions, lock, last run, bucket, timer.

    Each line is ok, a warning or an error, with what to do about it. Two requests are sent; nothing is
    changed. With --quiet only what is not ok is shown.

    \b
    Exit codes, the worst of what a run would meet:
      0 ok, warnings included    1 error: the API cannot be reached    2 configuration, no credentials
      6 the bucket cannot be written to, or is another archive's
      12 credentials refused or locked out, or the clock is off    16 disk not writable
      18 the server asked for a pause that is still in force       20 the archive is damaged
    """
    session: Session = context.obj
    found = list(_checks(session, archive, account))
    code = worst(check.code for check in found)
    if json:
        rows = [
            {"name": check.name, "status": check.status.value, "text": check.text, "remedy": check.remedy}
            for check in found
        ]
        emit_json({"exit_code": code.value, "exit": code.label, "checks": rows})
    else:
        session.show(*(_line(check) for check in found if not session.quiet or check.remedy or check.code))
    leave(code)


def _checks(session: Session, archive: Path | None, account: str | None) -> Iterator[Check]:
    from datetime import UTC, datetime

    import anyio

    from harvester.app import (
        PATIENCE_S,
        check_api,
        check_archive,
        check_bucket,
        check_configuration,
        check_credentials,
        check_messages,
        check_timer,
        failure,
        shared_limiter,
    )
    from harvester.config import Credentials, mode_of
    from harvester.errors import ConfigError

    try:
        loaded = session.load(account, archive__dir=str(archive) if archive else None)
    except ConfigError as exc:
        yield from (failure("configuration", ConfigError(mistake)) for mistake in exc.mistakes)
        return
    yield from check_configuration(loaded)
    credentials: Credentials | None = None
    try:
        credentials = session.find_credentials(loaded)
        yield from check_credentials(credentials)
    except ConfigError as exc:
        yield failure("credentials", exc)
    if credentials is not None:
        try:
            limiter = shared_limiter(session, loaded.settings, credentials.user_id, patience_s=PATIENCE_S)
            yield from anyio.run(check_api, loaded.settings, credentials, limiter)
        except ConfigError as exc:
            yield failure("api", exc)
    root = Path(loaded.settings.archive.dir).absolute()
    mode = mode_of(loaded.settings.archive)
    yield from check_archive(root, credentials, now=datetime.now(UTC), mode=mode)
    yield from check_bucket(session, loaded)
    yield check_timer(session.environ)
    yield from check_messages(loaded.settings.notify)


def _line(check: Check) -> str:
    remedy = f" -> {check.remedy}" if check.remedy else ""
    return f"{check.status.value:<8} {check.name:<15} {check.text}{remedy}"
