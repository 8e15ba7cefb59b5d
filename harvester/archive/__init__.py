"""How Snapshots stand on disk and how they get there."""

from harvester.archive.archive import Archive
from harvester.archive.disk import Disk, LinkMode
from harvester.archive.lists import CheckedSnapshot
from harvester.archive.partial import PartialSnapshot
from harvester.archive.placement import Placement, Source
from harvester.archive.snapshot import Snapshot

__all__ = [
    "Archive",
    "CheckedSnapshot",
    "Disk",
    "LinkMode",
    "PartialSnapshot",
    "Placement",
    "Snapshot",
    "Source",
]
