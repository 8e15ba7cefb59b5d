"""From settings to a Bucket: address, keys, retention and the stores that carry them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harvester.bucket.address import Address, parse_address
from harvester.bucket.credentials import hide_store_secrets, load_s3_profile
from harvester.bucket.retention import LockPolicy, parse_retention
from harvester.bucket.signed import S3Requests
from harvester.bucket.store import Store, StoreOptions


@dataclass(frozen=True)
class BucketSpec:
    """What the settings say about the Bucket."""

    url: str
    region: str = ""
    endpoint: str = ""
    retention: str = ""
    account: str = ""
    """Its name in the configuration, when that has several: each has a prefix of its own."""


@dataclass(frozen=True)
class Connection:
    """A Bucket that can be talked to."""

    store: Store
    s3: S3Requests | None
    """None: not S3, or access comes from a role of this machine."""
    retention: LockPolicy | None

    @property
    def address(self) -> Address:
        """Where it is."""
        return self.store.address


def connect(
    spec: BucketSpec, *, environ: Mapping[str, str], home: Path, now: dt.datetime | None = None
) -> Connection:
    """The Bucket that the settings name; no request is made.

    Args:
        spec: From the settings.
        environ: Where keys are looked for first.
        home: Where files with keys are.
        now: When what is put now is put, for the end of its lock; None: nothing is put that is to be locked.

    Raises:
        ConfigError: the settings make no Bucket.
        CredentialsError: a file with keys is damaged.
    """
    address = parse_address(spec.url)
    if spec.account:
        address = address.below(spec.account)
    retention = parse_retention(spec.retention)
    headers = retention.headers(now) if retention and now else {}
    if address.scheme != "s3":
        hide_store_secrets(environ)
        options = StoreOptions(address, spec.region, spec.endpoint, lock_headers=headers)
        return Connection(Store(options), None, retention)
    profile = load_s3_profile(environ, home)
    options = StoreOptions(
        address,
        region=spec.region or profile.region,
        endpoint=spec.endpoint or profile.endpoint,
        keys=profile.keys,
        lock_headers=headers,
    )
    s3 = S3Requests(options, profile.keys) if profile.keys is not None else None
    return Connection(Store(options), s3, retention)
