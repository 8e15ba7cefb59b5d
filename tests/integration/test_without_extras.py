"""Every command but those of the bucket works where only the plain package is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.archives import Night, make_reports, open_archive

_PLAIN = "import sys; sys.modules['obstore'] = None; from harvester.__main__ import main; main()"
"""Runs the command line as if obstore were not installed."""


@pytest.mark.parametrize(
    "words",
    [
        ["verify"], ["verify", "--repair"], ["snapshots"], ["list"], ["history", "0"], ["catalog", "rebuild"],
        ["diff", "2026-11-21", "2026-11-22"], ["prune", "--keep-daily", "9"], ["config", "show"], ["help"],
        ["export", "latest", "--to", "out"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_no_package_of_the_bucket_is_needed(words: list[str], tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "archive")
    for date in ("2026-11-21", "2026-11-22"):
        Night(archive, date).run(make_reports(1, 1))
    done = subprocess.run(
        [sys.executable, "-c", _PLAIN, *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "obstore" not in done.stderr
    assert done.returncode == 0 or (words[0] == "history" and done.returncode == 2), done.stderr
