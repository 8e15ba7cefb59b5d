"""What disks, people and intruders do to committed Snapshots."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

from model.source import sha256

MANIFEST, TAGMANIFEST, INVENTORY = "manifest-sha256.txt", "tagmanifest-sha256.txt", "inventory.jsonl"
LISTS = (MANIFEST, TAGMANIFEST, INVENTORY, "snapshot.json")


def payload(root: Path) -> list[Path]:
    """Every file of a report in every Snapshot, in a fixed order."""
    return sorted(path for path in root.glob("2026-*/data/*/*/**/*") if path.is_file())


def write(path: Path, content: bytes, *, alone: bool) -> None:
    """Other bytes for a file: in place, so that all its links have them, or for this name alone."""
    if alone:
        path.unlink()
    else:
        path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(0o444)


def flip(root: Path, dice: random.Random) -> str:
    path = dice.choice(payload(root))
    content = bytearray(path.read_bytes())
    content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    write(path, bytes(content), alone=dice.random() < 0.5)
    return f"flip {path.relative_to(root)}"


def cut(root: Path, dice: random.Random) -> str:
    path = dice.choice(payload(root))
    content = path.read_bytes()
    write(path, content[: dice.randrange(len(content))], alone=dice.random() < 0.5)
    return f"cut {path.relative_to(root)}"


def delete(root: Path, dice: random.Random) -> str:
    path = dice.choice(payload(root))
    path.unlink()
    return f"delete {path.relative_to(root)}"


def delete_report(root: Path, dice: random.Random) -> str:
    directory = dice.choice(sorted(root.glob("2026-*/data/*/*")))
    for path in sorted(directory.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    directory.rmdir()
    return f"delete {directory.relative_to(root)}"


def swap(root: Path, dice: random.Random) -> str:
    first, second = (dice.choice(payload(root)) for _ in range(2))
    contents = first.read_bytes(), second.read_bytes()
    write(first, contents[1], alone=True)
    write(second, contents[0], alone=True)
    return f"swap {first.relative_to(root)} and {second.relative_to(root)}"


def edit_list(root: Path, dice: random.Random) -> str:
    """One flipped bit, one line less, or a list that is cut or gone."""
    path = dice.choice(snapshots(root)) / dice.choice(LISTS)
    if not path.exists():
        return "nothing"
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    match dice.randrange(4):
        case 0 if content:
            at = dice.randrange(len(content))
            content = content[:at] + bytes([content[at] ^ 1 << dice.randrange(8)]) + content[at + 1 :]
        case 1 if lines:
            lines.pop(dice.randrange(len(lines)))
            content = b"".join(lines)
        case 2 if content:
            content = content[: dice.randrange(len(content))]
        case _:
            path.unlink()
            return f"delete {path.relative_to(root)}"
    write(path, content, alone=True)
    return f"edit {path.relative_to(root)}"


def forge(root: Path, dice: random.Random) -> str:
    """Other bytes for a report, and all lists of its Snapshot rewritten to agree; not the Ledger."""
    snapshot = dice.choice(snapshots(root))
    reports = sorted(snapshot.glob("data/*/*/report.html"))
    lists = [snapshot / name for name in (MANIFEST, TAGMANIFEST, INVENTORY)]
    if not reports or not all(path.exists() for path in lists):
        return "nothing"
    report = dice.choice(reports)
    old, forged = report.read_bytes(), report.read_bytes() + b"<!-- forged -->"
    write(report, forged, alone=True)
    for name in (MANIFEST, INVENTORY):
        path = snapshot / name
        content = path.read_bytes().replace(sha256(old).encode(), sha256(forged).encode())
        write(path, content, alone=True)
        reseal(snapshot, name)
    return f"forge {report.relative_to(root)}"


def forge_removal(root: Path, dice: random.Random) -> str:
    """One report less in a Snapshot, and in all of its lists; not in the Ledger."""
    snapshot = dice.choice(snapshots(root))
    lists = [snapshot / name for name in (MANIFEST, TAGMANIFEST, INVENTORY)]
    if not all(path.exists() for path in lists):
        return "nothing"
    lines = (snapshot / INVENTORY).read_bytes().splitlines(keepends=True)
    paths = [_path_of(line) for line in lines]
    known = [path for path in paths if path]
    if not known:
        return "nothing"
    victim = dice.choice(known)
    kept = [line for line, path in zip(lines, paths, strict=True) if path != victim]
    write(snapshot / INVENTORY, b"".join(kept), alone=True)
    manifest = (snapshot / MANIFEST).read_bytes().splitlines(keepends=True)
    kept = [line for line in manifest if f"  {victim}/".encode() not in line]
    write(snapshot / MANIFEST, b"".join(kept), alone=True)
    for name in (MANIFEST, INVENTORY):
        reseal(snapshot, name)
    for path in sorted((snapshot / victim).rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    if (snapshot / victim).exists():
        (snapshot / victim).rmdir()
    return f"forge the removal of {snapshot.name}/{victim}"


def reseal(snapshot: Path, name: str) -> None:
    """Let the tag manifest agree with an edited list."""
    digest = sha256((snapshot / name).read_bytes()).encode()
    lines = (snapshot / TAGMANIFEST).read_bytes().splitlines(keepends=True)
    end = b"  " + name.encode() + b"\n"
    lines = [digest + end if line.endswith(end) else line for line in lines]
    write(snapshot / TAGMANIFEST, b"".join(lines), alone=True)


def snapshots(root: Path) -> list[Path]:
    return sorted(root.glob("2026-*"))


def _path_of(line: bytes) -> str:
    try:
        return str(json.loads(line).get("path", ""))
    except (ValueError, AttributeError):
        return ""


DAMAGES: dict[str, Callable[[Path, random.Random], str]] = {
    "flip": flip,
    "cut": cut,
    "delete": delete,
    "delete a report": delete_report,
    "swap": swap,
    "edit a list": edit_list,
    "forge": forge,
    "forge a removal": forge_removal,
}
