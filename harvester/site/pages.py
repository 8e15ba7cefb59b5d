"""Writes `index.html` and `site/` of a Snapshot from its Inventory, one project at a time.

A project's page shows nothing that changes from night to night by itself, such as the Snapshot's name. So the
page of a project in which nothing changed is the same as in the previous Snapshot, and is linked to it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Final

import jinja2

from harvester.archive import Disk
from harvester.format import (
    IMAGES,
    INDEX,
    INVENTORY,
    SITE,
    SNAPSHOT_FILE,
    load_projects,
    load_record,
    partial_name,
)
from harvester.model import InventoryEntry, Outcome, SnapshotRecord
from harvester.site.folder import Folder
from harvester.site.rows import COLUMNS, FIGURES, Row, page_name, parts_of, row_of
from harvester.site.scripts import SearchIndex, SearchProject, figures_script, rows_json, script_json
from harvester.site.summary import ProjectSummary, Summary
from harvester.text import render_size

_ASSETS: Final = ("style.css", "query.js", "table.js", "gallery.js", "search.js", "icon.svg")


def write_pages(directory: Path, disk: Disk | None = None) -> None:
    """Write the pages of a Snapshot or an export; its payload, Inventory and record must exist already.

    Raises:
        CorruptArchiveError: its `snapshot.json` or Inventory cannot be read.
        DiskError: a page cannot be written.
    """
    record = load_record(directory / SNAPSHOT_FILE, SnapshotRecord)
    _Pages(directory, record, disk or Disk()).write()


class _Pages:
    def __init__(self, directory: Path, record: SnapshotRecord, disk: Disk) -> None:
        self._directory = directory
        self._record = record
        self._alone = directory.name != partial_name(record.name)
        """Whether this is an export, with no other Snapshot next to it that pages could be linked to."""
        before = None if self._alone or record.previous is None else directory.parent / record.previous.name
        self._folder = Folder(disk, directory, before)
        self._search = SearchIndex()
        self._summary = Summary(record.name)

    def write(self) -> None:
        self._folder.make(SITE)
        for _, entries in load_projects(self._directory / INVENTORY):
            self._write_project(entries)
        self._folder.put(f"{SITE}/backtests.js", self._search.render())
        self._folder.put(f"{SITE}/figures.js", figures_script())
        if not self._alone:
            self._folder.put(
                f"{SITE}/snapshot.js", f"standsHere({script_json(self._record.name)});\n".encode()
            )
        for name in _ASSETS:
            self._folder.put(f"{SITE}/{name}", _asset(name))
        self._write_index()

    def _write_project(self, entries: Collection[InventoryEntry]) -> None:
        newest = deque(entries, maxlen=1).pop()
        ranges = parts_of(len(entries))
        pages = [page_name(newest.project_id, part, len(ranges)) for part in range(1, len(ranges) + 1)]
        project = ProjectSummary(newest.project_id, newest.project, pages[-1])
        found = SearchProject(project.project_id, project.name)
        remaining = iter(entries)
        for page, numbers in zip(pages, ranges, strict=True):
            part = list(islice(remaining, len(numbers)))
            rows = [row_of(entry, _images(self._directory, entry)) for entry in part]
            for entry, row in zip(part, rows, strict=True):
                self._summary.add(entry, row, project, page)
            found.add(page, part)
            self._folder.put(f"{SITE}/{page}", _render_project(project, rows[::-1], page, pages))
        self._summary.projects.append(project)
        self._search.add(found)

    def _write_index(self) -> None:
        content = _render(
            "index.html.j2",
            record=self._record,
            alone=self._alone,
            summary=self._summary,
            bar=list(_bar(self._record.counts)),
            columns=COLUMNS,
        )
        self._folder.put(INDEX, content)


def _render_project(project: ProjectSummary, rows: Sequence[Row], page: str, pages: Sequence[str]) -> bytes:
    return _render(
        "project.html.j2",
        project=project, rows=rows, page=page, pages=pages, columns=COLUMNS, figures=FIGURES,
        known=rows_json(rows),
    )  # fmt: skip


def _bar(counts: dict[str, int]) -> Iterator[tuple[str, int, float, float]]:
    """Yield name, count, start and width of each Outcome that occurred, as segments of a bar of width 100."""
    total, begin = sum(counts.values()), 0
    for outcome in Outcome:
        number = counts.get(outcome.value, 0)
        if number:
            yield outcome.value, number, round(100 * begin / total, 3), round(100 * number / total, 3)
            begin += number


def _images(directory: Path, entry: InventoryEntry) -> tuple[str, ...]:
    """Return the names of a report's images, from the directory: faster than reading its record."""
    if not entry.images:
        return ()
    with os.scandir(directory / entry.path / IMAGES) as found:
        return tuple(sorted(item.name for item in found))


def _render(template: str, **context: object) -> bytes:
    # "replace": a lone surrogate in a name cannot be encoded, and must not cost the page.
    return _templates().get_template(template).render(**context).encode("utf-8", "replace")


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("harvester.site"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"number": "{:,}".format, "size": render_size, "period": _period}
    return environment


@cache
def _asset(name: str) -> bytes:
    return files("harvester.site").joinpath("assets", name).read_bytes()


def _period(record: SnapshotRecord) -> str:
    """Return when the Snapshot's run started and finished, to the minute."""
    started, finished = (stamp[:16].replace("T", " ") for stamp in (record.started, record.finished))
    same_day = started[:10] == finished[:10]
    return f"{started} to {finished[11:] if same_day else finished} UTC"
