from __future__ import annotations

import errno
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from support.archives import Night, Report, make_reports, open_archive
from support.disks import FailingDisk, SteppingDisk

from harvester.archive import Archive, Disk, Snapshot
from harvester.errors import CorruptArchiveError, DiskError
from harvester.site import write_pages

REPORTS = make_reports(projects=3, each=2)


class Page(HTMLParser):
    """What a browser would see of a page: its elements, and its text outside of scripts."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements and self.elements[-1][0] != "script":
            self.text += data


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return open_archive(tmp_path / "archive")


def night(archive: Archive, date: str, reports: list[Report]) -> Snapshot:
    return Night(archive, date).run(reports, pages=write_pages)


def test_a_night_without_news_writes_an_index_and_links_the_rest(archive: Archive) -> None:
    first = night(archive, "2026-11-21", REPORTS)
    night(archive, "2026-11-22", REPORTS)
    third = night(archive, "2026-11-23", REPORTS)
    second = archive.snapshots()[1]
    differs = {
        path.relative_to(third.path).as_posix()
        for path in (third.path / "site").iterdir()
        if not path.samefile(second.path / "site" / path.name)
    }
    assert differs == {"site/snapshot.js"}
    assert not (first.path / "site" / "101.html").samefile(
        second.path / "site" / "101.html"
    )  # was new, is kept


def test_only_the_pages_of_projects_with_news_are_written(archive: Archive) -> None:
    for date in ("2026-11-20", "2026-11-21"):
        before = night(archive, date, REPORTS)
    after = night(archive, "2026-11-22", [*REPORTS, replace(REPORTS[0], backtest_id="f" * 32)])
    same = [
        name
        for name in ("101.html", "102.html", "103.html")
        if (after.path / "site" / name).samefile(before.path / "site" / name)
    ]
    assert same == ["102.html", "103.html"]


def test_a_long_project_has_several_pages_and_the_newest_is_linked(archive: Archive) -> None:
    reports = [
        replace(
            REPORTS[0],
            backtest_id=f"{n:032x}",
            name=f"B{n}",
            images=0,
            created=f"2026-01-01T{n // 60:02d}:{n % 60:02d}:00Z",
        )
        for n in range(1440)
    ] + [
        replace(
            REPORTS[0],
            backtest_id=f"{n:032x}",
            name=f"B{n}",
            images=0,
            created=f"2026-02-01T{n % 24:02d}:{n // 24:02d}:00Z",
        )
        for n in range(1440, 1440 + 600)
    ]
    snapshot = night(archive, "2026-11-22", reports)
    assert sorted(path.name for path in (snapshot.path / "site").glob("*.html")) == ["101-1.html", "101.html"]
    assert "B2039" in (snapshot.path / "site" / "101.html").read_text()
    assert ">B0<" in (snapshot.path / "site" / "101-1.html").read_text()
    links = [attrs.get("href") for tag, attrs in Page(snapshot.path / "index.html").elements if tag == "a"]
    assert "site/101.html" in links


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        '" onmouseover="alert(1)',
        "</title></style><!--",
        "{{ 7 * 7 }}{% raw %}",
        "\u202egnp.exe",
        "\u2028\x00\x1b[31m",
        "",
    ],
)
def test_a_hostile_name_is_text_and_nothing_else(archive: Archive, name: str) -> None:
    hostile = replace(REPORTS[0], name=name, project=name, tags=(name or "t",))
    plain = night(archive, "2026-11-21", [replace(hostile, name="x", project="x", tags=("x",))])
    changed = night(archive, "2026-11-22", [hostile])
    for page in ("index.html", "site/101.html"):
        found, usual = Page(changed.path / page), Page(plain.path / page)
        assert {tag for tag, _ in found.elements} <= {tag for tag, _ in usual.elements}
        assert not [attrs for _, attrs in found.elements if any(key.startswith("on") for key in attrs)]
        shown = name.replace("\x00", "\ufffd") or "(no name)"
        assert shown in found.text or shown.replace("\ufffd", "\x00") in found.text


def test_nothing_is_loaded_from_elsewhere_and_no_script_or_style_stands_in_the_page(archive: Archive) -> None:
    snapshot = night(archive, "2026-11-22", REPORTS)
    for page in ("index.html", "site/101.html"):
        found = Page(snapshot.path / page)
        for tag, attrs in found.elements:
            assert "style" not in attrs
            assert not (attrs.get("src") or attrs.get("href") or "").startswith(("http", "//", "data:"))
            assert tag != "style"
            assert tag != "script" or "src" in attrs or attrs["type"] == "application/json"
        policy = next(attrs["content"] for _, attrs in found.elements if attrs.get("http-equiv"))
        assert policy is not None
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy


def test_no_page_is_made_of_an_inventory_that_is_cut_off(archive: Archive, tmp_path: Path) -> None:
    snapshot = night(archive, "2026-11-22", REPORTS)
    copy = tmp_path / "copy"
    shutil.copytree(snapshot.path, copy)
    inventory = copy / "inventory.jsonl"
    inventory.chmod(0o644)
    inventory.write_bytes(inventory.read_bytes()[:-20])
    with pytest.raises(CorruptArchiveError, match=r"inventory\.jsonl:6 is truncated"):
        write_pages(copy)


def test_no_page_is_written_through_a_link_that_was_planted_meanwhile(
    archive: Archive, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "index.html").write_bytes(b"mine")

    def plant_and_write(directory: Path, disk: Disk) -> None:
        (directory / "site").symlink_to(outside)
        (directory / "index.html").symlink_to(outside / "index.html")
        write_pages(directory, disk)

    snapshot = Night(archive).run(REPORTS, pages=plant_and_write)
    assert not (snapshot.path / "site").is_symlink()
    assert [path.name for path in outside.iterdir()] == ["index.html"]
    assert (outside / "index.html").read_bytes() == b"mine"


def test_every_page_goes_through_the_archives_disk(archive: Archive, tmp_path: Path) -> None:
    snapshot = night(archive, "2026-11-22", REPORTS)
    disk = SteppingDisk()
    write_pages(_copy(snapshot, tmp_path / "counted"), disk)
    assert disk.steps > 2 * len(list((snapshot.path / "site").iterdir()))
    for number in range(1, disk.steps + 1):
        copy = _copy(snapshot, tmp_path / f"fails-at-{number}")
        with pytest.raises(DiskError, match="the disk is full"):
            write_pages(copy, FailingDisk(number, errno.ENOSPC))


def _copy(snapshot: Snapshot, target: Path) -> Path:
    """What `write_pages` reads of a Snapshot, without its pages."""
    shutil.copytree(snapshot.path, target, ignore=shutil.ignore_patterns("site", "index.html"))
    return target
