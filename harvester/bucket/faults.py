"""What an error of the object store means: what happened, to which key, and what to do now. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from harvester.bucket.address import Address
from harvester.errors import BucketAccessError, BucketError, BucketUnreachableError
from harvester.secrets import mask_answer

_STATUS: Final = re.compile(r"status code: (\d{3})")
_CODE: Final = re.compile(r"<Code>([A-Za-z0-9_.]{1,80})</Code>")
_MESSAGE: Final = re.compile(r"<Message>([^<]{1,300})</Message>")
_NO_BUCKET: Final = frozenset({"NoSuchBucket", "ContainerNotFound", "InvalidBucketName"})
_WRONG_KEYS: Final = frozenset(
    {
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "InvalidToken",
        "AuthenticationFailed",
        "TokenRefreshRequired",
    }
)
_CLOCK: Final = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
_SLOW: Final = frozenset({429, 503})


class AlreadyThereError(BucketError):
    """There is an object of that key; a create that was answered so may have been our own."""


class ChangedError(BucketError):
    """The object is not the one any more that it was to replace."""


class MissingObjectError(BucketError):
    """There is no object of that key."""


class TryAgainError(Exception):
    """An attempt that is worth another one; `error` is what ends it otherwise."""

    def __init__(self, error: BucketError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True)
class _Said:
    """An answer of the store, as far as it can be read from the library's error."""

    kind: str
    """The library's name of the error."""
    text: str
    status: int
    """0: there was no answer."""
    code: str

    @property
    def short(self) -> str:
        """What people need of it."""
        if self.code or self.status:
            return self.code or f"status {self.status}"
        line = self.text.strip().splitlines()[0] if self.text.strip() else "no answer"
        return mask_answer(line.rpartition(" - ")[2][:200])


def explain(exc: Exception, key: str, address: Address) -> BucketError | TryAgainError:
    """An error of the library as harvester's own.

    Args:
        exc: As the library raised it.
        key: The object, or the prefix of a listing; empty for the whole Bucket.
        address: Of the Bucket.
    """
    text = str(exc).partition("Debug source:")[0]
    status = int(found[1]) if (found := _STATUS.search(text)) else 0
    code = found[1] if (found := _CODE.search(text)) else ""
    said = _Said(type(exc).__name__, text, status, code)
    return (
        _explain_condition(said, key, address)
        or _explain_access(said, key, address)
        or _explain_rest(said, key, address)
    )


def _explain_condition(said: _Said, key: str, address: Address) -> BucketError | None:
    """Answers that a caller expects: the object exists, has changed, or is missing."""
    if said.code in _NO_BUCKET:
        return BucketAccessError(
            f"there is no bucket {address.bucket!r}. Check bucket.url, region and endpoint, or make it",
            key=key,
        )
    if said.kind == "AlreadyExistsError":
        return AlreadyThereError(f"{key} is in {address.url} already", key=key)
    if said.kind == "PreconditionError":
        return ChangedError(f"{key} in {address.url} was changed by another process", key=key)
    if said.kind == "FileNotFoundError":
        return MissingObjectError(f"{key} is missing in {address.url}", key=key)
    return None


def _explain_access(said: _Said, key: str, address: Address) -> BucketError | None:
    """Refusals that every further request would meet too."""
    refused = said.status in {401, 403} or said.kind in {"PermissionDeniedError", "UnauthenticatedError"}
    if not refused and not (said.status == 0 and "redential" in said.text):
        return None
    where = f"{address.url} refused {key or 'a listing'} ({said.short})"
    if said.status == 0:
        text = f"there are no credentials for {address.url} ({said.short}). See `harvester help bucket`"
    elif said.code in _CLOCK:
        text = f"{where}: the clock of this machine is off. Set it (timedatectl set-ntp true), then run again"
    elif said.code in _WRONG_KEYS:
        text = f"{where}: the credentials are wrong or have expired. See `harvester help bucket`"
    else:
        text = f"{where}: the credentials lack that right. `harvester help bucket` has the least policy"
    return BucketAccessError(text, key=key)


def _explain_rest(said: _Said, key: str, address: Address) -> BucketError | TryAgainError:
    if said.status == 501 or said.code == "NotImplemented":
        return BucketError(
            f"{address.url} does not know a request that harvester needs ({said.short}): create-only puts "
            "(If-None-Match) are missing in some stores. See `harvester doctor`",
            key=key,
        )
    if said.status in {0, 408, 429} or said.status >= 500:
        what = "keeps saying slow down" if said.status in _SLOW else "does not answer"
        return TryAgainError(
            BucketUnreachableError(
                f"{address.url} {what} ({said.short}), asked for {key or 'a listing'}. "
                "Everything sent so far is kept; run again later",
                key=key,
            )
        )
    found = _MESSAGE.search(said.text)
    message = f": {mask_answer(found[1].strip())}" if found else ""
    return BucketError(f"{address.url} refused {key or 'a listing'} ({said.short}){message}", key=key)
