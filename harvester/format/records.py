"""The JSON files of an Archive as values: `harvester.json`, `snapshot.json` and `report.json`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from harvester.model import SnapshotRecord, account_fingerprint
from harvester.secrets import mask


class ArchiveRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """`harvester.json`: which Archive this is."""

    format: int
    account: str
    """Fingerprint of the Account, never its id."""
    created: str
    account_salt: Annotated[str, msgspec.Meta(pattern=r"\A(?:[0-9a-f]{2})*\Z", max_length=64)] = ""
    """What the fingerprint was made with, in hexadecimal; in no Snapshot. Empty in an older Archive."""

    def fingerprint(self, account: int | str) -> str:
        """The fingerprint of an Account here; `account` is its user id, or a fingerprint already."""
        return account if isinstance(account, str) else account_fingerprint(account, self.account_salt)


def render_record(record: msgspec.Struct) -> bytes:
    """A record as it is stored: JSON, one field a line."""
    return msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"


def mask_errors(record: SnapshotRecord) -> SnapshotRecord:
    """The record with secrets masked in every text that comes from an error; names are left alone."""
    return msgspec.structs.replace(
        record,
        unread_projects=tuple(
            msgspec.structs.replace(project, error=mask(project.error)) for project in record.unread_projects
        ),
        unread_optimizations=tuple(
            msgspec.structs.replace(optimization, error=mask(optimization.error))
            for optimization in record.unread_optimizations
        ),
        unproven=mask(record.unproven),
    )
