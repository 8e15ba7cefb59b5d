"""What `doctor` asks of those who start runs and of those who are told: systemd, cron, apprise."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Final

from harvester.app.doctor.machine import Check, ok, warning
from harvester.config import NotifySettings

_TIMER: Final = "harvester.timer"
_TIMEOUT_S: Final = 5.0
_CRONTAB_LINE: Final = re.compile(r"\s*(@[a-z]+|(?:[\w*/,~-]+\s+){4}[\w*/,~-]+)\s.*harvester", re.ASCII)
"""When a line starts something of ours; settings of cron's (`NAME=value`) have no such fields."""


def check_timer(environ: Mapping[str, str]) -> Check:
    """Whether something starts a run every night; who exports once needs nothing of the kind."""
    for whose in ([], ["--user"]):
        found = _timer(["systemctl", *whose], environ)
        if found is not None:
            return found
    for line in map(_CRONTAB_LINE.match, _asked(["crontab", "-l"], environ).splitlines()):
        if line:  # the command is not shown: people write tokens and addresses of monitors into it
            return ok("timer", f"crontab: {' '.join(line[1].split())}")
    return ok("timer", "no run is scheduled; `harvester schedule` prints what starts one every night")


def check_messages(notify: NotifySettings) -> Iterator[Check]:
    """Whether messages that are asked for can be sent; nothing when there are none."""
    if notify.apprise_urls and find_spec("apprise") is None:
        yield warning(
            "messages",
            "notify.apprise_urls is set, but apprise is not installed",
            "pip install 'apprise>=1.9'",
        )


def _timer(systemctl: list[str], environ: Mapping[str, str]) -> Check | None:
    """The state of our timer; None: it does not exist, or there is no systemd to ask."""
    names = ["LoadState", "ActiveState", "NextElapseUSecRealtime"]
    answer = _asked([*systemctl, "show", _TIMER, *(f"--property={name}" for name in names)], environ)
    state = dict(line.split("=", 1) for line in answer.splitlines() if "=" in line)
    if state.get("LoadState", "not-found") == "not-found":
        return None
    if state["LoadState"] != "loaded":
        remedy = f"systemd-analyze verify {_TIMER}"
        return warning("timer", f"systemd cannot load {_TIMER} ({state['LoadState']})", remedy)
    if state.get("ActiveState") != "active":
        remedy = f"{' '.join(systemctl)} enable --now {_TIMER}"
        return warning("timer", f"{_TIMER} is not active", remedy)
    return ok("timer", f"{_TIMER}, next {state.get('NextElapseUSecRealtime') or 'when it is due'}")


def _asked(command: list[str], environ: Mapping[str, str]) -> str:
    """What a program says; nothing when it is not there, fails or takes long."""
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
