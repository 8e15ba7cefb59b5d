from __future__ import annotations

from pathlib import Path

from support.archives import sha256

from harvester.archive import Disk
from harvester.archive.new_file import NewFile


def test_a_file_written_in_pieces_knows_its_digest(tmp_path: Path) -> None:
    file = NewFile(Disk(), tmp_path / "f")
    for _ in range(300):
        file.add(b"x" * 10_000)
    assert file.finish() == sha256(b"x" * 3_000_000)
    assert (tmp_path / "f").read_bytes() == b"x" * 3_000_000
    file.close()
