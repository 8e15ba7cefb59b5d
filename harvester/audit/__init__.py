"""What is asked of finished Snapshots: verify, diff, prune, export, catalog."""

from harvester.audit.catalog import history, rebuild_catalog, update_catalog
from harvester.audit.diff import Diff, compare_snapshots
from harvester.audit.export.export import Exported, ExportOrder, export_snapshot
from harvester.audit.prune import PrunePlan, Refused, plan_prune, prune_snapshots
from harvester.audit.repair import Fetch, Repaired, Reread, repair_archive
from harvester.audit.retention import Retention, plan_retention
from harvester.audit.verify.problem import Problem
from harvester.audit.verify.surroundings import Surroundings, look_around
from harvester.audit.verify.verify import Subset, find_lost, subset_of_day, verify_archive

__all__ = [
    "Diff",
    "ExportOrder",
    "Exported",
    "Fetch",
    "Problem",
    "PrunePlan",
    "Refused",
    "Repaired",
    "Reread",
    "Retention",
    "Subset",
    "Surroundings",
    "compare_snapshots",
    "export_snapshot",
    "find_lost",
    "history",
    "look_around",
    "plan_prune",
    "plan_retention",
    "prune_snapshots",
    "rebuild_catalog",
    "repair_archive",
    "subset_of_day",
    "update_catalog",
    "verify_archive",
]
