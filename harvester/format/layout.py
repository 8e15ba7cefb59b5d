"""Names and places in an Archive, as pure functions of ids and texts.

Ids and names come from outside. Whatever they hold, a path made here stays below its Snapshot and differs
from every other one even where case does not count. No name that is made here has more than 143 bytes, which
is what an encrypted file system (eCryptfs) leaves; with the dot and `.part` of its temporary name neither.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Final

ARCHIVE_FILE: Final = "harvester.json"
LEDGER: Final = "ledger.jsonl"
LATEST: Final = "latest"
CATALOG: Final = "catalog.sqlite"
CATALOG_DIGEST: Final = "catalog.sqlite.sha256"
"""The catalog's sha256 as the last run left it, for `sha256sum -c`."""
LOCK: Final = ".harvester.lock"
PACE: Final = ".harvester.pace"
"""The pace of the account's requests, where the user has no state directory."""
DAMAGED: Final = ".damaged"
"""What `verify --repair` has replaced."""

BAGIT: Final = "bagit.txt"
BAG_INFO: Final = "bag-info.txt"
MANIFEST: Final = "manifest-sha256.txt"
TAGMANIFEST: Final = "tagmanifest-sha256.txt"
SNAPSHOT_FILE: Final = "snapshot.json"
OPTIMIZATIONS: Final = "optimizations.json"
INVENTORY: Final = "inventory.jsonl"
JOURNAL: Final = "journal.jsonl"
INDEX: Final = "index.html"
SITE: Final = "site"
PAYLOAD: Final = "data"
RUN: Final = ".run"
"""Working files of a partial Snapshot; gone before it is committed."""

REPORT_HTML: Final = "report.html"
OFFLINE_HTML: Final = "offline.html"
REPORT_JSON: Final = "report.json"
IMAGES: Final = "images"

PART: Final = ".part"
"""Suffix of temporary names."""

_SLUG_CHARS: Final = 60
_SLUG_BYTES: Final = 72
"""The longest id has 64 bytes, a temporary name 6 more: with the `_` between slug and id that makes 143."""
_PLAIN_ID: Final = re.compile(r"[0-9a-z_-]{1,64}")
_SNAPSHOT_NAME: Final = re.compile(r"(\d{4}-\d{2}-\d{2})(?:\.([1-9]\d{0,5}))?", re.ASCII)
_PARTIAL_NAME: Final = re.compile(r"\.(.+)\.partial")
_FILE_NAME: Final = re.compile(r"[^./\\%\x00-\x1f\x7f][^/\\%\x00-\x1f\x7f]{0,199}")


def slug(name: str) -> str:
    """The name as part of a path: letters and digits of any script, lower case, `-` for all else."""
    # NFC, since macOS and Linux would otherwise disagree about the bytes of one name.
    text = unicodedata.normalize("NFC", name.lower())
    words = "".join(char if char.isalnum() else " " for char in text).split()
    return _cut("-".join(words)[:_SLUG_CHARS], _SLUG_BYTES).strip("-") or "unnamed"


def _cut(text: str, size_bytes: int) -> str:
    """As many whole characters from the beginning as fit."""
    return text.encode()[:size_bytes].decode(errors="ignore")


def safe_id(text: str) -> str:
    """The id as part of a path; one that is not plain becomes a slug and a digest, `~` between them.

    No plain id holds `~`, so the two forms never meet.
    """
    # No upper case: two ids that differ only in case must not meet on a file system that ignores it.
    if _PLAIN_ID.fullmatch(text):
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{_cut(slug(text), 24)}~{digest[:24]}"


def project_dir(project_id: int, name: str) -> str:
    """The directory of a project below `data/`."""
    return f"{slug(name)}_{project_id}"


def backtest_dir(backtest_id: str, name: str) -> str:
    """The directory of a backtest below its project's."""
    return f"{slug(name)}_{safe_id(backtest_id)}"


def report_path(project_id: int, project: str, backtest_id: str, name: str) -> str:
    """The directory of one report below its Snapshot, `data/PROJECT/BACKTEST`."""
    return f"{PAYLOAD}/{project_dir(project_id, project)}/{backtest_dir(backtest_id, name)}"


def is_report_path(path: str) -> bool:
    """Whether the text has the shape that `report_path` gives; nothing else is used as a path."""
    parts = path.split("/")
    return len(parts) == 3 and parts[0] == PAYLOAD and all(is_file_name(part) for part in parts[1:])


def is_file_name(name: str) -> bool:
    """Whether the text is one safe file name: BagIt and `sha256sum` write it down as it is."""
    return _FILE_NAME.fullmatch(name) is not None and len(name.encode("utf-8", "surrogatepass")) <= 240


def is_inside(path: str) -> bool:
    """Whether a relative path stays below the directory that it starts from."""
    return not path.startswith("/") and ".." not in path.split("/")


def is_snapshot_name(name: str) -> bool:
    """Whether the text is `2026-11-22` or `2026-11-22.2`."""
    # `.1` would be a second name for the first run of a date.
    match = _SNAPSHOT_NAME.fullmatch(name)
    return match is not None and match[2] != "1"


def snapshot_order(name: str) -> tuple[str, int]:
    """Sort key of Snapshot names: the order of their commits."""
    date, _, number = name.partition(".")
    return (date, int(number or 1))


def next_name(date: str, taken: list[str]) -> str:
    """The name of a run on `date`, after every name ever given.

    When the clock has gone back, the newest date is used again with the next number: names stay in the order
    of commits, and a pruned name is never given twice.
    """
    if not taken:
        return date
    newest, number = snapshot_order(max(taken, key=snapshot_order))
    return date if date > newest else f"{newest}.{number + 1}"


def partial_name(name: str) -> str:
    """The directory of a Snapshot while it is being made."""
    return f".{name}.partial"


def parse_partial_name(directory: str) -> str | None:
    """The Snapshot name in a partial's directory name; None when it is something else."""
    match = _PARTIAL_NAME.fullmatch(directory)
    return match[1] if match and is_snapshot_name(match[1]) else None
