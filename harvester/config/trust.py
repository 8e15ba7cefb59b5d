"""Decides whether a configuration that was found, and not named, may be used: only its user may write it.

A configuration can run a command and choose the server that receives signatures, so `cd` into a directory of
somebody else must not be enough to use theirs. ssh and git have the same rule. The file and its directory are
checked, and if the file is a symbolic link, also the link and its target:

* It belongs to another user than root or the one who runs harvester: refused.
* Anybody may write it: refused. A sticky directory such as /tmp is allowed: others can add files to it, which
  belong to them, but cannot replace or rename one of ours.
* A group may write it: refused, unless it is the owner's private group, which has the owner's name and no
  other member. Systems that have such groups let them write by default (umask 002).
"""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Distrust:
    """Why somebody else may have written a configuration."""

    problem: str
    fix: str
    """The advice that follows "or": a command, or what to do instead."""


def find_distrust(path: Path) -> Distrust | None:
    """Return the first reason not to trust a file; None: only root and the user can have written it."""
    user = os.geteuid()
    for place, status in _places(path.absolute()):
        owner = status.st_uid
        if owner not in {0, user}:
            return Distrust(
                f"{place} belongs to {_user_name(owner)}", "keep it in a file and a directory of your own"
            )
        if writers := _writers(status):
            return Distrust(f"{writers} may change {place}", f"run: chmod go-w {shlex.quote(str(place))}")
    return None


def _places(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield everything that decides about the content that is read, directories first."""
    yield path.parent, path.parent.stat()
    if path.is_symlink():
        yield path, path.lstat()
        # The directory of the target counts too: who may write it can replace the target.
        path = path.resolve()
        yield path.parent, path.parent.stat()
    yield path, path.stat()


def _writers(status: os.stat_result) -> str:
    """Return who else than its owner may write something; empty: nobody."""
    mode = status.st_mode
    if stat.S_ISLNK(mode) or (stat.S_ISDIR(mode) and mode & stat.S_ISVTX):
        return ""
    if mode & stat.S_IWOTH:
        return "anybody"
    if mode & stat.S_IWGRP and not _is_private(status.st_gid, status.st_uid):
        return f"the group {_group_name(status.st_gid)}"
    return ""


def _is_private(group: int, owner: int) -> bool:
    """Whether a group is the private group of an owner and has no other member."""
    try:
        user, members = pwd.getpwuid(owner), grp.getgrgid(group)
    except KeyError:
        return False
    own = user.pw_gid == group and members.gr_name == user.pw_name
    return own and not set(members.gr_mem) - {user.pw_name}


def _user_name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"


def _group_name(group: int) -> str:
    try:
        return grp.getgrgid(group).gr_name
    except KeyError:
        return str(group)
