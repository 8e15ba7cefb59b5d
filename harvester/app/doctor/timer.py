"""Checks of what starts runs (systemd, cron) and of what sends messages (apprise)."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Final

from harvester.app.doctor.check import Check, ok, warning
from harvester.config import NotifySettings

_TIMER: Final = "harvester.timer"
_TIMEOUT_S: Final = 5.0
_CRONTAB_LINE: Final = re.compile(r"\s*(@[a-z]+|(?:[\w*/,~-]+\s+){4}[\w*/,~-]+)\s.*harvester", re.ASCII)
"""A crontab line that starts harvester; group 1 says when. Lines such as `NAME=value` do not match."""


def check_timer(environ: Mapping[str, str]) -> Check:
    """Check whether something starts a run every night. Nothing is fine too: one export needs no timer."""
    for scope in ([], ["--user"]):
        found = _timer(["systemctl", *scope], environ)
        if found is not None:
            return found
    for line in map(_CRONTAB_LINE.match, _output_of(["crontab", "-l"], environ).splitlines()):
        if line:  # the command is not shown: it may contain tokens or addresses of monitors
            return ok("timer", f"crontab: {' '.join(line[1].split())}")
    return ok("timer", "no run is scheduled; `harvester schedule` prints a timer or a crontab line")


def check_messages(notify: NotifySettings) -> Iterator[Check]:
    """Check that configured messages can be sent; no check when there are none."""
    if notify.apprise_urls and find_spec("apprise") is None:
        yield warning(
            "messages",
            "notify.apprise_urls is set, but apprise is not installed",
            "pip install 'apprise>=1.9'",
        )


def _timer(systemctl: list[str], environ: Mapping[str, str]) -> Check | None:
    """Check our timer in systemd; None if it does not exist, or if there is no systemd."""
    names = ["LoadState", "ActiveState", "NextElapseUSecRealtime"]
    answer = _output_of([*systemctl, "show", _TIMER, *(f"--property={name}" for name in names)], environ)
    state = dict(line.split("=", 1) for line in answer.splitlines() if "=" in line)
    if state.get("LoadState", "not-found") == "not-found":
        return None
    if state["LoadState"] != "loaded":
        advice = f"systemd-analyze verify {_TIMER}"
        return warning("timer", f"systemd cannot load {_TIMER} ({state['LoadState']})", advice)
    if state.get("ActiveState") != "active":
        advice = f"{' '.join(systemctl)} enable --now {_TIMER}"
        return warning("timer", f"{_TIMER} is not active", advice)
    return ok("timer", f"{_TIMER}, next {state.get('NextElapseUSecRealtime') or 'when it is due'}")


def _output_of(command: list[str], environ: Mapping[str, str]) -> str:
    """What a program prints; empty if it is missing, fails or takes too long."""
    try:
        done = subprocess.run(
            command,
            env={**environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace") if done.returncode == 0 else ""
