"""Answers questions about finished Snapshots, copies them, repairs them and removes them.

The rule: a committed Snapshot is never changed, with two exceptions, each under the Archive's lock. `repair`
puts back the bytes that were recorded and makes files read-only; `prune` removes whole Snapshots, but never
the last sound copy of a report. The catalog is derived and may be built again at any time.

    verify/       is everything as it was committed?           nothing is changed
    repair        restores what `verify` found damaged         `damaged` keeps what is replaced
    retention     which Snapshots the rules keep: pure
    prune         which Snapshots may go                       `copies` looks for other sound copies
    diff          what differs between two Snapshots
    catalog       `catalog.sqlite`, an index for questions     `catalog_rows` fills it
    export/       a self-contained copy for somebody else

Example:
    problems = verify_archive(archive)
    with archive.lock(command="repair", wait_s=0):
        repaired = repair_archive(archive, problems)
"""

from harvester.audit.catalog import load_history, rebuild_catalog, update_catalog
from harvester.audit.diff import Diff, compare_snapshots
from harvester.audit.export import ExportOrder, ExportResult, export_snapshot
from harvester.audit.prune import PrunePlan, Refusal, plan_prune, prune_snapshots
from harvester.audit.repair import Fetch, Refetch, RepairResult, repair_archive
from harvester.audit.retention import Retention, plan_retention
from harvester.audit.verify import (
    Problem,
    ProblemKind,
    RootFindings,
    Subset,
    check_root,
    find_lost,
    subset_of_day,
    verify_archive,
)

__all__ = [
    "Diff",
    "ExportOrder",
    "ExportResult",
    "Fetch",
    "Problem",
    "ProblemKind",
    "PrunePlan",
    "Refetch",
    "Refusal",
    "RepairResult",
    "Retention",
    "RootFindings",
    "Subset",
    "check_root",
    "compare_snapshots",
    "export_snapshot",
    "find_lost",
    "load_history",
    "plan_prune",
    "plan_retention",
    "prune_snapshots",
    "rebuild_catalog",
    "repair_archive",
    "subset_of_day",
    "update_catalog",
    "verify_archive",
]
