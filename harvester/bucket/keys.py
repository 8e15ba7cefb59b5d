"""The keys of a Bucket: made of ids, dates and digests only, so that a rename moves nothing. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from harvester.format import is_snapshot_name

ARCHIVE: Final = "archive.json"
LEASE: Final = "lease.json"
LEDGER: Final = "ledger"
TIMESTAMPS: Final = "timestamps"
SNAPSHOTS: Final = "snapshots"
REPORTS: Final = "reports"
RECORDS: Final = "records"
PROGRESS: Final = "progress"

VERSION_CHARS: Final = 32
"""Hex digits of a pack's name; 128 bits are enough to tell versions of one backtest apart."""

_PLAIN_ID: Final = re.compile(r"[0-9a-z_-]{1,64}", re.ASCII)
_LEDGER_KEY: Final = re.compile(r"ledger/(\d{9})\.json", re.ASCII)
_TIMESTAMP_KEY: Final = re.compile(r"timestamps/((\d{6})\.[A-Za-z0-9_-]{1,64}\.tsr)", re.ASCII)
_SNAPSHOT_KEY: Final = re.compile(r"snapshots/([0-9.-]{10,20})/([0-9a-f]{8,64})\.zip", re.ASCII)
_PACK_KEY: Final = re.compile(
    r"reports/(-?\d{1,20})/([0-9a-z_-]{1,64}|~[0-9a-f]{32})/([0-9a-f]{32})\.zip", re.ASCII
)
_RECORD_KEY: Final = re.compile(
    r"records/(-?\d{1,20})/([0-9a-z_-]{1,64}|~[0-9a-f]{32})/([0-9a-f]{64})\.json", re.ASCII
)


@dataclass(frozen=True)
class SnapshotKey:
    """What the key of a Snapshot's zip says."""

    snapshot: str
    push_id: str


def ledger_key(number: int) -> str:
    """The key of the ledger entry with this number, from 1."""
    if not 1 <= number <= 999_999_999:
        raise ValueError(f"{number} cannot be the number of a ledger entry")
    return f"{LEDGER}/{number:09d}.json"


def parse_ledger_key(key: str) -> int | None:
    """The number of a ledger entry; None when the key is of something else."""
    match = _LEDGER_KEY.fullmatch(key)
    return (int(match[1]) or None) if match else None


def timestamp_key(file_name: str) -> str:
    """The key of a timestamp token, which has the name that it has on disk."""
    key = f"{TIMESTAMPS}/{file_name}"
    if parse_timestamp_key(key) is None:
        raise ValueError(f"{file_name!r} is not the name of a timestamp token")
    return key


def parse_timestamp_key(key: str) -> tuple[int, str] | None:
    """Line number and file name of a timestamp token; None when the key is of something else."""
    match = _TIMESTAMP_KEY.fullmatch(key)
    return (int(match[2]), match[1]) if match else None


def snapshot_key(snapshot: str, push_id: str) -> str:
    """The key of a Snapshot's zip; it carries the push, so that two writers never meet."""
    key = f"{SNAPSHOTS}/{snapshot}/{push_id}.zip"
    if parse_snapshot_key(key) is None:
        raise ValueError(f"{key!r} is not the key of a Snapshot")
    return key


def parse_snapshot_key(key: str) -> SnapshotKey | None:
    """Snapshot and push of a Snapshot's zip; None when the key is of something else."""
    match = _SNAPSHOT_KEY.fullmatch(key)
    return SnapshotKey(match[1], match[2]) if match and is_snapshot_name(match[1]) else None


def _object_id(text: str) -> str:
    """An id as part of a key; one that is not plain becomes a digest. No plain id begins with `~`."""
    if _PLAIN_ID.fullmatch(text):
        return text
    return "~" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def pack_key(project_id: int, backtest_id: str, version: str) -> str:
    """The key of a pack; `version` is what `packs.pack_version` gives."""
    key = f"{REPORTS}/{project_id}/{_object_id(backtest_id)}/{version}.zip"
    if not is_pack_key(key):
        raise ValueError(f"{key!r} is not the key of a pack")
    return key


def is_pack_key(key: str) -> bool:
    """Whether the key has the shape that `pack_key` gives."""
    return _PACK_KEY.fullmatch(key) is not None


def pack_version(key: str) -> str:
    """The version in the key of a pack; empty when the key is of something else."""
    match = _PACK_KEY.fullmatch(key)
    return match[3] if match else ""


def record_key(project_id: int, backtest_id: str, sha256: str) -> str:
    """The key of a report.json that changed without its report."""
    key = f"{RECORDS}/{project_id}/{_object_id(backtest_id)}/{sha256}.json"
    if not is_record_key(key):
        raise ValueError(f"{key!r} is not the key of a record")
    return key


def is_record_key(key: str) -> bool:
    """Whether the key has the shape that `record_key` gives."""
    return _RECORD_KEY.fullmatch(key) is not None


def progress_key(run_id: str, name: str) -> str:
    """The key of something that a run under way leaves for whoever resumes it."""
    return f"{PROGRESS}/{run_id}/{name}"
