"""The nouns of harvester: projects, backtests, reports, outcomes, and the records that are stored of them.

Everything here is a value. Stored structs are validated by `msgspec` as they are parsed. Unknown fields are
ignored, so an older harvester can read the records of a newer one; new fields need a default.
"""

from __future__ import annotations

import hashlib
from enum import Enum, StrEnum
from typing import Any, Final

import msgspec

FORMAT: Final = 1
"""Version of the archive format: of records, inventory lines and ledger lines."""

RECYCLE_BIN: Final = "Recycle Bin/"
"""A deleted project stays in the listing under a name with this prefix (seen in LEAN's live tests)."""


def account_fingerprint(user_id: int, salt: str = "") -> str:
    """Return the name of an Account in its Archive: it differs between accounts and does not reveal the id.

    User ids are small numbers, so without a salt all of them can be tried in a second. The salt is random,
    one for each Archive, and is in no Snapshot and no export. With the salt, each id still takes about 50 ms.
    Archives of an earlier version have no salt.
    """
    text = f"quantconnect user {user_id}".encode()
    if not salt:
        return hashlib.sha256(text).hexdigest()[:16]
    return hashlib.scrypt(text, salt=bytes.fromhex(salt), n=2**14, r=8, p=1, dklen=8).hex()


class Outcome(StrEnum):
    """The result of one run for one listed backtest; every backtest has exactly one."""

    SAVED = "saved"
    """Archived for the first time."""
    UPDATED = "updated"
    """Requested again; the bytes differ."""
    UNCHANGED = "unchanged"
    """Requested again; the bytes are equal."""
    CARRIED = "carried"
    """Already archived, not requested, linked."""
    SKIPPED = "skipped"
    """There is no report, or it is not wanted; the reason says which."""
    PENDING = "pending"
    """Still being generated at the deadline; first in line next time."""
    UNAVAILABLE = "unavailable"
    """Failed the same way in three runs, or was reported missing and is no longer listed."""
    FAILED = "failed"
    """All attempts failed; the last error is kept."""
    LOST = "lost"
    """Archived before, but its files are missing or damaged, and no other copy of them was found."""


OPTIMIZATION: Final = "optimization"
"""The `source` of a backtest that only its optimization names."""


class BacktestState(Enum):
    """How far a backtest has come, read from its status, which is an open set of texts."""

    FINISHED = "finished"
    BROKEN = "broken"
    """It ended in a runtime error."""
    RUNNING = "running"
    QUEUED = "queued"
    UNKNOWN = "unknown"
    """An undocumented status; the report is requested."""


class Ending(StrEnum):
    """How a committed run ended; the command line has an exit code for each."""

    OK = "ok"
    """Complete, even if nothing was new."""
    PENDING = "pending"
    """No failures, but some reports are still being generated."""
    TIME = "time"
    """`run.max_duration` was reached."""
    PARTIAL = "partial"
    """Some backtests failed, or it is not proven that everything was listed."""
    THROTTLED = "throttled"
    """The server kept saying slow down."""
    DAMAGED = "damaged"
    """The run found damage in the Archive, and kept what could be kept."""


class Project(msgspec.Struct, frozen=True, omit_defaults=True):
    """One project as listed, without the personal and secret fields of its row."""

    project_id: int
    name: str
    """User text: may hold `/`, be empty, or be changed at any time."""
    organization_id: str = ""
    created: str = ""
    modified: str = ""
    language: str = ""
    description: str = ""


class Backtest(msgspec.Struct, frozen=True, omit_defaults=True):
    """One backtest as listed."""

    project_id: int
    backtest_id: str
    name: str
    created: str
    """UTC as `YYYY-MM-DDTHH:MM:SSZ`; empty if the API sent something that is not a time."""
    status: str = ""
    """As the API sent it."""
    state: BacktestState = BacktestState.UNKNOWN
    optimization_id: str = ""
    tags: tuple[str, ...] = ()
    statistics: dict[str, float] = {}
    """The listing's statistics by the API's names; percentages are plain numbers."""
    change_key: str = ""
    """Digest of what changes with the result: status, completion, snapshot id, statistics. Not the name."""
    row: dict[str, Any] = {}
    """The API's row as received, without its personal and secret fields."""
    source: str = ""
    """The list that has it: empty for `backtests/list`, `optimization` if only its optimization names it."""


class Image(msgspec.Struct, frozen=True, omit_defaults=True):
    """One embedded image of a report, decoded."""

    name: str
    """File name below `images/`: `02-cumulative-returns.png`."""
    title: str
    """The chart's title as the report has it."""
    media_type: str
    """Detected from the decoded bytes, not from the data URI's label."""
    sha256: str
    size_bytes: int
    width: int | None = None
    height: int | None = None


class Comparison(msgspec.Struct, frozen=True):
    """How a report that was requested again differs from the one archived before."""

    snapshot: str
    """The Snapshot that holds the earlier report."""
    report_sha256: str
    differs: str
    """`rendering` (same text and figures, other images or markup) or `text`."""


class ReportRecord(msgspec.Struct, frozen=True):
    """`report.json`: what is known of one archived report, in addition to its HTML."""

    run_id: str
    """The run that read the report; in a partial Snapshot it shows whether a directory is new or linked."""
    outcome: Outcome
    """Its Outcome in that run: `saved`, `updated`, `unchanged`, or `carried` if the report was restored."""
    project: Project
    backtest: Backtest
    read_at: str
    """When the API answered, UTC."""
    report_sha256: str
    report_bytes: int
    text_sha256: str
    """Digest of the visible text and figures, without images."""
    offline_sha256: str
    requests: int = 1
    """Requests for this report in that run, with polls and retries."""
    generation_s: float | None = None
    """Seconds from the first request to the ready answer, if it had to be generated."""
    images: tuple[Image, ...] = ()
    images_found: int = 0
    figures: dict[str, str] = {}
    """The key statistics that the report shows, as text."""
    warnings: tuple[str, ...] = ()
    comparison: Comparison | None = None
    format: int = FORMAT


class InventoryEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of `inventory.jsonl`: a backtest that was listed, or that is archived and no longer listed."""

    project_id: int
    backtest_id: str
    project: str
    """The project's name."""
    name: str
    outcome: Outcome
    created: str = ""
    status: str = ""
    reason: str = ""
    """Why it was skipped, carried because of a filter, or is unavailable; empty otherwise."""
    listed: bool = True
    """False: it was not in this run's listing (gone, or its project could not be read)."""
    gone_since: str = ""
    """The Snapshot in which it was first missing from a listing that was proven complete."""
    lost_since: str = ""
    """The Snapshot in which its files were first found lost; `report_sha256` is still their digest."""
    path: str = ""
    """Its directory below the Snapshot, `data/...`; empty if nothing is archived."""
    report_sha256: str = ""
    files: int = 0
    """Number of payload files in `path`."""
    payload_bytes: int = 0
    images: int = 0
    read_at: str = ""
    """When the archived bytes were last confirmed by the API, UTC."""
    saved_in: str = ""
    """The Snapshot that first held these bytes."""
    change_key: str = ""
    """The `Backtest.change_key` that the archived bytes belong to."""
    organization_id: str = ""
    optimization_id: str = ""
    source: str = ""
    """The list that had it last: empty for `backtests/list`, `optimization` if only its optimization did."""
    tags: tuple[str, ...] = ()
    statistics: dict[str, float] = {}
    tries: int = 0
    """Requests that this run spent on it."""
    error: str = ""
    """The last error of this run, or of the run that gave up on it."""
    error_kind: str = ""
    """Kind of the error; two failures of one kind count as the same way to fail."""
    failures: int = 0
    """Runs in a row that failed with this `error_kind`."""
    tried_at: str = ""
    """When it was last requested without success, UTC."""

    @property
    def key(self) -> tuple[int, str, str]:
        """The sort key of an Inventory: project id, created, backtest id."""
        return (self.project_id, self.created, self.backtest_id)

    @property
    def archived(self) -> bool:
        """Whether the Snapshot holds its files."""
        return bool(self.path)


class UnreadProject(msgspec.Struct, frozen=True):
    """A project that could not be listed; its archived reports are carried unchanged."""

    project_id: int
    name: str
    error: str


class UnreadOptimization(msgspec.Struct, frozen=True):
    """An optimization that could not be read; the archived reports of its backtests are carried unchanged."""

    project_id: int
    project: str
    """The project's name."""
    optimization_id: str
    """Its id; empty if even the list of the project's optimizations could not be read."""
    error: str


class OptimizationsRecord(msgspec.Struct, frozen=True):
    """`optimizations.json`: the state of each project at the last time its optimizations were read."""

    digests: dict[int, str]
    """By project id: digest of everything that shows whether its listing has changed, eight characters."""
    format: int = FORMAT


class Learned(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a run has learned about the server, for the next run to start with."""

    rate_per_min: float | None = None
    """The server's hidden limit as the run has estimated it; None: the server never said slow down."""
    poll_after_s: tuple[float, ...] = ()
    """Seconds from the first request to the first poll, from there to the second, and so on."""


class Previous(msgspec.Struct, frozen=True):
    """The Snapshot on which another one was built."""

    name: str
    tagmanifest_sha256: str


class SnapshotRecord(msgspec.Struct, frozen=True):
    """`snapshot.json`: one run."""

    name: str
    run_id: str
    account: str
    """Fingerprint of the Account (`account_fingerprint`), never its id."""
    version: str
    """Version of harvester."""
    started: str
    finished: str
    complete: bool
    """Whether every listed backtest that has a report is in it."""
    ending: Ending
    listed: int
    counts: dict[str, int]
    """Listed backtests by Outcome; their sum is `listed`."""
    gone: int = 0
    lost: int = 0
    """Reports without an undamaged copy, including those that are gone."""
    projects: int = 0
    unread_projects: tuple[UnreadProject, ...] = ()
    unproven: str = ""
    """Why the list of projects is not proven complete; empty: it is proven."""
    bad_rows: int = 0
    """Number of listed rows without a usable id; nothing could be requested for them."""
    bad_row_examples: tuple[str, ...] = ()
    """The first bad rows, as text."""
    withheld_gone: int = 0
    """Reports that would have become gone, but none was marked, since they were too many at once."""
    unread_optimizations: tuple[UnreadOptimization, ...] = ()
    requests: int = 0
    throttled: int = 0
    files: int = 0
    payload_bytes: int = 0
    """Bytes of the whole payload, including carried files."""
    written_bytes: int = 0
    """Bytes of the payload that this run wrote."""
    link_mode: str = ""
    """How unchanged files were carried: `hardlink`, `reflink` or `copy`."""
    settings: dict[str, Any] = {}
    """The settings that decide what the Snapshot holds."""
    previous: Previous | None = None
    passed_over: tuple[str, ...] = ()
    """Snapshots newer than `previous` that were not used, since their lists were damaged."""
    learned: Learned = Learned()
    format: int = FORMAT
