"""What is on disk, as values: names, lists and records of an Archive, how they are read and rendered.

Rule: nothing here writes, waits, or knows the time. Paths and texts come in, validated values come out, and a
damaged file is a `CorruptArchiveError` that names file and line. The format is public: archives outlive
programs, so a field is added with a default and never changes its meaning.

    for path, sha256 in load_manifest(snapshot / MANIFEST):
        ...

- layout: names of files and directories, as functions of ids     - bag: `bag-info.txt` and tag files of a bag
- manifest: the only reader and writer of manifest lines          - ledger: its lines and their chain
- inventory: one line for each backtest                           - records: the JSON files
- reading: every file is opened through it, bounded, no links followed
"""

from harvester.format.bag import (
    DECLARATION,
    bag_info_fields,
    check_tags,
    file_sha256,
    parse_bag_info,
    render_bag_info,
    tag_files,
)
from harvester.format.inventory import LINE_BYTES, load_inventory, load_located, load_projects, render_entry
from harvester.format.layout import (
    ARCHIVE_FILE,
    BAG_INFO,
    BAGIT,
    CATALOG,
    CATALOG_DIGEST,
    DAMAGED,
    IMAGES,
    INDEX,
    INVENTORY,
    JOURNAL,
    LATEST,
    LEDGER,
    LOCK,
    MANIFEST,
    OFFLINE_HTML,
    OPTIMIZATIONS,
    PACE,
    PART,
    PAYLOAD,
    REPORT_HTML,
    REPORT_JSON,
    RUN,
    SITE,
    SNAPSHOT_FILE,
    TAGMANIFEST,
    is_file_name,
    is_inside,
    is_report_path,
    is_snapshot_name,
    next_name,
    parse_partial_name,
    partial_name,
    report_path,
    snapshot_order,
)
from harvester.format.ledger import (
    LEDGER_BYTES,
    Ledger,
    LedgerLine,
    load_ledger,
    load_sound_ledger,
    parse_ledger,
    render_line,
)
from harvester.format.manifest import (
    ManifestBlock,
    ManifestCursor,
    load_blocks,
    load_manifest,
    manifest_line,
    parse_manifest_line,
)
from harvester.format.reading import RECORD_BYTES, load_bytes, load_record, open_regular, opened, parse_record
from harvester.format.records import ArchiveRecord, mask_errors, render_record
from harvester.format.stored import AT_ONCE, Span, StoredValues
from harvester.format.utf8 import Content, Utf8

__all__ = [
    "ARCHIVE_FILE",
    "AT_ONCE",
    "BAGIT",
    "BAG_INFO",
    "CATALOG",
    "CATALOG_DIGEST",
    "DAMAGED",
    "DECLARATION",
    "IMAGES",
    "INDEX",
    "INVENTORY",
    "JOURNAL",
    "LATEST",
    "LEDGER",
    "LEDGER_BYTES",
    "LINE_BYTES",
    "LOCK",
    "MANIFEST",
    "OFFLINE_HTML",
    "OPTIMIZATIONS",
    "PACE",
    "PART",
    "PAYLOAD",
    "RECORD_BYTES",
    "REPORT_HTML",
    "REPORT_JSON",
    "RUN",
    "SITE",
    "SNAPSHOT_FILE",
    "TAGMANIFEST",
    "ArchiveRecord",
    "Content",
    "Ledger",
    "LedgerLine",
    "ManifestBlock",
    "ManifestCursor",
    "Span",
    "StoredValues",
    "Utf8",
    "bag_info_fields",
    "check_tags",
    "file_sha256",
    "is_file_name",
    "is_inside",
    "is_report_path",
    "is_snapshot_name",
    "load_blocks",
    "load_bytes",
    "load_inventory",
    "load_ledger",
    "load_located",
    "load_manifest",
    "load_projects",
    "load_record",
    "load_sound_ledger",
    "manifest_line",
    "mask_errors",
    "next_name",
    "open_regular",
    "opened",
    "parse_bag_info",
    "parse_ledger",
    "parse_manifest_line",
    "parse_partial_name",
    "parse_record",
    "partial_name",
    "render_bag_info",
    "render_entry",
    "render_line",
    "render_record",
    "report_path",
    "snapshot_order",
    "tag_files",
]
