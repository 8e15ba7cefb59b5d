"""Archives in an object store: one pack for each version of a report, one zip for each Snapshot, a ledger.

Rule: `store` alone knows the library, and is called from threads only. Keys, packs, entries, leases and
locks are decided by pure functions. Nothing but the lease is ever overwritten, and the creation of a ledger
entry is the commit.
"""

from harvester.bucket.address import Address, is_url, parse_address
from harvester.bucket.browse import BrowseServer, browsing
from harvester.bucket.connection import BucketSpec, Connection, connect
from harvester.bucket.credentials import hide_store_secrets
from harvester.bucket.findings import BucketProblem, Finding
from harvester.bucket.lease import HeldLease, LeaseTimes, hold_lease
from harvester.bucket.plan import PushPlan, plan_push
from harvester.bucket.probe import Asked, StoreCheck, probe_store
from harvester.bucket.prune import BucketPrune, BucketPrunePlan
from harvester.bucket.push import Push, Pushed, PushSettings, Surroundings
from harvester.bucket.reader import BucketReader, OpenedSnapshot, PackedReport
from harvester.bucket.repair import BucketRepair, BucketRepaired
from harvester.bucket.restore import Restore, Restored
from harvester.bucket.retention import parse_retention
from harvester.bucket.store import Store
from harvester.bucket.verify import Scope, Verified, Verify

__all__ = [
    "Address",
    "Asked",
    "BrowseServer",
    "BucketProblem",
    "BucketPrune",
    "BucketPrunePlan",
    "BucketReader",
    "BucketRepair",
    "BucketRepaired",
    "BucketSpec",
    "Connection",
    "Finding",
    "HeldLease",
    "LeaseTimes",
    "OpenedSnapshot",
    "PackedReport",
    "Push",
    "PushPlan",
    "PushSettings",
    "Pushed",
    "Restore",
    "Restored",
    "Scope",
    "Store",
    "StoreCheck",
    "Surroundings",
    "Verified",
    "Verify",
    "browsing",
    "connect",
    "hide_store_secrets",
    "hold_lease",
    "is_url",
    "parse_address",
    "parse_retention",
    "plan_push",
    "probe_store",
]
