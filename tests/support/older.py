"""Archives as version 0.1.0 wrote them, made from new ones: the recipe, so that no bytes have to be kept."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from harvester.model import account_fingerprint
from support.nights import TAGMANIFEST, put, sha256

_RECORD = (
    "name", "run_id", "account", "version", "started", "finished", "complete", "ending", "listed", "counts",
    "gone", "projects", "unread_projects", "requests", "throttled", "files", "payload_bytes", "written_bytes",
    "link_mode", "settings", "previous", "learned", "format",
)  # fmt: skip
"""What `snapshot.json` had; the catalog had version 1, a ledger line no digest of `harvester.json`."""


def make_older(root: Path, user_id: int) -> None:
    """Rewrite everything but payload, lists and pages in the form of version 0.1.0, seals included."""
    account = account_fingerprint(user_id)
    head = json.loads((root / "harvester.json").read_bytes())
    put(root / "harvester.json", _render({"format": 1, "account": account, "created": head["created"]}))
    previous: dict[str, str] | None = None
    lines, last = [], "0" * 64
    for raw in (root / "ledger.jsonl").read_bytes().splitlines():
        line = json.loads(raw)
        sealed = _reseal(root / line["snapshot"], account, previous)
        previous = {"name": line["snapshot"], "tagmanifest_sha256": sealed}
        del line["archive_sha256"]
        line |= {"tagmanifest_sha256": sealed, "previous_sha256": last}
        lines.append(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        last = sha256(lines[-1])
    (root / "ledger.jsonl").write_bytes(b"".join(lines))
    (root / "catalog.sqlite.sha256").unlink()
    with closing(sqlite3.connect(root / "catalog.sqlite")) as base:
        base.execute("PRAGMA user_version = 1")


def _reseal(bag: Path, account: str, previous: dict[str, str] | None) -> str:
    """Give a Snapshot the old record and tag files; returns the digest of its new tag manifest."""
    record = json.loads((bag / "snapshot.json").read_bytes())
    record = {key: value for key, value in record.items() if key in _RECORD}
    record |= {"account": account, "version": "0.1.0", "previous": previous}
    changed = {"snapshot.json": _render(record), "bag-info.txt": _bag_info(bag, account, previous)}
    (bag / "optimizations.json").unlink()
    lines = []
    for line in (bag / TAGMANIFEST).read_text().splitlines():
        digest, _, name = line.partition("  ")
        if name in changed:
            put(bag / name, changed[name])
            digest = sha256(changed[name])
        lines += [f"{digest}  {name}\n"] if name != "optimizations.json" else []
    content = "".join(lines).encode()
    put(bag / TAGMANIFEST, content)
    return sha256(content)


def _bag_info(bag: Path, account: str, previous: dict[str, str] | None) -> bytes:
    lines = []
    for line in (bag / "bag-info.txt").read_text().splitlines():
        label, _, value = line.partition(": ")
        if label == "External-Identifier":
            value = f"{account}/{bag.name}"
        elif label == "Harvester-Previous" and previous:
            value = f"{previous['name']} sha256:{previous['tagmanifest_sha256']}"
        lines.append(f"{label}: {value}\n")
    return "".join(lines).encode()


def _render(value: dict[str, Any]) -> bytes:
    return json.dumps(value, indent=1).encode() + b"\n"
