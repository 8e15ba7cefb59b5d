"""Checks finished Snapshots, and the Archive's directory around them, and changes nothing.

Whatever is wrong is a `Problem`, a value; only what prevents all checking is an exception. One module for
each thing that is checked:

    archive       everything below, in one call
    tags          a Snapshot's tag files against its tag manifest
    payload       a Snapshot's directories and files against its Manifest (`fixity` hashes them)
    consistency   a Snapshot's Inventory, record and Ledger line against each other
    ledger        the Ledger's chain, which Snapshots should exist, and `latest`
    root          the catalog, and files in the Archive's directory that are not part of it

Example:
    for problem in verify_archive(Archive.open(path)):
        print(problem, problem.advice)
"""

from harvester.audit.verify.archive import Subset, find_lost, in_subset, subset_of_day, verify_archive
from harvester.audit.verify.fixity import CheckedDirectory, Hasher, RecordedDirectory, check_directories
from harvester.audit.verify.problem import Findings, Problem, ProblemKind
from harvester.audit.verify.root import RootFindings, check_root

__all__ = [
    "CheckedDirectory",
    "Findings",
    "Hasher",
    "Problem",
    "ProblemKind",
    "RecordedDirectory",
    "RootFindings",
    "Subset",
    "check_directories",
    "check_root",
    "find_lost",
    "in_subset",
    "subset_of_day",
    "verify_archive",
]
