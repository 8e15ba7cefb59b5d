"""A systemd service and timer, or a crontab line, for one configuration: pure text."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Plan:
    """What is to be started, when, and what it may touch."""

    program: Path
    """The `harvester` command."""
    archives: tuple[Path, ...]
    """What it writes; each is there before systemd starts it."""
    config: Path | None
    hour: int = 3
    minute: int = 0
    tokens: Mapping[str, Path] = field(default_factory=dict)
    """Files that systemd reads the tokens from, by account; the only one has no name."""
    user_id: int | None = None
    """Of the only account; several have theirs in the configuration."""
    account: str = ""
    """The one of several that is run; empty: all, or the only one, which has no name."""
    user: str = ""
    """Whose archives they are; empty: root's."""
    others: tuple[Path, ...] = ()
    """Directories that it writes beside the archives: those of metrics files."""

    def unsafe(self) -> list[str]:
        """Paths that no unit and no crontab can hold: a line break in one would be a line of its own."""
        paths = [self.program, *self.archives, *self.others, *self.tokens.values()]
        paths += [self.config] if self.config else []
        return [repr(str(path)) for path in paths if any(not char.isprintable() for char in str(path))]

    def words(self) -> list[str]:
        """The command that is started."""
        config = ["--config", str(self.config)] if self.config else []
        which = ["--account", self.account] if self.account else []
        # Told apart from the configuration: a relative directory there would be another one at night.
        which += ["--archive", str(self.archives[0])] if len(self.archives) == 1 else ["--all-accounts"]
        return [str(self.program), *config, "-q", "run", *which]


def render_service(plan: Plan) -> str:
    """The unit that runs once and ends; what it may write is the archive and nothing else."""
    credentials = [
        f"LoadCredential=quantconnect_api_token{account and '_'}{account}:{_percent(path)}"
        for account, path in plan.tokens.items()
    ]
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
        *([f"User={plan.user}"] if plan.user else []),
        f"ExecStart={' '.join(_word(word) for word in plan.words())}",
        *credentials,
        "# 4: some reports are still being generated; 10: the time for the run was up. Both go on tomorrow.",
        "SuccessExitStatus=4 10",
        "TimeoutStartSec=infinity",
        "TimeoutStopSec=60",
        "KillSignal=SIGTERM",
        f"ReadWritePaths={' '.join(_path(path) for path in (*plan.archives, *plan.others))}",
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
    command = shlex.join(plan.words()).replace("%", r"\%")
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
    """A path of a setting that takes several: quoted when it holds blanks or quotes."""
    text = _percent(path)
    if not any(char.isspace() or char in "\"'\\" for char in text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
