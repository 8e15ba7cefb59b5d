"""What is published: the name, the version, the files in the wheel, the changelog."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from zipfile import ZipFile

import pytest
from support.served import ROOT

import harvester

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_installed_distribution_has_the_version_of_the_package() -> None:
    assert version(PROJECT["name"]) == harvester.__version__


def test_the_newest_entry_of_the_changelog_is_this_version() -> None:
    changelog = (ROOT / ".github/CHANGELOG.md").read_text()
    (newest, *_) = re.findall(r"(?m)^## (\S+)", changelog)
    assert newest == harvester.__version__


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(directory)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = directory.iterdir()
    return path


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    here = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "harvester").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with ZipFile(wheel) as packed:
        assert here - set(packed.namelist()) == set()


def test_no_text_tells_to_install_the_other_harvester() -> None:
    """`harvester` on PyPI is another program."""
    texts = [
        path
        for pattern in ("*.md", ".github/**/*.md", "*.toml", "harvester/**/*")
        for path in ROOT.glob(pattern)
        if path.suffix in {".md", ".py", ".toml", ".html", ".j2"}
    ]
    wrong = re.compile(r"(pip|pipx|uv|uvx|uv tool)( add| install| run)?( -\S+)* ['\"]?harvester\b(?!/)")
    found = {path.name: hit.group() for path in texts if (hit := wrong.search(path.read_text("utf-8")))}
    assert found == {}
