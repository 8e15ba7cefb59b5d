"""The errors of harvester, shaped by what the caller does next.

x HarvesterError
  - UsageError                   what was asked for cannot be done: no such id, a directory exists
    + ConfigError                every mistake in settings or arguments, at once
      . CredentialsError         none found, or not readable
  x ApiError                     carries the endpoint
    + TransportError             no complete answer; retried
    + RateLimitedError           the server says slow down; every worker waits
    + ThrottledError             it keeps saying so, or for longer than the run may last; ends the run
    + RefusedError               4xx or `success: false`; final for the item
      . AuthenticationError      ends the run: every further call would fail too
        , LockedOutError         too many of them; not a single further signature may be sent
      . NotFoundError            the server does not know the item
    + ProtocolError              the body does not have the documented shape
  - StoppedError                 a signal or the end of its time stopped the run; no request was sent
  - ReportError                  the HTML cannot be taken apart within its bounds
  - ArchiveError                 ends the run
    + ArchiveLockedError         another run holds the Archive
    + CorruptArchiveError        what is on disk contradicts itself
      . DamagedReportError       files of one archived report; the run continues without them
    + DiskError                  full, read-only or not writable
  - BucketError                  the copy in the object store cannot be used; carries the key
    + BucketAccessError          credentials or rights; every further request would be refused too
    + BucketUnreachableError     no answer, or slow down, for as long as harvester waits; try again later
    + BucketLockedError          another push holds the Bucket, or has taken it over
    + BucketConflictError        another account's, another history, or a newer harvester's
    + CorruptBucketError         what is in the Bucket contradicts itself

The errors marked `x` are never raised; a caller catches them to say "any of these". All are exported by
`harvester.errors`, which is part of the public API.
"""

from __future__ import annotations


class HarvesterError(Exception):
    """Any failure that harvester itself explains; its text is for the user."""


class UsageError(HarvesterError):
    """What was asked for cannot be done as it was asked for; nothing is broken."""


class ConfigError(UsageError):
    """Settings or arguments are wrong; `mistakes` holds one line for each, with its place."""

    def __init__(self, *mistakes: str) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class CredentialsError(ConfigError):
    """No usable credentials were found in any of the places that are searched."""


class ApiError(HarvesterError):
    """Any failure of a request; `endpoint` is the route below the base URL."""

    def __init__(self, message: str, *, endpoint: str) -> None:
        super().__init__(message)
        self.endpoint = endpoint


class TransportError(ApiError):
    """No complete answer: refused, reset, truncated, timed out, 5xx or not JSON. Worth another attempt."""

    def __init__(self, message: str, *, endpoint: str, status: int | None = None) -> None:
        super().__init__(message, endpoint=endpoint)
        self.status = status


class RateLimitedError(ApiError):
    """The server says slow down; `retry_after_s` is the number of seconds that it named, if it named one."""

    def __init__(self, message: str, *, endpoint: str, retry_after_s: float | None = None) -> None:
        super().__init__(message, endpoint=endpoint)
        self.retry_after_s = retry_after_s


class ThrottledError(ApiError):
    """The server keeps saying slow down, or asks for a longer pause than the run may last."""


class RefusedError(ApiError):
    """The server refused the request; `texts` are its own words, `code` is its number for the failure."""

    def __init__(
        self, message: str, *, endpoint: str, status: int, texts: tuple[str, ...] = (), code: str = ""
    ) -> None:
        super().__init__(message, endpoint=endpoint)
        self.status = status
        self.texts = texts
        self.code = code


class AuthenticationError(RefusedError):
    """Credentials or the clock were refused; the message says which, and what to do."""


class LockedOutError(AuthenticationError):
    """The user or the IP address is locked out for a time, which every further request prolongs."""


class NotFoundError(RefusedError):
    """The server does not know the project or backtest."""


class ProtocolError(ApiError):
    """The body does not have the documented shape; the message names the first wrong field."""


class StoppedError(HarvesterError):
    """The run has to end, by a signal or because its time is up, so the request was not sent."""


class ReportError(HarvesterError):
    """A report's HTML exceeds the bounds within which it is taken apart."""


class ArchiveError(HarvesterError):
    """Any failure of the Archive on disk."""


class ArchiveLockedError(ArchiveError):
    """Another run holds the Archive; the message names its owner."""


class CorruptArchiveError(ArchiveError):
    """What is on disk contradicts itself; the message names the file."""


class DamagedReportError(CorruptArchiveError):
    """Files of one archived report are missing, damaged or unreadable; the message names the first."""


class DiskError(ArchiveError):
    """The disk is full, read-only or not writable; `path` is where that was noticed."""

    def __init__(self, message: str, *, path: str) -> None:
        super().__init__(message)
        self.path = path


class BucketError(HarvesterError):
    """Any failure of the Bucket; `key` is the object it happened to, empty when it is the Bucket itself."""

    def __init__(self, message: str, *, key: str = "") -> None:
        super().__init__(message)
        self.key = key


class BucketAccessError(BucketError):
    """The store refuses the credentials, or they lack a right, or there is no such bucket."""


class BucketUnreachableError(BucketError):
    """The store did not answer, or kept saying slow down, for as long as harvester waits."""


class BucketLockedError(BucketError):
    """Another push holds the Bucket's lease; the message names it."""


class BucketConflictError(BucketError):
    """The Bucket belongs to another account, has another history, or was written by a newer harvester."""


class CorruptBucketError(BucketError):
    """What is in the Bucket contradicts itself; the message names the object."""
