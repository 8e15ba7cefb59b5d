from __future__ import annotations

import errno

import pytest

from harvester import errors
from harvester.app.failures import code_of_error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigError("x"), 2),
        (errors.UsageError("x"), 2),
        (errors.CredentialsError("x"), 2),
        (errors.AuthenticationError("x", endpoint="e", status=401), 12),
        (errors.RateLimitedError("x", endpoint="e"), 18),
        (errors.ThrottledError("x", endpoint="e"), 18),
        (errors.TransportError("x", endpoint="e"), 1),
        (errors.RefusedError("x", endpoint="e", status=200), 1),
        (errors.ArchiveLockedError("x"), 11),
        (errors.DiskError("x", path="/"), 16),
        (errors.CorruptArchiveError("x"), 20),
        (errors.ArchiveError("x"), 1),
        (KeyboardInterrupt(), 130),
        (ValueError("x"), 1),
        (PermissionError(errno.EACCES, "no", "/archive"), 16),
        (OSError(errno.EIO, "broken"), 16),
        (FileNotFoundError(errno.ENOENT, "no such file", "tool"), 1),
        (ExceptionGroup("", [ValueError("x"), ExceptionGroup("", [errors.DiskError("x", path="/")])]), 16),
    ],
)
def test_every_error_has_its_code(error: BaseException, code: int) -> None:
    assert code_of_error(error) == code
