from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.archives import sha256

from harvester.audit.verify.fixity import Hasher, RecordedDirectory, check_directories, check_directory
from harvester.audit.verify.problem import ProblemKind

BUFFER = memoryview(bytearray(1000))


def digest(hasher: Hasher, path: Path) -> str:
    with path.open("rb") as file:
        return hasher.sha256(file.fileno(), os.fstat(file.fileno()), BUFFER)


def test_a_file_longer_than_the_buffer_is_hashed_whole(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 2500)
    assert digest(Hasher(), tmp_path / "f") == sha256(b"x" * 2500)


def test_a_linked_file_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"first")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    hasher = Hasher()
    assert digest(hasher, tmp_path / "a") == sha256(b"first")
    (tmp_path / "a").write_bytes(b"other")  # so that reading it again would show
    assert digest(hasher, tmp_path / "b") == sha256(b"first")


def test_a_file_of_its_own_is_not_remembered(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"first")
    hasher = Hasher()
    digest(hasher, tmp_path / "a")
    (tmp_path / "a").write_bytes(b"other")
    assert digest(hasher, tmp_path / "a") == sha256(b"other")


def recorded(tmp_path: Path, *names: str) -> RecordedDirectory:
    return RecordedDirectory(
        "2026-11-22", str(tmp_path), "data/p_1/b_2", tuple((name, sha256(b"")) for name in names)
    )


def test_results_come_in_the_order_of_the_directories(tmp_path: Path) -> None:
    directories = [
        RecordedDirectory("s", str(tmp_path), f"data/p_1/b_{n}", (("f", "0" * 64),)) for n in range(500)
    ]
    told: list[int] = []
    found = [checked.path for checked in check_directories(iter(directories), Hasher(), told.append)]
    assert found == [directory.path for directory in directories]
    assert sum(told) == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "data/p_1/b_2/f"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    path.chmod(0)
    (problem,) = check_directory(recorded(tmp_path, "f"), Hasher(), BUFFER).problems
    assert problem.kind is ProblemKind.UNREADABLE


def test_a_name_that_no_file_system_takes_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "data/p_1/b_2").mkdir(parents=True)
    (problem,) = check_directory(recorded(tmp_path, "x" * 300), Hasher(), BUFFER).problems
    assert problem.kind is ProblemKind.UNREADABLE
    assert "too long" in problem.text
