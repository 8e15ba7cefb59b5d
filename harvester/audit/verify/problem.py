"""The findings of `verify`: values, one for each thing that is wrong."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from harvester.errors import ArchiveError, DiskError


class ProblemKind(StrEnum):
    """What is wrong, in one word."""

    MISSING = "missing"
    """A file that was recorded is not there."""
    ALTERED = "altered"
    """A file has other bytes than were recorded."""
    EXTRA = "extra"
    """A file or directory that was never recorded."""
    ODD = "odd"
    """A symbolic link, device or directory where a file should be."""
    UNREADABLE = "unreadable"
    """The operating system cannot read the file."""
    WRITABLE = "writable"
    """A committed file that its owner could change by accident."""
    BAG = "bag"
    """A BagIt tag file is wrong."""
    MANIFEST = "manifest"
    """A line of a Manifest is damaged, or it does not agree with the Inventory."""
    INVENTORY = "inventory"
    """The Inventory is damaged, or does not agree with what is archived."""
    RECORD = "record"
    """`snapshot.json` or `harvester.json` does not agree with the rest."""
    LEDGER = "ledger"
    """The chain is broken, or does not agree with the Snapshots that exist."""
    LATEST = "latest"
    """`latest` does not point to the newest Snapshot."""
    CATALOG = "catalog"
    """`catalog.sqlite` does not agree with the Inventories."""


_ADVICE = {
    ProblemKind.MISSING: "harvester verify {snapshot} --repair",
    ProblemKind.ALTERED: "harvester verify {snapshot} --repair",
    ProblemKind.EXTRA: "find out who put it there, and move it out of the Archive",
    ProblemKind.ODD: "find out who put it there, remove it, then harvester verify {snapshot} --repair",
    ProblemKind.UNREADABLE: "check permissions and the disk (dmesg, smartctl), then verify again",
    ProblemKind.WRITABLE: "harvester verify {snapshot} --repair",
    ProblemKind.BAG: "restore the file from a backup",
    ProblemKind.MANIFEST: "restore the file from a backup",
    ProblemKind.INVENTORY: "restore the file from a backup",
    ProblemKind.RECORD: "restore the file from a backup",
    ProblemKind.LEDGER: "restore ledger.jsonl from a backup",
    ProblemKind.LATEST: "the next run repairs it",
    ProblemKind.CATALOG: "harvester catalog rebuild",
}


class Problem(msgspec.Struct, frozen=True, omit_defaults=True, order=True):
    """One finding of `verify`."""

    snapshot: str
    """Its name; empty for what concerns the Archive as a whole."""
    path: str
    """Below the Snapshot, or below the Archive when `snapshot` is empty."""
    kind: ProblemKind
    text: str
    """What is wrong, to be read after the path: `is missing`."""
    advice: str = msgspec.field(name="remedy")
    """What to do now; `remedy` in JSON, the name that scripts know."""
    sha256: str = ""
    """The recorded digest of a file that is missing or altered."""

    @property
    def place(self) -> str:
        """Snapshot and path, as people name a file."""
        return "/".join(filter(None, (self.snapshot, self.path)))

    def __str__(self) -> str:
        return f"{self.place} {self.text}"


class Findings:
    """Collects the Problems of one Snapshot, or of the Archive as a whole when `snapshot` is empty."""

    def __init__(self, snapshot: str = "") -> None:
        self.problems: list[Problem] = []
        self._snapshot = snapshot

    def add(self, kind: ProblemKind, path: str, text: str, *, sha256: str = "", advice: str = "") -> None:
        """Add a Problem, with the usual advice for its kind unless another is given."""
        usual = _ADVICE[kind].format(snapshot=self._snapshot)
        self.problems.append(Problem(self._snapshot, path, kind, text, advice or usual, sha256))

    def add_unusable(self, kind: ProblemKind, path: str, exc: ArchiveError) -> None:
        """Note a file that cannot be used; of `kind`, unless it is the disk that does not give it."""
        self.add(
            ProblemKind.UNREADABLE if isinstance(exc, DiskError) else kind, path, f"cannot be used: {exc}"
        )
