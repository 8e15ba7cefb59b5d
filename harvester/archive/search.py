"""Copies of a report anywhere in the Archive, known by their digests: whatever names them is only a hint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harvester.archive.names import snapshot_names
from harvester.archive.reports import check_directories
from harvester.errors import ArchiveError
from harvester.format import INVENTORY, REPORT_HTML, file_sha256, load_bytes, load_located

_REPORT_BYTES = 2**31
"""No report is larger: the API's answers are bounded."""


def find_copies(root: Path, wanted: Mapping[tuple[int, str], str]) -> dict[tuple[int, str], list[Path]]:
    """Directories that should hold versions of reports, those of the newest Snapshots first.

    Args:
        root: Of the Archive.
        wanted: The sha256 of `report.html` by project and backtest id.

    Returns:
        Only hints: Inventories are read unchecked, and as far as they can be read.
    """
    found: dict[tuple[int, str], list[Path]] = {key: [] for key in wanted}
    for name in reversed(snapshot_names(root)):
        try:
            for located in load_located(root / name / INVENTORY):
                key = (located.project_id, located.backtest_id)
                if wanted.get(key) == located.report_sha256:
                    found[key].append(root / name / located.path)
        except ArchiveError:
            continue  # others may have it
    return found


def is_copy(directory: Path, files: Mapping[str, str]) -> bool:
    """Whether the directory holds these files, by name and sha256, and no link leads to it."""
    try:
        check_directories(directory.parents[2], "/".join(directory.parts[-3:]))
        return all(file_sha256(directory / name)[0] == sha256 for name, sha256 in files.items())
    except ArchiveError:
        return False


def load_report(directory: Path, sha256: str) -> bytes | None:
    """The bytes of `report.html` in the directory; None unless they have this digest."""
    path = directory / REPORT_HTML
    try:
        check_directories(directory.parents[2], "/".join(directory.parts[-3:]))
        if file_sha256(path)[0] == sha256:
            return load_bytes(path, _REPORT_BYTES)
    except ArchiveError:
        return None
    return None
