"""All checks of `doctor`, in the order in which a run would meet their problems."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import anyio

from harvester.app.doctor.api import PATIENCE_S, check_api
from harvester.app.doctor.bucket import check_bucket
from harvester.app.doctor.check import Check, failure
from harvester.app.doctor.machine import check_archive, check_configuration, check_credentials
from harvester.app.doctor.timer import check_messages, check_timer
from harvester.app.log import Log
from harvester.app.pacing import shared_limiter
from harvester.app.places import credentials_of
from harvester.config import Credentials, Loaded, mode_of
from harvester.errors import ConfigError


def diagnose(load: Callable[[], Loaded], environ: Mapping[str, str], log: Log) -> Iterator[Check]:
    """Yield every check as it is made. Sends two requests and changes nothing.

    Args:
        load: Loads the settings; a ConfigError that it raises becomes a check, and ends the diagnosis.
        environ: Of the process.
        log: Takes what has to be said about the pace.
    """
    try:
        loaded = load()
    except ConfigError as exc:
        yield from (failure("configuration", ConfigError(mistake)) for mistake in exc.mistakes)
        return
    yield from check_configuration(loaded)
    credentials: Credentials | None = None
    try:
        credentials = credentials_of(loaded, environ)
        yield from check_credentials(credentials)
    except ConfigError as exc:
        yield failure("credentials", exc)
    if credentials is not None:
        try:
            limiter = shared_limiter(log, loaded.settings, credentials.user_id, patience_s=PATIENCE_S)
            yield from anyio.run(check_api, loaded.settings, credentials, limiter)
        except ConfigError as exc:
            yield failure("api", exc)
    root = Path(loaded.settings.archive.dir).absolute()
    mode = mode_of(loaded.settings.archive)
    yield from check_archive(root, credentials, now=datetime.now(UTC), mode=mode)
    yield from check_bucket(loaded, environ)
    yield check_timer(environ)
    yield from check_messages(loaded.settings.notify)
