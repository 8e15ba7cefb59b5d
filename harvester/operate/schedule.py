"""A systemd service and timer, or a crontab line, for one configuration: pure text."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Plan:
    """What is to be started, when, and what it may touch."""

    program: Path
    """The `harvester` command."""
    archive: Path
    config: Path | None
    hour: int = 3
    minute: int = 0
    token_file: Path | None = None
    """Where systemd takes the token from; None: from the configuration."""
    user_id: int | None = None


def render_service(plan: Plan) -> str:
    """The unit that runs once and ends; what it may write is the archive and nothing else."""
    words = [str(plan.program), *(["--config", str(plan.config)] if plan.config else []), "-q", "run"]
    words += ["--archive", str(plan.archive)]
    credentials = []
    if plan.token_file is not None:
        credentials.append(f"LoadCredential=quantconnect_api_token:{_percent(plan.token_file)}")
    if plan.user_id is not None:
        credentials.append(f"Environment=QUANTCONNECT_USER_ID={plan.user_id}")
    lines = [
        "# harvester.service: put it into /etc/systemd/system beside harvester.timer",
        "[Unit]",
        "Description=Archive of QuantConnect backtest reports",
        "Wants=network-online.target",
        "After=network-online.target",
        "",
        "[Service]",
        "Type=oneshot",
        f"ExecStart={' '.join(_word(word) for word in words)}",
        *credentials,
        "# 4: some reports are still being generated; 10: the time for the run was up. Both go on tomorrow.",
        "SuccessExitStatus=4 10",
        "TimeoutStartSec=infinity",
        "TimeoutStopSec=60",
        "KillSignal=SIGTERM",
        f"ReadWritePaths={_path(plan.archive)}",
        "NoNewPrivileges=yes",
        "PrivateTmp=yes",
        "PrivateDevices=yes",
        "ProtectSystem=strict",
        "ProtectHome=read-only",
        "ProtectKernelTunables=yes",
        "ProtectKernelModules=yes",
        "ProtectControlGroups=yes",
        "RestrictSUIDSGID=yes",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
        "LockPersonality=yes",
        "CapabilityBoundingSet=",
        "UMask=0027",
        "LimitCORE=0",
    ]
    return "\n".join(lines) + "\n"


def render_timer(plan: Plan) -> str:
    """The unit that starts the service every night; a night that was missed is made up for."""
    lines = [
        "# harvester.timer: systemctl daemon-reload && systemctl enable --now harvester.timer",
        "[Unit]",
        "Description=Every night's archive of QuantConnect backtest reports",
        "",
        "[Timer]",
        f"OnCalendar=*-*-* {plan.hour:02d}:{plan.minute:02d}:00",
        "RandomizedDelaySec=15min",
        "Persistent=true",
        "",
        "[Install]",
        "WantedBy=timers.target",
    ]
    return "\n".join(lines) + "\n"


def render_cron(plan: Plan) -> str:
    """The crontab line; cron takes `%` for the end of the line, so it is escaped."""
    words = [str(plan.program), *(["--config", str(plan.config)] if plan.config else []), "-q", "run"]
    command = shlex.join([*words, "--archive", str(plan.archive)]).replace("%", r"\%")
    return f"{plan.minute} {plan.hour} * * * {command}\n"


def _word(text: str) -> str:
    """A word of a systemd command line: quoted when it must be, `%` and `$` doubled."""
    text = text.replace("%", "%%").replace("$", "$$")
    if text and not any(char.isspace() or char in "\"'\\;" for char in text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _percent(path: Path) -> str:
    """A path of a setting that takes one, to the end of the line: only `%` has a meaning there."""
    return str(path).replace("%", "%%")


def _path(path: Path) -> str:
    """A path of a setting that takes several: quoted when it holds blanks."""
    text = _percent(path).replace("\\", "\\\\")
    return f'"{text}"' if any(char.isspace() for char in text) else text
