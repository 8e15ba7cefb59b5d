"""Copies a Snapshot, or a part of it, into a bag that can be checked and browsed without harvester.

Every file is compared with its recorded digest as it is read; damaged bytes are never exported. The export
has its name only when it is whole: one that fails or is interrupted leaves nothing behind.

    snapshot   reads the Snapshot and decides what goes into the export
    targets    writes it: a directory or a zip file
    readme     what the export says about itself: `export.json`, README.txt

Example:
    order = ExportOrder(to=Path("out"), at="2026-11-24T10:00:00Z", version=harvester.__version__)
    export_snapshot(archive, archive.snapshot("latest"), order)
"""

from harvester.audit.export.snapshot import ExportOrder, ExportResult, export_snapshot

__all__ = ["ExportOrder", "ExportResult", "export_snapshot"]
