"""Each answer of a store is mapped to one error, which says what happened, to which key, and what to do."""

from __future__ import annotations

import pytest

from harvester.bucket.address import parse_address
from harvester.bucket.faults import (
    AlreadyThereError,
    ChangedError,
    MissingObjectError,
    TryAgainError,
    explain,
)
from harvester.errors import BucketAccessError, BucketError

_BUCKET = parse_address("s3://bucket/prefix")


def _error(name: str, status: int = 0, code: str = "", message: str = "") -> Exception:
    """An error as the library words it."""
    answer = f" status code: {status} : <Error><Code>{code}</Code><Message>{message}</Message></Error>"
    text = f"Error performing PUT http://host/x in 1ms - {answer if status else 'error sending request'}"
    return type(name, (Exception,), {})(f"{text}\n\nDebug source:\nsecret details")


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (_error("AlreadyExistsError", 412, "PreconditionFailed"), AlreadyThereError, "already"),
        (_error("AlreadyExistsError", 409, "ConditionalRequestConflict"), AlreadyThereError, "already"),
        (_error("PreconditionError", 412, "PreconditionFailed"), ChangedError, "another process"),
        (_error("FileNotFoundError", 404, "NoSuchKey"), MissingObjectError, "is missing"),
        (_error("FileNotFoundError", 404, "NoSuchBucket"), BucketAccessError, "no bucket 'bucket'"),
        (_error("GenericError", 404, "NoSuchBucket"), BucketAccessError, "no bucket 'bucket'"),
        (_error("GenericError", 404, "ContainerNotFound"), BucketAccessError, "no bucket 'bucket'"),
        (_error("PermissionDeniedError", 403, "AccessDenied"), BucketAccessError, "lack that right"),
        (_error("GenericError", 403, "SignatureDoesNotMatch"), BucketAccessError, "wrong or have expired"),
        (_error("UnauthenticatedError", 401, "ExpiredToken"), BucketAccessError, "wrong or have expired"),
        (_error("GenericError", 403, "RequestTimeTooSkewed"), BucketAccessError, "clock"),
        (_error("GenericError", 501, "NotImplemented"), BucketError, "If-None-Match"),
        (_error("GenericError", 400, "EntityTooLarge", "too big"), BucketError, "too big"),
        (_error("GenericError", 503, "SlowDown"), TryAgainError, "slow down"),
        (_error("GenericError", 429, "TooManyRequests"), TryAgainError, "slow down"),
        (_error("GenericError", 500, "InternalError"), TryAgainError, "does not answer"),
        (_error("GenericError"), TryAgainError, "does not answer"),
    ],
)
def test_answers_are_mapped(error: Exception, kind: type[Exception], text: str) -> None:
    found = explain(error, "reports/x.zip", _BUCKET)
    assert type(found) is kind
    assert text in str(found)
    assert "secret details" not in str(found)
    key = found.error.key if isinstance(found, TryAgainError) else found.key
    assert key == "reports/x.zip"
