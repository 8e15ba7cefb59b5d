"""What was promised for every report that was ever served, and whether the Archive keeps it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from soak.account import Key

from harvester.archive import Archive, Snapshot
from harvester.model import InventoryEntry


class Promises:
    """Remembers the digest of every report that an Archive has taken in."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._held: dict[Key, str] = {}
        """What the newest Snapshot must have, those that are gone included."""
        self._versions: set[tuple[Key, str]] = set()
        """What some Snapshot must have."""

    def __len__(self) -> int:
        return len(self._held)

    def check_night(self, snapshot: str, sent: dict[Key, str], *, in_flight: int) -> None:
        """Whether a new Snapshot has all that the ones before had and all that was sent for it.

        Args:
            snapshot: Its name.
            sent: What was sent in that night, also to attempts that were killed.
            in_flight: How much of it may be missing, for it was on its way when they died.
        """
        found, expected = _digests(self._newest(snapshot)), self._held | sent
        wrong = {key for key, digest in expected.items() if found.get(key) != digest}
        as_before = {key for key in wrong & sent.keys() if found.get(key) == self._held.get(key)}
        assert wrong == as_before, f"{snapshot} has lost {wrong - as_before}"
        assert len(as_before) <= in_flight, f"{snapshot} lacks what was sent: {as_before}"
        assert found.keys() <= expected.keys(), f"nobody has sent {found.keys() - expected.keys()}"
        self._held = found
        self._versions.update(found.items())

    def check_versions(self) -> None:
        """Whether every version of every report is still in some Snapshot, whatever was pruned."""
        kept: set[tuple[Key, str]] = set()
        for snapshot in Archive.open(self._root).snapshots():
            kept.update(_digests(snapshot).items())
        lost = self._versions - kept
        assert not lost, f"no Snapshot has these any more: {lost}"

    def check_bytes(self) -> None:
        """Whether the newest Manifest, by which others check the bytes, has each report as it was sent."""
        manifest = Archive.open(self._root).snapshot("latest").path / "manifest-sha256.txt"
        lines = manifest.read_text(encoding="utf-8").splitlines()
        listed = Counter(line.split(" ", 1)[0] for line in lines if line.endswith("/report.html"))
        assert listed == Counter(self._held.values())

    def check_wanted(self, wanted: set[Key]) -> None:
        """Whether all that can be read by now has been."""
        assert wanted <= self._held.keys(), f"never read: {wanted - self._held.keys()}"

    def _newest(self, name: str) -> Snapshot:
        newest = Archive.open(self._root).snapshot("latest")
        assert newest.name == name
        return newest


def _digests(snapshot: Snapshot) -> dict[Key, str]:
    return {_key(entry): entry.report_sha256 for entry in snapshot.inventory() if entry.archived}


def _key(entry: InventoryEntry) -> Key:
    return (entry.project_id, entry.backtest_id)
