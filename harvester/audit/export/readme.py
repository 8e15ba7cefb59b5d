"""The texts in an export that explain it to a reader who does not know harvester."""

from __future__ import annotations

from collections import Counter
from typing import Final

import msgspec

from harvester.model import InventoryEntry, Learned, SnapshotRecord

EXPORT_FILE: Final = "export.json"
README: Final = "README.txt"
LEDGER_LINE: Final = "source/ledger-line.json"
SOURCE_TAGMANIFEST: Final = "source/tagmanifest-sha256.txt"


class ExportRecord(msgspec.Struct, frozen=True):
    """`export.json`: which Snapshot was exported, by which filters, when, and by which version."""

    format: int
    snapshot: str
    source_tagmanifest_sha256: str
    """Digest of the Snapshot's tag manifest, as recorded in the Ledger."""
    exported: str
    """When, in UTC."""
    whole: bool
    """Whether the export has every report of the Snapshot."""
    filters: dict[str, object]
    version: str
    """Version of harvester."""


class Sums:
    """Totals of the exported reports, counted one by one."""

    def __init__(self) -> None:
        self._outcomes: Counter[str] = Counter()
        self._projects: set[int] = set()
        self._gone = 0
        self.reports = 0
        self.files = 0
        self.payload_bytes = 0

    def add(self, entry: InventoryEntry) -> None:
        """Count an exported report."""
        self._projects.add(entry.project_id)
        if entry.listed:
            self._outcomes[str(entry.outcome)] += 1
        self._gone += bool(entry.gone_since and not entry.listed)
        self.reports += 1
        self.files += entry.files
        self.payload_bytes += entry.payload_bytes

    def narrowed(self, record: SnapshotRecord) -> SnapshotRecord:
        """Return the Snapshot's record with the counts of the export only.

        Fields about anything that is not in the export are emptied: it may be given to a stranger.
        """
        return msgspec.structs.replace(
            record,
            listed=sum(self._outcomes.values()),
            counts=dict(self._outcomes),
            gone=self._gone,
            projects=len(self._projects),
            files=self.files,
            payload_bytes=self.payload_bytes,
            unread_projects=(),
            unproven="",
            bad_rows=0,
            bad_row_examples=(),
            withheld_gone=0,
            unread_optimizations=(),
            settings={},
            learned=Learned(),
        )


def render_readme(record: ExportRecord, sums: Sums, *, has_pages: bool) -> bytes:
    """Return the content of `README.txt`: what the export is and how to check it."""
    pages = _PAGES if has_pages else ""
    text = _README.format(record=record, sums=sums, part="all" if record.whole else "a part", pages=pages)
    if record.whole:
        text += _WHOLE
    return (text + _LEDGER).encode()


_README: Final = """\
Backtest reports of a QuantConnect account
==========================================

These are {sums.reports} reports in {sums.files} files, {part} of what the account's archive held in its
Snapshot {record.snapshot}. They were exported at {record.exported} by harvester {record.version}.

{pages}data/PROJECT/BACKTEST/report.html    the report exactly as QuantConnect served it
data/PROJECT/BACKTEST/offline.html   the same page for a browser without a network
data/PROJECT/BACKTEST/images/        its charts as image files
data/PROJECT/BACKTEST/report.json    names, dates, statistics, and when it was read
inventory.jsonl                      one line for each backtest
export.json                          what was exported, of which Snapshot


How to check that nothing was changed or lost
---------------------------------------------

This directory is a bag by RFC 8493 (BagIt 1.0). Any BagIt program can check it:

    pip install bagit
    bagit.py --validate .

So can the tools of Linux and macOS, in this directory; no output means that all is well:

    sha256sum --check --quiet manifest-sha256.txt          (macOS: shasum -a 256 -c)
    sha256sum --check --quiet tagmanifest-sha256.txt

On Windows, compare the lines of manifest-sha256.txt with: certutil -hashfile FILE SHA256
"""

_PAGES: Final = "index.html                           open it in a browser to look around\n"

_WHOLE: Final = """

How to check that it is what was archived
-----------------------------------------

source/tagmanifest-sha256.txt is the archive's own list of the files outside data/, manifest-sha256.txt among
them. When this and the checks above say nothing, data/ is what the archive committed, byte for byte:

    sha256sum --check --quiet source/tagmanifest-sha256.txt
"""

_LEDGER: Final = """

How to check when it was archived
---------------------------------

source/ledger-line.json is the line that the archive's ledger got when the Snapshot was committed. Its
"tagmanifest_sha256" is the digest of the archive's list: the same as in export.json. The owner of the
archive can show the ledger, in which each line carries the digest of the line before it: a line that was
changed later would break the chain.
"""
