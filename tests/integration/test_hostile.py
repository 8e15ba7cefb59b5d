"""Hostile reports, names and answers through the whole of a run: bounded, kept as served, and held inside."""

from __future__ import annotations

import base64
import json
import struct
import unicodedata
import zlib
from pathlib import Path
from typing import Any

import anyio.to_thread
import msgspec
import pytest
from support.disks import check_archive
from support.servers.hostile import MEGABYTE, Ended, Served, hostile_api, measured

from harvester.format.layout import is_report_path
from harvester.model import InventoryEntry

PLAIN = Served(
    "Plain", "<table><tr><th>Drawdown</th></tr></table><img src='data:image/gif;base64,R0lGODlhAQABAAAAADs='>"
)
LENGTH = 5 * MEGABYTE


def png_bomb() -> bytes:
    """A PNG that says it has more pixels than fit into memory, and unpacks to a thousand times its size."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 16, 6, 0, 0, 0))
    pixels = zlib.compress(b"\0" * 100 * MEGABYTE, 9)
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def svg_bomb() -> bytes:
    """Entities that multiply to billions, one from a file, and links to elsewhere."""
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    return (
        f'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY e0 "lol">{entities}<!ENTITY f SYSTEM "/etc/passwd">]>'
        '<svg xmlns:xlink="http://www.w3.org/1999/xlink"><text>&e11;&f;</text>'
        '<image xlink:href="http://evil.example/x"/><script>alert(1)</script></svg>'
    ).encode()


def embedded(content: bytes, kind: str) -> str:
    return f'<img src="data:image/{kind};base64,{base64.b64encode(content).decode()}">'


REPORTS = {
    "nested": "<div>" * (LENGTH // 5),
    "a million images": "<img src='data:image/gif;base64,R0lGODlhAQABAAAAADs='>" * MEGABYTE,
    "images within the bounds": "<img src='data:image/gif;base64,R0lGODlhAQABAAAAADs='>" * 20_000,
    "one attribute": f"<p title='{'x' * LENGTH}'>text</p>",
    "many attributes": "<p " + " ".join(f"a{n}" for n in range(500_000)) + ">",
    "words": "aa " * (20 * MEGABYTE),
    "open comment": "<!-- " + "x" * LENGTH,
    "open script": "<script>" + "x" * LENGTH,
    "open style": "<style>" + "url( " * (LENGTH // 5),
    "cut off image": '<img src="data:image/png;base64,' + "A" * LENGTH,
    "png bomb": embedded(png_bomb(), "png"),
    "svg bomb": embedded(svg_bomb(), "svg+xml"),
    "titles": "".join(
        f"<h2>{title}</h2><img src='data:image/gif;base64,R0lGODlhAQABAAAAADs='>"
        for title in ("../../../../tmp/x", "/etc/passwd", "CON", "a\nb", "\u202egnp", "x" * 10_000, "-rf ~")
    ),
    "null bytes": "<p>\0</p>" * 1000,
}
NOT_TAKEN_APART = {"nested", "a million images", "many attributes"}


def files_of(root: Path) -> dict[str, bytes]:
    """Everything below a directory, by path."""
    return {
        path.relative_to(root).as_posix(): b"" if path.is_dir() else path.read_bytes()
        for path in root.rglob("*")
    }


def inventory(archive: Path) -> dict[str, InventoryEntry]:
    lines = (archive / "latest" / "inventory.jsonl").read_bytes().splitlines()
    found = [msgspec.json.decode(line, type=InventoryEntry) for line in lines]
    return {entry.backtest_id: entry for entry in found}


def record(archive: Path, entry: InventoryEntry) -> Any:
    return json.loads((archive / "latest" / entry.path / "report.json").read_bytes())


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory to run in, beside which nothing may change."""
    (tmp_path / "neighbour").write_bytes(b"mine")
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


async def run_in(place: Path, served: dict[str, Served], project: str = "Project") -> Ended:
    """A run of everything that is served; nothing beside its archive may change."""
    async with hostile_api(served, project) as base_url:
        ended = await measured("run", cwd=place, base_url=base_url)
    assert "Traceback" not in ended.err
    assert {path.name for path in place.parent.iterdir()} == {"neighbour", place.name}
    assert (place.parent / "neighbour").read_bytes() == b"mine"
    assert {path.name for path in place.iterdir()} == {"archive"}
    await anyio.to_thread.run_sync(check_archive, place / "archive")
    return ended


async def test_every_hostile_report_is_kept_byte_for_byte_within_fixed_memory(place: Path) -> None:
    served = {key: Served(key, html) for key, html in REPORTS.items()} | {"plain": PLAIN}
    ended = await run_in(place, served)
    assert ended.code == 0, ended.err
    assert ended.peak_mb < 1500
    archive = place / "archive"
    for key, entry in inventory(archive).items():
        kept = (archive / "latest" / entry.path / "report.html").read_bytes()
        assert (entry.outcome, kept == served[key].html.encode()) == ("saved", True), key
        warnings = record(archive, entry)["warnings"]
        assert any("too complex to unpack" in text for text in warnings) == (key in NOT_TAKEN_APART), key
    found = inventory(archive)
    assert found["plain"].images == 1
    assert found["images within the bounds"].images == 2000
    assert record(archive, found["cut off image"])["images"] == []


async def test_bombs_are_kept_as_files_and_never_unpacked(place: Path) -> None:
    served = {key: Served(key, REPORTS[key]) for key in ("png bomb", "svg bomb", "titles")}
    ended = await run_in(place, served)
    assert ended.code == 0, ended.err
    assert ended.peak_mb < 300
    found, latest = inventory(place / "archive"), place / "archive" / "latest"
    assert (latest / found["png bomb"].path / "images" / "01-image.png").read_bytes() == png_bomb()
    assert (latest / found["svg bomb"].path / "images" / "01-image.svg").read_bytes() == svg_bomb()
    (image,) = record(place / "archive", found["png bomb"])["images"]
    assert image["width"] == 2**31 - 1
    names = sorted(path.name for path in (latest / found["titles"].path / "images").iterdir())
    assert [name[:20] for name in names] == [
        "01-tmp-x.gif", "02-etc-passwd.gif", "03-con.gif", "04-a-b.gif", "05-gnp.gif", "06-" + "x" * 17,
        "07-rf.gif",
    ]  # fmt: skip


def announced(size: int) -> bytes:
    """The beginning of an answer of so many bytes, in the middle of an image."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
    page = '{"success":true,"report":"<img src=\\"data:image/png;base64,'
    return head.encode() + page.encode() + b"A" * MEGABYTE


async def test_a_gigabyte_that_is_announced_and_cut_off_costs_one_report(place: Path) -> None:
    served = {
        "cut off": Served("Cut off", raw=announced(2**30)),
        "endless": Served("Endless", raw=announced(2**30), repeated=200),
        "plain": PLAIN,
    }
    ended = await run_in(place, served)
    assert ended.code == 3, ended.err
    assert ended.peak_mb < 400
    found = inventory(place / "archive")
    assert {key: entry.outcome for key, entry in found.items()} == {
        "cut off": "failed", "endless": "failed", "plain": "saved",
    }  # fmt: skip
    assert "truncated" in found["cut off"].error
    assert "larger than 64 MB;" in found["endless"].error


NAMES = [
    "../../../../etc/passwd", "/etc/passwd", "..", ".", "", "a\0b", "a\nb\r\nc: d", "CON", "nul.txt", "-rf",
    "~root", "%2e%2e%2f", "$(id)", "`id`", "<script>alert(1)</script>", "{{7*7}}", "'; DROP TABLE x; --",
    "\x1b[31mred\x1b]0;title\x07", "\u202egnp.exe\u2066", "\ufeff\u200b", "\U0001f600", "x" * 10_000,
    "\u0958" * 1000, "a/" * 2000,
]  # fmt: skip
IDS = ["../../x", "..", "/etc/passwd", "a\0b", "a\nb", "A", "a", "\u202ea", "x" * 10_000]


def shown(text: str) -> bool:
    """Whether a terminal shows the text as it stands: nothing in it moves, colours or turns round."""
    return all(char == "\n" or unicodedata.category(char) not in {"Cc", "Cf", "Cs"} for char in text)


async def test_hostile_names_and_ids_stay_inside_and_are_shown_as_text(place: Path) -> None:
    served = {f"{n:032x}": Served(name) for n, name in enumerate(NAMES)}
    served |= {own_id: Served("by its id") for own_id in IDS}
    ended = await run_in(place, served, project="../\0/\u202e\n" + "x" * 10_000)
    assert ended.code == 0, ended.err
    archive = place / "archive"
    found = inventory(archive)
    assert set(found) == set(served)
    assert len({entry.path.casefold() for entry in found.values()}) == len(served)
    assert all(is_report_path(entry.path) for entry in found.values())
    assert all(shown(name) for name in files_of(archive))
    async with hostile_api({}) as base_url:
        verified = await measured("verify", cwd=place, base_url=base_url)
        listed = await measured("list", cwd=place, base_url=base_url)
    assert verified.code == listed.code == 0
    assert all(map(shown, (ended.out, ended.err, listed.out, listed.err)))
