"""What was said before the command's name. Imports nothing heavy: `--version` and `--help` need no more."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harvester.secrets import hide_environment


@dataclass
class Invocation:
    """The options of one call that belong to no command, and its environment."""

    config: Path | None = None
    quiet: bool = False
    verbose: bool = False
    log_format: str = "text"
    json: bool = False
    """Whether the command was asked for one JSON document; an error is printed as one too, then."""
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    account: str = ""
    """Name of the account, once it is known; empty if only one is configured. Every log line carries it."""

    def __post_init__(self) -> None:
        hide_environment(self.environ)
