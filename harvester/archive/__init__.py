"""Writes Archives on disk: every Snapshot whole or not there at all, wherever a run is interrupted.

Rule: only `Disk` changes the file system, step by step, so that tests can make each step fail. Changes
happen under the Archive's lock. The lists of a Snapshot are checked against the Ledger before anything is
built on them.

    archive = Archive.create_or_open(path, account=user_id)
    with archive.lock(command="run", wait_s=0):
        partial = archive.begin(date="2026-11-22", run_id=run_id, started=started)
        ...                                   # save_report, fill
        snapshot, record = partial.commit(record)

To read: `Archive.open(path).snapshot("latest").inventory()`.

- archive, snapshot: what others use     - partial, content, carrying, reports: a Snapshot while it is made
- store: directory, disk and ledger of a locked Archive     - begin, commit, recovery, prune: changes to it
- disk, links, calls, advice: the file system, and what to do when it refuses
"""

from harvester.archive.advice import REFUSALS, explain
from harvester.archive.archive import PRIVATE, Archive, check_vacant
from harvester.archive.calls import READ_ONLY, Room, room_at
from harvester.archive.disk import Disk
from harvester.archive.latest import read_latest
from harvester.archive.links import LinkMode
from harvester.archive.lists import CheckedSnapshot, check_lists
from harvester.archive.lock import find_holder
from harvester.archive.partial import Pages, PartialSnapshot
from harvester.archive.placement import Absent, Carried, Damage, Fresh, Placement
from harvester.archive.recovery import check_adoptable
from harvester.archive.reports import file_names
from harvester.archive.search import is_copy, load_report
from harvester.archive.snapshot import Snapshot

__all__ = [
    "PRIVATE",
    "READ_ONLY",
    "REFUSALS",
    "Absent",
    "Archive",
    "Carried",
    "CheckedSnapshot",
    "Damage",
    "Disk",
    "Fresh",
    "LinkMode",
    "Pages",
    "PartialSnapshot",
    "Placement",
    "Room",
    "Snapshot",
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
