"""The words of design and code: what is listed, what became of it, what is written down about it.

Everything here is a value. Structs that are stored are read back with `msgspec` and validated as they are
parsed; unknown fields are ignored, so that an older harvester reads a newer Archive's records.
"""

from __future__ import annotations

import hashlib
from enum import Enum, StrEnum
from typing import Any, Final

import msgspec

FORMAT: Final = 1
"""Version of everything that is stored: records, inventory lines, ledger lines."""

RECYCLE_BIN: Final = "Recycle Bin/"
"""A deleted project stays in the listing under a name with this prefix (seen in LEAN's live tests)."""


def account_fingerprint(user_id: int, salt: str = "") -> str:
    """What an Archive calls its Account: tells two apart without writing down who it is.

    User ids are small numbers, so without a salt all of them can be tried in a second. The salt is random,
    one for each Archive, and is in no Snapshot and no export. Who has it still needs some 50 ms for each id.
    Archives of an earlier version have none.
    """
    text = f"quantconnect user {user_id}".encode()
    if not salt:
        return hashlib.sha256(text).hexdigest()[:16]
    return hashlib.scrypt(text, salt=bytes.fromhex(salt), n=2**14, r=8, p=1, dklen=8).hex()


class Outcome(StrEnum):
    """What became of one listed backtest in one run; exactly one each."""

    SAVED = "saved"
    """Archived for the first time."""
    UPDATED = "updated"
    """Read again; the bytes differ."""
    UNCHANGED = "unchanged"
    """Read again; the bytes are the same."""
    CARRIED = "carried"
    """Already archived, not requested, linked."""
    SKIPPED = "skipped"
    """Nothing to read or not wanted; the reason says which."""
    PENDING = "pending"
    """Still being generated at the deadline; first in line next time."""
    UNAVAILABLE = "unavailable"
    """Failed the same way in three runs, or was reported missing and is no longer listed."""
    FAILED = "failed"
    """Tries used up; the last error is kept."""
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
    """A status nobody has documented; worth a try."""


class Ending(StrEnum):
    """How a committed run ended; the command line has an exit code for each."""

    OK = "ok"
    """Complete, also when nothing was new."""
    PENDING = "pending"
    """No failures, but some reports are still being generated."""
    TIME = "time"
    """The bound of its duration was reached."""
    PARTIAL = "partial"
    """Some backtests failed, or it is not proven that everything was listed."""
    THROTTLED = "throttled"
    """The server kept saying slow down."""
    DAMAGED = "damaged"
    """The run met damage in the Archive, and kept what could be kept."""


class Project(msgspec.Struct, frozen=True, omit_defaults=True):
    """One project as listed; what is personal or secret in its row was dropped when it was parsed."""

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
    """UTC as `YYYY-MM-DDTHH:MM:SSZ`; empty when the API's own text is not a time."""
    status: str = ""
    """As the API sent it."""
    state: BacktestState = BacktestState.UNKNOWN
    optimization_id: str = ""
    tags: tuple[str, ...] = ()
    statistics: dict[str, float] = {}
    """The listing's figures by the API's own names; percentages as plain numbers."""
    change_key: str = ""
    """Digest of what makes it another backtest: status, completion, snapshot id, statistics. Not its name."""
    row: dict[str, Any] = {}
    """The API's row as received, without what is personal or secret."""
    source: str = ""
    """Which list has it: empty for `backtests/list`, `optimization` when only its optimization names it."""


class Image(msgspec.Struct, frozen=True, omit_defaults=True):
    """One embedded image of a report, decoded."""

    name: str
    """File name below `images/`: `02-cumulative-returns.png`."""
    title: str
    """The chart's title as the report has it."""
    media_type: str
    """From the decoded bytes, not from the label."""
    sha256: str
    size_bytes: int
    width: int | None = None
    height: int | None = None


class Comparison(msgspec.Struct, frozen=True):
    """How a report that was read again differs from the one archived before."""

    snapshot: str
    """The Snapshot that holds the earlier one."""
    report_sha256: str
    differs: str
    """`rendering` (same text and figures, other images or markup) or `text`."""


class ReportRecord(msgspec.Struct, frozen=True):
    """`report.json`: everything known of one archived report that its HTML does not say."""

    run_id: str
    """The run that read the report; tells a fresh directory of a partial Snapshot from a linked one."""
    outcome: Outcome
    """What that run made of it: `saved`, `updated`, `unchanged`, or `carried` when it restored the report."""
    project: Project
    backtest: Backtest
    read_at: str
    """When the API answered, UTC."""
    report_sha256: str
    report_bytes: int
    text_sha256: str
    """Digest of the visible text and figures, images left out."""
    offline_sha256: str
    requests: int = 1
    """Requests this report took in that run, polls and repeats included."""
    generation_s: float | None = None
    """Seconds from the first request to the ready answer, if it had to be generated."""
    images: tuple[Image, ...] = ()
    images_found: int = 0
    figures: dict[str, str] = {}
    """The report's own key statistics, as text for people."""
    warnings: tuple[str, ...] = ()
    comparison: Comparison | None = None
    format: int = FORMAT


class InventoryEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of `inventory.jsonl`: a backtest that was listed, or one that is carried all the same."""

    project_id: int
    backtest_id: str
    project: str
    """The project's name."""
    name: str
    outcome: Outcome
    created: str = ""
    status: str = ""
    reason: str = ""
    """Why it was skipped, carried by a filter, or is unavailable; empty when nothing needs saying."""
    listed: bool = True
    """False: it was not in this run's listing (gone, or its project could not be read)."""
    gone_since: str = ""
    """The Snapshot in which it was first missing from a listing that was proven complete."""
    lost_since: str = ""
    """The Snapshot in which its files were first found lost; `report_sha256` still says what is missing."""
    path: str = ""
    """Its directory below the Snapshot, `data/...`; empty when nothing is archived."""
    report_sha256: str = ""
    files: int = 0
    """Payload files in `path`."""
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
    """Which list had it last: empty for `backtests/list`, `optimization` when only its optimization did."""
    tags: tuple[str, ...] = ()
    statistics: dict[str, float] = {}
    tries: int = 0
    """Requests that this run spent on it."""
    error: str = ""
    """The last error of this run, or of the run that gave up on it."""
    error_kind: str = ""
    """What makes two failures "the same way"."""
    failures: int = 0
    """Runs in a row that failed with this `error_kind`."""
    tried_at: str = ""
    """When it was last asked for without success, UTC."""

    @property
    def key(self) -> tuple[int, str, str]:
        """The order of an Inventory: project id, created, backtest id."""
        return (self.project_id, self.created, self.backtest_id)

    @property
    def archived(self) -> bool:
        """Whether the Snapshot holds files of it."""
        return bool(self.path)


class UnreadProject(msgspec.Struct, frozen=True):
    """A project whose backtests could not be listed; what was archived of it is carried as it was."""

    project_id: int
    name: str
    error: str


class UnreadOptimization(msgspec.Struct, frozen=True):
    """An optimization whose backtests could not be listed; what was archived of them is carried as it was."""

    project_id: int
    project: str
    """The project's name."""
    optimization_id: str
    """Empty: not even the list of the project's optimizations could be read."""
    error: str


class OptimizationsRecord(msgspec.Struct, frozen=True):
    """`optimizations.json`: what the optimizations of each project were last asked for with."""

    digests: dict[int, str]
    """By project id: of all that tells whether its listing has changed since, eight characters."""
    format: int = FORMAT


class Learned(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a run found out about the server and the next run starts with."""

    rate_per_min: float | None = None
    """The server's hidden limit as the run has estimated it; None: it met none."""
    poll_after_s: tuple[float, ...] = ()
    """Seconds from the first request to the first poll, from there to the second, and so on."""


class Previous(msgspec.Struct, frozen=True):
    """The Snapshot that a Snapshot was built on."""

    name: str
    tagmanifest_sha256: str


class SnapshotRecord(msgspec.Struct, frozen=True):
    """`snapshot.json`: one run."""

    name: str
    run_id: str
    account: str
    """Fingerprint of the Account, never its id."""
    version: str
    """Of harvester."""
    started: str
    finished: str
    complete: bool
    """Whether every listed backtest that has a report is in it."""
    ending: Ending
    listed: int
    counts: dict[str, int]
    """Listed backtests by Outcome; they sum up to `listed`."""
    gone: int = 0
    lost: int = 0
    """Reports of which no undamaged copy was found, those that are gone included."""
    projects: int = 0
    unread_projects: tuple[UnreadProject, ...] = ()
    unproven: str = ""
    """Why the list of projects is not proven complete; empty: it is."""
    bad_rows: int = 0
    """Listed rows without a usable id; nothing could be requested by them."""
    bad_row_examples: tuple[str, ...] = ()
    """The first of them."""
    withheld_gone: int = 0
    """Reports that would have become gone, so many at once that none was marked."""
    unread_optimizations: tuple[UnreadOptimization, ...] = ()
    requests: int = 0
    throttled: int = 0
    files: int = 0
    payload_bytes: int = 0
    """Of the payload as a whole, carried files included."""
    written_bytes: int = 0
    """Of the payload that this run wrote itself."""
    link_mode: str = ""
    """How unchanged files were carried: `hardlink`, `reflink` or `copy`."""
    settings: dict[str, Any] = {}
    """The settings that decide what is in it."""
    previous: Previous | None = None
    passed_over: tuple[str, ...] = ()
    """Newer Snapshots than `previous` whose lists were damaged: nothing was taken from them."""
    learned: Learned = Learned()
    format: int = FORMAT
