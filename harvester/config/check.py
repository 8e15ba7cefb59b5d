"""Finds settings that are valid by themselves but not with the calendar, the network or other settings."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from harvester.config.paths import PATHS
from harvester.config.settings import ApiSettings, FilterSettings, Settings
from harvester.text import Duration, parse_moment

_MAY_BE_ZERO: Final = frozenset({"archive.lock_wait", "run.max_duration", "pace.max_hold"})


def find_contradictions(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the settings that cannot be used, as `table.key` and what is wrong with it."""
    yield from _dates(settings.filters)
    yield from _zero_durations(settings)
    yield from _unknown_homes(settings)
    if settings.bucket.beat >= settings.bucket.lease:
        yield "bucket.beat", "must be shorter than bucket.lease, or a push loses the bucket while it works"
    if not _is_timezone(settings.archive.timezone):
        yield (
            "archive.timezone",
            f"= {settings.archive.timezone!r}: not a time zone; use Europe/Berlin, say",
        )
    problem = _url_problem(settings.api)
    if problem:
        yield "api.base_url", problem
    if not settings.archive.dir.strip() or "\0" in settings.archive.dir:
        yield "archive.dir", f"= {settings.archive.dir!r}: not a directory"


def is_own(name: str) -> bool:
    """Whether a `table.key` belongs to one account only and is never shared with others."""
    return name in {"archive.dir", "metrics.textfile"} or name.startswith("credentials.")


def is_address(name: str) -> bool:
    """Whether a `table.key` holds addresses of notifications, which are treated as secrets."""
    return name.startswith("notify.") and name.endswith(("_url", "_urls"))


def find_clashes(accounts: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield what accounts lack or must not share, as the account's name and what is wrong.

    Args:
        accounts: By name, what the account's own table says, by `table.key`.
    """
    taken: dict[tuple[str, str], str] = {}
    for account, values in accounts.items():
        if "archive.dir" not in values:
            yield account, f"accounts.{account} needs its own archive.dir"
        for name in ("archive.dir", "credentials.user_id", "metrics.textfile"):
            if name not in values:
                continue
            # Two spellings of one directory are one archive.
            text = str(values[name])
            key = (name, text if name == "credentials.user_id" else os.path.normpath(text))
            other = taken.setdefault(key, account)
            if other != account:
                yield account, f"accounts.{account} and accounts.{other} have the same {name}"


def _dates(filters: FilterSettings) -> Iterator[tuple[str, str]]:
    bounds = {}
    for key in ("created_after", "created_before"):
        text = getattr(filters, key)
        try:
            bounds[key] = parse_moment(text) if text else None
        except ValueError as exc:
            yield f"filters.{key}", f"= {text!r}: {exc}"
    after, before = bounds.get("created_after"), bounds.get("created_before")
    # Both must be valid to be compared; otherwise the error above is enough.
    if after and before and after >= before:
        yield (
            "filters.created_before",
            f"= {filters.created_before!r}: not after created_after, so nothing fits",
        )


def _zero_durations(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield durations that are zero and must not be."""
    for table in msgspec.structs.fields(Settings):
        values = getattr(settings, table.name)
        for key in msgspec.structs.fields(table.type):
            name = f"{table.name}.{key.name}"
            if key.type is Duration and name not in _MAY_BE_ZERO and not getattr(values, key.name):
                yield name, "must be greater than zero"


def _unknown_homes(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield paths that still begin with `~`; they are not shown, since one may be a token by mistake."""
    for name in PATHS:
        table, _, key = name.partition(".")
        if getattr(getattr(settings, table), key).startswith("~"):
            yield (
                name,
                "begins with ~, but that home is unknown; use an absolute path, or ./~ for a file name",
            )


def _is_timezone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _url_problem(api: ApiSettings) -> str:
    """Return what is wrong with the base URL; the URL is not shown if it may hold a password."""
    try:
        url = urlsplit(api.base_url)
        # `port` raises ValueError for one that is not a number, so it has to be read here.
        host, _ = url.hostname or "", url.port
    except ValueError:
        return "is not a URL"
    if url.username or url.password or url.query or url.fragment:
        return "must hold no user, password, query or fragment"
    if url.scheme not in {"http", "https"} or not host:
        return f"= {api.base_url!r}: not a URL; it starts with https://"
    if url.scheme == "http" and not api.allow_http and not _is_loopback(host):
        return (
            f"= {api.base_url!r}: plain http shows the signature to everyone on the way; "
            "use https, or set api.allow_http = true"
        )
    return ""


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
