"""Which configurations are used without having been named."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable
from pathlib import Path

import pytest

from harvester.config.load import load_settings
from harvester.config.trust import find_distrust
from harvester.errors import ConfigError

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration of ours, in a directory of ours."""
    directory = tmp_path / "place"
    directory.mkdir(mode=0o755)
    path = directory / "harvester.toml"
    path.write_text("[pace]\nburst = 2\n")
    path.chmod(0o644)
    return path


def problem(path: Path) -> str:
    found = find_distrust(path)
    return found.problem if found else ""


def load(path: Path) -> int:
    """Load what is found in a directory; gives the only value that it sets."""
    return load_settings(path=None, environ={}, overrides={}, places=(path.parent,)).settings.pace.burst


def test_a_file_of_ours_in_a_directory_of_ours_is_used(file: Path) -> None:
    assert problem(file) == ""
    assert load(file) == 2


@pytest.mark.parametrize("mode", [0o666, 0o646, 0o602])
def test_a_file_that_anybody_may_write_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    assert problem(file) == f"anybody may change {file}"
    with pytest.raises(
        ConfigError, match=r"is not used: anybody may change .*name it with --config"
    ) as caught:
        load(file)
    assert str(caught.value).endswith(f"run: chmod go-w {file}")


def test_a_directory_that_anybody_may_write_is_refused(file: Path) -> None:
    file.parent.chmod(0o777)
    assert problem(file) == f"anybody may change {file.parent}"


def test_a_sticky_directory_protects_a_file_of_ours(file: Path) -> None:
    file.parent.chmod(0o1777)
    assert problem(file) == ""


@needs_root
def test_a_sticky_directory_makes_no_file_of_others_ours(file: Path) -> None:
    file.parent.chmod(0o1777)
    os.chown(file, NOBODY, -1)
    assert problem(file) == f"{file} belongs to {pwd.getpwuid(NOBODY).pw_name}"


@needs_root
@pytest.mark.parametrize("of", [lambda file: file, lambda file: file.parent], ids=["file", "directory"])
@pytest.mark.parametrize(("owner", "name"), [(NOBODY, pwd.getpwuid(NOBODY).pw_name), (54321, "user 54321")])
def test_what_belongs_to_another_user_is_refused(
    file: Path, of: Callable[[Path], Path], owner: int, name: str
) -> None:
    os.chown(of(file), owner, -1)
    assert problem(file) == f"{of(file)} belongs to {name}"
    with pytest.raises(ConfigError, match=r"or keep it in a file and a directory of your own$"):
        load(file)


@needs_root
@pytest.mark.parametrize("of", [lambda file: file, lambda file: file.parent], ids=["file", "directory"])
def test_what_a_group_may_write_is_refused(file: Path, of: Callable[[Path], Path]) -> None:
    os.chown(of(file), -1, 54321)
    of(file).chmod(0o775)
    assert problem(file) == f"the group 54321 may change {of(file)}"


def test_the_private_group_of_the_owner_may_write(file: Path) -> None:
    user = pwd.getpwuid(os.geteuid())
    group = grp.getgrgid(user.pw_gid)
    if group.gr_name != user.pw_name or set(group.gr_mem) - {user.pw_name}:
        pytest.skip("this user has no private group")
    os.chown(file, -1, group.gr_gid)
    file.chmod(0o664)
    file.parent.chmod(0o775)
    assert problem(file) == ""


@needs_root
def test_a_link_that_another_user_has_planted_is_refused(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "harvester.toml"
    link.symlink_to(file)
    assert problem(link) == ""
    os.chown(link, NOBODY, -1, follow_symlinks=False)
    assert problem(link).startswith(f"{link} belongs to ")


def test_the_directory_that_a_link_leads_to_is_judged_too(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "harvester.toml"
    link.symlink_to(file)
    file.parent.chmod(0o777)
    assert problem(link) == f"anybody may change {file.parent}"


def test_a_file_that_is_named_is_used_whoever_may_write_it(file: Path, tmp_path: Path) -> None:
    file.chmod(0o666)
    other = tmp_path / "other.toml"
    other.write_text("[pace]\nburst = 3\n")
    environ = {"HARVESTER_CONFIG": str(file)}
    option = load_settings(path=file, environ={}, overrides={})
    variable = load_settings(path=None, environ=environ, overrides={}, places=(file.parent,))
    both = load_settings(path=other, environ=environ, overrides={})
    empty = load_settings(path=None, environ={"HARVESTER_CONFIG": ""}, overrides={}, places=())
    assert [one.settings.pace.burst for one in (option, variable, both, empty)] == [2, 2, 3, 1]
    assert variable.path == file


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_settings(path=None, environ={"HARVESTER_CONFIG": str(tmp_path / "no.toml")}, overrides={})


def test_home_is_meant_by_a_tilde_in_the_variable(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(file.parent))
    loaded = load_settings(path=None, environ={"HARVESTER_CONFIG": "~/harvester.toml"}, overrides={})
    assert loaded.path == file
