from __future__ import annotations

from pathlib import Path

import pytest
from support.archives import sha256

from harvester.archive import Disk, LinkMode
from harvester.archive.carrying import Carry, Linker, carry
from harvester.errors import CorruptArchiveError, DiskError
from harvester.format.manifest import ManifestBlock, manifest_line

FILES = {
    "images/01-a.png": b"image",
    "offline.html": b"offline",
    "report.html": b"report",
    "report.json": b"{}",
}
PATH = "data/p_1/b_2"


def make_report(directory: Path) -> list[bytes]:
    """A report's directory, and its lines of a Manifest."""
    (directory / "images").mkdir(parents=True)
    for name, content in FILES.items():
        (directory / name).write_bytes(content)
    return [manifest_line(f"{PATH}/{name}", sha256(content)) for name, content in FILES.items()]


def job(tmp_path: Path, lines: list[bytes], record: bytes | None = None) -> Carry:
    return Carry(f"{tmp_path}/source", f"{tmp_path}/target", ManifestBlock(PATH, lines), record)


@pytest.fixture
def lines(tmp_path: Path) -> list[bytes]:
    return make_report(tmp_path / "source")


def test_a_directory_is_linked_file_by_file(tmp_path: Path, lines: list[bytes]) -> None:
    carry(Disk(), LinkMode.HARDLINK, job(tmp_path, lines))
    for name in FILES:
        assert (tmp_path / "target" / name).samefile(tmp_path / "source" / name)


def test_a_renamed_report_gets_a_record_of_its_own(tmp_path: Path, lines: list[bytes]) -> None:
    carry(Disk(), LinkMode.HARDLINK, job(tmp_path, lines, b'{"new": 1}'))
    assert (tmp_path / "target" / "report.json").read_bytes() == b'{"new": 1}'
    assert (tmp_path / "source" / "report.json").read_bytes() == b"{}"


@pytest.mark.parametrize("mode", [LinkMode.HARDLINK, LinkMode.COPY])
def test_a_complete_directory_is_kept(tmp_path: Path, lines: list[bytes], mode: LinkMode) -> None:
    carry(Disk(), mode, job(tmp_path, lines))
    inode = (tmp_path / "target").stat().st_ino
    carry(Disk(), mode, job(tmp_path, lines))
    assert (tmp_path / "target").stat().st_ino == inode


@pytest.mark.parametrize("mode", [LinkMode.HARDLINK, LinkMode.COPY])
@pytest.mark.parametrize("wrong", ["missing", "altered", "extra", "link", "file in its place"])
def test_a_directory_that_differs_is_replaced(
    tmp_path: Path, lines: list[bytes], mode: LinkMode, wrong: str
) -> None:
    carry(Disk(), mode, job(tmp_path, lines))
    file = tmp_path / "target" / "report.html"
    if wrong != "extra":
        file.unlink()
    if wrong == "altered":
        file.write_bytes(b"other!")
    elif wrong == "extra":
        (tmp_path / "target" / "more").write_bytes(b"")
    elif wrong == "link":
        file.symlink_to(tmp_path / "source" / "report.html")
    elif wrong == "file in its place":
        Disk().remove_tree(tmp_path / "target")
        (tmp_path / "target").write_bytes(b"")
    carry(Disk(), mode, job(tmp_path, lines))
    assert {name: (tmp_path / "target" / name).read_bytes() for name in FILES} == FILES
    assert not file.is_symlink()
    assert not (tmp_path / "target" / "more").exists()


@pytest.mark.parametrize(
    "name", ["../../outside", "images/../../outside", "..", "a/b", "images/a/b", "images/"]
)
def test_a_manifest_cannot_make_links_elsewhere(tmp_path: Path, lines: list[bytes], name: str) -> None:
    with pytest.raises(CorruptArchiveError, match="which no report has"):
        carry(Disk(), LinkMode.HARDLINK, job(tmp_path, [*lines, manifest_line(f"{PATH}/{name}", "0" * 64)]))
    assert not (tmp_path / "target").exists()


def test_a_missing_file_is_the_earlier_snapshots_fault(tmp_path: Path, lines: list[bytes]) -> None:
    (tmp_path / "source" / "images" / "01-a.png").unlink()
    with pytest.raises(CorruptArchiveError, match=r"01-a\.png is missing"):
        carry(Disk(), LinkMode.HARDLINK, job(tmp_path, lines))


class ThirdFails(Disk):
    """Cannot make one of the directories."""

    def new_dir(self, path: str) -> bool:
        if path.endswith("target-3"):
            raise DiskError("no", path=path)
        return super().new_dir(path)


def many(tmp_path: Path, lines: list[bytes], count: int) -> list[Carry]:
    return [
        Carry(f"{tmp_path}/source", f"{tmp_path}/target-{n}", ManifestBlock(PATH, lines))
        for n in range(count)
    ]


def test_many_directories_are_all_linked_in_the_end(tmp_path: Path, lines: list[bytes]) -> None:
    linker = Linker(Disk(), LinkMode.HARDLINK)
    for each in many(tmp_path, lines, 2500):
        linker.add(each)
    linker.finish()
    linker.close()
    assert (tmp_path / "source" / "report.html").stat().st_nlink == 2501


def test_an_error_comes_out_at_the_end_at_the_latest(tmp_path: Path, lines: list[bytes]) -> None:
    linker = Linker(ThirdFails(), LinkMode.HARDLINK)
    for each in many(tmp_path, lines, 5):
        linker.add(each)
    with pytest.raises(DiskError):
        linker.finish()
    linker.close()
