"""What a look at a Bucket finds: values, one for each thing that is wrong or that nobody names."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec


class Finding(StrEnum):
    """What is wrong with an object, in one word."""

    CHANGED = "changed"
    """It has other bytes than were created."""
    MISSING = "missing"
    """It was created and is not there."""
    HIDDEN = "hidden"
    """A delete marker hides it; its bytes are still there as an older version."""
    LEDGER = "ledger"
    """The chain of entries is broken, or does not agree with the objects."""
    LISTS = "lists"
    """Lists of a Snapshot do not agree with each other, or with the ledger."""
    UNLOCKED = "unlocked"
    """Its lock ends earlier than was recorded."""
    UNNAMED = "unnamed"
    """Nobody names it; no damage."""
    BEHIND = "behind"
    """The Archive on disk has something that was not pushed; no damage."""


_FIXES: Final = {
    Finding.CHANGED: "harvester verify --bucket --repair, where the archive is",
    Finding.MISSING: "harvester verify --bucket --repair, where the archive is",
    Finding.HIDDEN: "harvester verify --bucket --repair, and see who deleted it",
    Finding.LEDGER: "harvester verify --bucket --repair; see who may write to the bucket",
    Finding.LISTS: "harvester verify --bucket --repair, where the archive is",
    Finding.UNLOCKED: "see who changed its lock; the next push extends it",
    Finding.UNNAMED: "see whose it is; harvester prune --bucket removes what an interrupted push has left",
    Finding.BEHIND: "harvester push",
}
_HARMLESS: Final = frozenset({Finding.UNNAMED, Finding.BEHIND})


class BucketProblem(msgspec.Struct, frozen=True, omit_defaults=True, order=True):
    """One finding of `verify --bucket`."""

    key: str
    """The object; empty for the Bucket as a whole."""
    finding: Finding
    text: str
    """What is wrong with it, as a sentence's end: `is missing`."""
    fix: str
    """What to do now."""
    snapshot: str = ""
    """The Snapshot whose lists are concerned; empty when it is more than one, or none."""

    @property
    def is_damage(self) -> bool:
        """Whether something that was committed cannot be had as it was."""
        return self.finding not in _HARMLESS

    def __str__(self) -> str:
        return f"{self.key or 'the bucket'} {self.text}"


def problem(key: str, finding: Finding, text: str, *, snapshot: str = "") -> BucketProblem:
    """A finding with the usual advice for its kind."""
    return BucketProblem(key, finding, text, _FIXES[finding], snapshot)
