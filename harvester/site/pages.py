"""Writes `index.html` and `site/` of a Snapshot from its Inventory, one project at a time.

A page says nothing that changes from night to night by itself, so that the page of a project without news is
the same as in the Snapshot before, and is linked.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Final

import jinja2

from harvester.archive.inventory import load_inventory
from harvester.archive.layout import IMAGES, INVENTORY, SNAPSHOT_FILE
from harvester.archive.reading import load_record
from harvester.model import InventoryEntry, Outcome, SnapshotRecord
from harvester.site.rows import page_name, row_of

INDEX: Final = "index.html"
SITE: Final = "site"
_ROWS: Final = 2000
"""Backtests on one page: what a browser filters in a blink."""
_SHOWN: Final = 200
"""Backtests in one list of the index."""
_SEARCH: Final = f"{SITE}/search.js"
_ASSETS: Final = ("style.css", "app.js")


@dataclass
class Shortlist:
    """The first backtests of a kind, and how many more there are."""

    rows: list[dict[str, str]] = field(default_factory=list)
    more: int = 0

    def add(self, entry: InventoryEntry, reason: str = "") -> None:
        """One more."""
        if len(self.rows) >= _SHOWN:
            self.more += 1
            return
        href = f"{entry.path}/offline.html" if entry.archived else ""
        self.rows.append(
            {"name": entry.name or "(no name)", "project": entry.project, "href": href, "reason": reason}
        )


@dataclass
class ProjectSummary:
    """One line of the index."""

    project_id: int
    name: str
    page: str
    archived: int = 0
    listed: int = 0
    fresh: int = 0
    sharpe: float | None = None
    newest: str = ""

    def add(self, entry: InventoryEntry) -> None:
        """One more backtest of it."""
        self.archived += entry.archived
        self.listed += entry.listed
        self.fresh += entry.outcome in {Outcome.SAVED, Outcome.UPDATED} and entry.listed
        self.newest = max(self.newest, entry.created)
        sharpe = entry.statistics.get("sharpeRatio")
        if sharpe is not None and entry.archived:
            self.sharpe = sharpe if self.sharpe is None else max(self.sharpe, sharpe)


def write_pages(directory: Path) -> None:
    """Write the pages of a Snapshot, or of an export, in which all but its declarations is in place.

    Raises:
        CorruptArchiveError: its `snapshot.json` or Inventory cannot be read.
    """
    (directory / SITE).mkdir(exist_ok=True)
    _Pages(directory, load_record(directory / SNAPSHOT_FILE, SnapshotRecord)).write()


class _Pages:
    def __init__(self, directory: Path, record: SnapshotRecord) -> None:
        self._directory = directory
        self._record = record
        self._previous = directory.parent / record.previous.name if record.previous else None
        """Where pages may be linked from when they are the same."""
        self._lists = {name: Shortlist() for name in ("fresh", "changed", "gone", "troubled")}
        self._projects: list[ProjectSummary] = []
        self._archived = 0

    def write(self) -> None:
        with _SearchFile(self._directory / _SEARCH) as search:
            for entries in _projects(self._directory):
                self._project(entries, search)
            search.finish([project.name for project in self._projects])
        self._put(_SEARCH, (self._directory / _SEARCH).read_bytes())
        for name in _ASSETS:
            self._put(f"{SITE}/{name}", _asset(name))
        page = (
            _templates()
            .get_template("index.html.j2")
            .render(
                site=f"{SITE}/",
                record=self._record,
                projects=self._projects,
                archived=self._archived,
                payload=_size(self._record.payload_bytes),
                **self._lists,
            )
        )
        self._put(INDEX, page.encode("utf-8", "replace"))

    def _project(self, entries: list[InventoryEntry], search: _SearchFile) -> None:
        newest = entries[-1]
        summary = ProjectSummary(newest.project_id, newest.project, page_name(newest.project_id, 1))
        parts = [entries[at : at + _ROWS] for at in range(0, len(entries), _ROWS)]
        for number, part in enumerate(parts, start=1):
            name = page_name(summary.project_id, number)
            self._put(f"{SITE}/{name}", self._render(summary, part, number, len(parts)))
            for entry in part:
                summary.add(entry)
                self._note(entry)
                search.add(entry, len(self._projects), name)
        self._archived += summary.archived
        self._projects.append(summary)

    def _render(
        self, project: ProjectSummary, entries: Sequence[InventoryEntry], number: int, pages: int
    ) -> bytes:
        galleries: dict[tuple[str, ...], int] = {}
        rows = []
        for entry in entries:
            images = _images(self._directory, entry)
            gallery = galleries.setdefault(images, len(galleries)) if images else None
            rows.append(row_of(entry, images, gallery))
        page = _templates().get_template("project.html.j2").render(
            site="", project=project, rows=rows, number=number, pages=pages, galleries=list(galleries),
            page_name=page_name,
        )  # fmt: skip
        return page.encode("utf-8", "replace")

    def _note(self, entry: InventoryEntry) -> None:
        lists = self._lists
        if entry.gone_since == self._record.name:
            lists["gone"].add(entry)
        elif not entry.listed:
            return
        elif entry.outcome is Outcome.SAVED:
            lists["fresh"].add(entry)
        elif entry.outcome is Outcome.UPDATED:
            lists["changed"].add(entry)
        elif entry.outcome in {Outcome.FAILED, Outcome.UNAVAILABLE, Outcome.PENDING}:
            lists["troubled"].add(entry, f"{entry.outcome.value}: {entry.error or entry.reason}")

    def _put(self, name: str, content: bytes) -> None:
        """One file, linked from the Snapshot before when it is the same there."""
        target = self._directory / name
        target.unlink(missing_ok=True)
        if self._previous is not None and _holds(self._previous / name, content):
            try:
                os.link(self._previous / name, target)
            except OSError:
                pass  # the file system has no links: it is written
            else:
                return
        target.write_bytes(content)


class _SearchFile:
    """`search.js`: the names of all backtests, written as they come."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._any = False

    def __enter__(self) -> _SearchFile:
        self._path.unlink(missing_ok=True)
        self._file = self._path.open("w", encoding="utf-8", errors="replace")
        self._file.write("window.BACKTESTS = {rows: [\n")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, entry: InventoryEntry, project: int, page: str) -> None:
        words = f"{entry.name} {entry.project} {entry.backtest_id}".lower()
        self._file.write(_script([entry.name, project, page, words]) + ",\n")

    def finish(self, projects: list[str]) -> None:
        self._file.write("], projects: " + _script(projects) + "};\n")


def _script(value: object) -> str:
    """JSON that is safe in any script: no end of a tag, no line separator of its own."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _projects(directory: Path) -> Iterator[list[InventoryEntry]]:
    for _, entries in groupby(load_inventory(directory / INVENTORY), key=lambda entry: entry.project_id):
        yield list(entries)


def _images(directory: Path, entry: InventoryEntry) -> tuple[str, ...]:
    """The names of a report's images: cheaper to list than to read from its record."""
    if not entry.images:
        return ()
    with os.scandir(directory / entry.path / IMAGES) as found:
        return tuple(sorted(item.name for item in found))


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.stat().st_size == len(content) and not path.is_symlink() and path.read_bytes() == content
    except OSError:
        return False


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("harvester.site"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )


@cache
def _asset(name: str) -> bytes:
    return files("harvester.site").joinpath("assets", name).read_bytes()


def _size(number: int) -> str:
    value, units = float(number), iter(("B", "kB", "MB", "GB", "TB"))
    unit = next(units)
    while value >= 1000:
        value, unit = value / 1000, next(units)
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
