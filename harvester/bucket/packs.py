"""Packs: one report directory as one stored zip, and the list of them that a Snapshot's zip carries. Pure.

A pack is named by what it holds, so its bytes have to be the same whenever and wherever it is made: members
in order of their names, a fixed time, a fixed mode, nothing compressed.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO, Final

import msgspec

from harvester.bucket.keys import VERSION_CHARS, is_pack_key, is_record_key
from harvester.errors import CorruptBucketError
from harvester.format import REPORT_JSON, is_file_name, is_report_path, manifest_line

PACK_BYTES: Final = 2 * 2**30
"""No pack is larger: it is built and checked in memory."""
MEMBERS: Final = 10_000
"""No report directory has more files."""
LINE_BYTES: Final = 64 * 2**10
_TIME: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip can say."""
_LOCAL_BYTES, _CENTRAL_BYTES, _END_BYTES = 30, 46, 22
"""Of a zip's header before each member, its line in the directory, and its end."""


class StoredObject(msgspec.Struct, frozen=True, omit_defaults=True):
    """An object as it was when it was created: what the listing must still say of it."""

    key: str
    bytes: int
    sha256: str
    e_tag: str
    version: str = ""
    """Reaches these bytes in a bucket with versions, whatever was put over them since."""
    retained_until: str = ""
    """UTC; empty when nothing locks it."""


class PackLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of `packs.jsonl`: a report directory of the Snapshot and the objects it comes from."""

    path: str
    """`data/PROJECT/BACKTEST`, below the Snapshot."""
    pack: StoredObject
    packed_record: str
    """sha256 of the report.json inside the pack."""
    record: StoredObject | None = None
    """The report.json that takes its place, when it changed without the report."""

    @property
    def objects(self) -> tuple[StoredObject, ...]:
        """Everything that the directory is made from."""
        return (self.pack,) if self.record is None else (self.pack, self.record)


_LINE: Final = msgspec.json.Decoder(PackLine)


def pack_version(files: Mapping[str, str]) -> str:
    """What tells this version of a report from others: a digest over all its files but `report.json`.

    Args:
        files: Name below the report's directory and sha256.
    """
    digest = hashlib.sha256()
    for name in sorted(files):
        if name != REPORT_JSON:
            digest.update(manifest_line(name, files[name]))
    return digest.hexdigest()[:VERSION_CHARS]


def build_pack(files: Sequence[tuple[str, bytes]]) -> bytes:
    """The zip of a report directory; the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED, allowZip64=True) as file:
        for name, content in sorted(files):
            file.writestr(fixed_member(name), content)
    return buffer.getvalue()


def fixed_member(name: str, compression: int = zipfile.ZIP_STORED) -> zipfile.ZipInfo:
    """A member whose header says nothing about when, where or by which system it was made."""
    member = zipfile.ZipInfo(name, date_time=_TIME)
    member.create_system = 3
    member.external_attr = 0o100444 << 16
    member.compress_type = compression
    return member


def pack_bytes(names: Iterable[str], payload_bytes: int) -> int:
    """How large the pack of these files is, without building it."""
    headers = sum(_LOCAL_BYTES + _CENTRAL_BYTES + 2 * len(name.encode()) for name in names)
    return _END_BYTES + headers + payload_bytes


def open_pack(content: bytes, key: str) -> dict[str, bytes]:
    """The files of a pack by their names, each within bounds.

    Raises:
        CorruptBucketError: it is not a pack that harvester has made.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            members = file.infolist()
            _check_members(members, len(content), key)
            return {member.filename: file.read(member) for member in members}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError, RuntimeError) as exc:
        raise CorruptBucketError(f"{key} is not a sound pack: {exc}. {_REPAIR}", key=key) from exc


_REPAIR: Final = "Run `harvester verify --bucket --repair` where the archive is"


def _check_members(members: Sequence[zipfile.ZipInfo], size: int, key: str) -> None:
    names = {member.filename for member in members}
    sound = (
        len(members) == len(names) <= MEMBERS
        and all(member.compress_type == zipfile.ZIP_STORED for member in members)
        and sum(member.file_size for member in members) <= size
        and all(is_member_name(name) for name in names)
    )
    if not sound:
        raise CorruptBucketError(f"{key} has members that no pack of harvester has. {_REPAIR}", key=key)


def is_member_name(name: str) -> bool:
    """Whether the text is `report.html` or `images/01.png`: nothing else is used as a path."""
    parts = name.split("/")
    return len(parts) <= 2 and all(map(is_file_name, parts))


def check_pack(content: bytes, files: Mapping[str, str], key: str) -> dict[str, bytes]:
    """The files of a pack, each held against the Manifest; its `report.json` may be an earlier one.

    Args:
        content: The pack.
        files: Name and sha256, as the Manifest of a Snapshot has them.
        key: What an error names.

    Raises:
        CorruptBucketError: a file is missing, too many, or has other bytes.
    """
    found = open_pack(content, key)
    if found.keys() != files.keys():
        raise CorruptBucketError(f"{key} has not the files that the Manifest lists. {_REPAIR}", key=key)
    for name, sha256 in files.items():
        if name != REPORT_JSON and hashlib.sha256(found[name]).hexdigest() != sha256:
            raise CorruptBucketError(f"{key} holds another {name} than was archived. {_REPAIR}", key=key)
    return found


def render_line(line: PackLine) -> bytes:
    """One line of `packs.jsonl`."""
    return msgspec.json.encode(line) + b"\n"


def parse_lines(file: BinaryIO, where: str) -> Iterator[PackLine]:
    """The lines of a `packs.jsonl`, each checked as it is read; `where` is what an error names.

    Raises:
        CorruptBucketError: a line is damaged, or names what no Snapshot has.
    """
    number = 0
    while raw := file.readline(LINE_BYTES):
        number += 1
        try:
            line = _LINE.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
            raise CorruptBucketError(f"{where}:{number} is damaged: {exc}", key=where) from exc
        record = line.record
        sound = (
            is_report_path(line.path)
            and is_pack_key(line.pack.key)
            and (record is None or is_record_key(record.key))
        )
        if not sound:
            raise CorruptBucketError(f"{where}:{number} names what no Snapshot of harvester has", key=where)
        yield line
