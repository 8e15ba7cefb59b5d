"""How Snapshots stand on disk and how they get there."""

from harvester.archive.advice import REFUSALS, explain
from harvester.archive.archive import PRIVATE, Archive, check_vacant
from harvester.archive.calls import READ_ONLY, Room, room_at
from harvester.archive.disk import Disk
from harvester.archive.latest import read_latest
from harvester.archive.links import LinkMode
from harvester.archive.lists import CheckedSnapshot, check_lists
from harvester.archive.lock import find_holder
from harvester.archive.partial import Pages, PartialSnapshot
from harvester.archive.placement import Damage, Placement, Source
from harvester.archive.recovery import check_adoptable
from harvester.archive.reports import file_names
from harvester.archive.search import is_copy, load_report
from harvester.archive.snapshot import Snapshot

__all__ = [
    "PRIVATE",
    "READ_ONLY",
    "REFUSALS",
    "Archive",
    "CheckedSnapshot",
    "Damage",
    "Disk",
    "LinkMode",
    "Pages",
    "PartialSnapshot",
    "Placement",
    "Room",
    "Snapshot",
    "Source",
    "check_adoptable",
    "check_lists",
    "check_vacant",
    "explain",
    "file_names",
    "find_holder",
    "is_copy",
    "load_report",
    "read_latest",
    "room_at",
]
