"""Who is writing to a Bucket: one object that is replaced only when it still is what was read.

The lease saves work; it does not keep the ledger whole. That is done by entries that are created once, so a
writer that has lost its lease without knowing can waste requests and damage nothing.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Event, Thread
from typing import Final, Literal

import msgspec

from harvester.bucket.entries import Head
from harvester.bucket.faults import AlreadyThereError, ChangedError, MissingObjectError
from harvester.bucket.keys import LEASE, progress_key
from harvester.bucket.store import Store
from harvester.errors import BucketConflictError, BucketError, BucketLockedError, CorruptBucketError
from harvester.model import FORMAT

_LEASE_BYTES: Final = 2**16
_TRIES: Final = 20
"""Attempts to take a lease that others take at the same moment."""
_POLL_S: Final = 2.0
_ours: set[str] = set()
"""Writers of this process that have not ended: one whose release failed is known to be gone."""


class Lease(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`lease.json`."""

    format: int
    state: Literal["held", "released"]
    run_id: str
    host: str
    """For people."""
    machine: str
    """Tells whether `pid` can be looked up here: differs between hosts, boots and containers."""
    pid: int
    started: str = ""
    """When the process was started, by the kernel's own count: process ids are used again."""
    nonce: str
    """Another one in each body: equal bytes have equal ETags."""
    ttl_s: float
    head: int = 0
    """RELEASED: the number of the newest entry, from which the next listing may begin."""
    head_sha256: str = ""
    """RELEASED: the digest of that entry, which no entry has yet."""
    unfinished: bool = False
    """RELEASED: whether its writer has failed and left objects that nobody names yet."""
    seal: str = ""
    """Digest of all the rest: nothing else covers this object."""


@dataclass(frozen=True)
class LeaseTimes:
    """How long a lease counts without being renewed, and how often it is renewed; seconds."""

    ttl_s: float = 900.0
    beat_s: float = 300.0
    wait_s: float = 0.0
    """For how long to wait while somebody else holds it."""


def render_lease(lease: Lease) -> bytes:
    """A lease as it is stored, sealed."""
    return msgspec.json.encode(msgspec.structs.replace(lease, seal=_seal(lease)))


def _seal(lease: Lease) -> str:
    return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(lease, seal=""))).hexdigest()[:32]


def parse_lease(content: bytes) -> Lease:
    """A lease as it was stored.

    Raises:
        BucketConflictError: a newer harvester has written it.
        CorruptBucketError: it is damaged, or was edited.
    """
    try:
        lease = msgspec.json.decode(content, type=Lease)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise CorruptBucketError(f"{LEASE} is damaged: {exc}. {_REPLACE}", key=LEASE) from exc
    if lease.format > FORMAT:
        raise BucketConflictError(
            f"{LEASE} was written by a newer harvester (format {lease.format}, this one knows {FORMAT}). "
            "Update harvester",
            key=LEASE,
        )
    if render_lease(lease) != content:
        raise CorruptBucketError(f"{LEASE} was edited. {_REPLACE}", key=LEASE)
    return lease


_REPLACE: Final = "When nobody pushes there, `harvester verify --bucket --repair` replaces it"

Verdict = Literal["take", "ask-age", "held"]


def judge_lease(lease: Lease, *, machine: str, alive: bool, age_s: float | None) -> Verdict:
    """Whether a lease may be taken over.

    Args:
        lease: As it was read.
        machine: Where we are.
        alive: Whether its process runs; only meaningful on its own machine.
        age_s: Since it was last renewed, by the store's clock; None when that was not asked yet.
    """
    if lease.state == "released" or (lease.machine == machine and not alive):
        return "take"
    if age_s is None:
        return "ask-age"
    return "take" if age_s >= lease.ttl_s else "held"


class HeldLease:
    """A lease that we hold, and renew in a thread of its own."""

    def __init__(self, store: Store, lease: Lease, e_tag: str, *, resumed: bool, head: Head) -> None:
        self.resumed = resumed
        """Whether the writer before us has not come to its end."""
        self.head = head
        """The newest entry that is known; the next writer is told."""
        self._store = store
        self._lease = lease
        self._e_tag = e_tag
        self._lost = ""
        self._stop = Event()
        self._thread: Thread | None = None

    def check(self) -> None:
        """Go on only while the lease is ours.

        Raises:
            BucketLockedError: it was taken over, or could not be renewed in time.
        """
        if self._lost:
            raise BucketLockedError(self._lost, key=LEASE)

    def start(self, beat_s: float) -> None:
        """Renew it every `beat_s` seconds from now on."""
        self._thread = Thread(target=self._beat, args=(beat_s,), name="bucket lease", daemon=True)
        self._thread.start()

    def _beat(self, beat_s: float) -> None:
        renewed = time.monotonic()
        while not self._stop.wait(beat_s):
            try:
                self.renew()
                renewed = time.monotonic()
            except BucketLockedError as exc:
                self._lost = str(exc)
                return
            except BucketError as exc:
                if time.monotonic() - renewed >= self._lease.ttl_s:
                    self._lost = f"the lease could not be renewed in time: {exc}"
                    return

    def renew(self) -> None:
        """Replace the lease by one that begins now.

        Raises:
            BucketLockedError: somebody has taken it over.
            BucketError: it cannot be replaced now.
        """
        self._replace(msgspec.structs.replace(self._lease, nonce=_nonce()))

    def release(self, *, unfinished: bool) -> None:
        """Stop renewing and let the next writer have it, if it still is ours."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if not self._lost:
            with suppress(BucketError):  # then the next writer waits for its end, or sees that we are gone
                self._replace(
                    msgspec.structs.replace(
                        self._lease,
                        nonce=_nonce(),
                        state="released",
                        head=self.head.n,
                        head_sha256=self.head.sha256 if self.head.n else "",
                        unfinished=unfinished,
                    )
                )

    def _replace(self, lease: Lease) -> None:
        found = put_lease(self._store, lease, self._e_tag)
        if found is None:
            raise BucketLockedError(
                "another writer has taken the bucket over, since this one was silent for too long. "
                "What was sent is kept; run again",
                key=LEASE,
            )
        self._lease, self._e_tag = lease, found


def put_lease(store: Store, lease: Lease, e_tag: str) -> str | None:
    """Replace the lease, or create it when `e_tag` is empty; gives its ETag, None when another is there."""
    content = render_lease(lease)
    try:
        if e_tag:
            return store.replace(LEASE, content, e_tag).e_tag
        return store.create(LEASE, content, lock=False).e_tag
    except (AlreadyThereError, ChangedError, MissingObjectError):
        # Either somebody else's, or ours: the answer to an attempt that succeeded can be lost.
        try:
            found, info = store.get(LEASE, limit_bytes=_LEASE_BYTES)
        except MissingObjectError:
            return None
        return info.e_tag if found == content else None


@contextmanager
def hold_lease(
    store: Store,
    run_id: str,
    times: LeaseTimes,
    *,
    seen: SeenLease | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[HeldLease]:
    """Hold the Bucket for one writer.

    Args:
        store: The Bucket.
        run_id: Who wants it.
        times: Of the lease.
        seen: The lease as it was read just now; None: it is read first.
        wait: Waits for so many seconds.

    Raises:
        BucketLockedError: somebody else held it for all of `times.wait_s`; the message names them.
        BucketError: the store does not take a lease.
    """
    _ours.add(run_id)
    try:
        held = _acquire(store, run_id, times, seen, wait)
        held.start(times.beat_s)
        try:
            yield held
        except BaseException:
            held.release(unfinished=True)
            raise
        held.release(unfinished=False)
    finally:
        _ours.discard(run_id)


def _acquire(
    store: Store, run_id: str, times: LeaseTimes, seen: SeenLease | None, wait: Callable[[float], None]
) -> HeldLease:
    mine = new_lease(run_id, times.ttl_s)
    waited_s = 0.0
    tries = 0
    while True:
        lease, e_tag = seen or read_lease(store)
        seen = None
        if lease is None or _judge(store, lease) == "take":
            if (found := put_lease(store, mine, e_tag)) is not None:
                resumed = lease is not None and (lease.state == "held" or lease.unfinished)
                return HeldLease(store, mine, found, resumed=resumed, head=Head())
            tries += 1
            if tries < _TRIES:
                continue
        if waited_s >= times.wait_s:
            raise BucketLockedError(_describe(store, lease), key=LEASE)
        pause_s = min(_POLL_S, times.wait_s - waited_s)
        wait(pause_s)
        waited_s += pause_s


def new_lease(run_id: str, ttl_s: float, *, state: Literal["held", "released"] = "held") -> Lease:
    """A lease of this process."""
    return Lease(
        format=FORMAT,
        state=state,
        run_id=run_id,
        host=socket.gethostname(),
        machine=this_machine(),
        pid=os.getpid(),
        started=process_start(os.getpid()),
        nonce=_nonce(),
        ttl_s=float(ttl_s),
    )


SeenLease = tuple[Lease | None, str]
"""A lease and its ETag, both empty before the first one."""


def read_lease(store: Store) -> SeenLease:
    """The lease and its ETag; None before the first one.

    Raises:
        CorruptBucketError: it is damaged, or something else has its key.
    """
    try:
        content, info = store.get(LEASE, limit_bytes=_LEASE_BYTES)
    except MissingObjectError:
        return None, ""
    return parse_lease(content), info.e_tag


def _judge(store: Store, lease: Lease) -> Verdict:
    machine = this_machine()
    alive = lease.machine != machine or _is_alive(lease)
    verdict = judge_lease(lease, machine=machine, alive=alive, age_s=None)
    if verdict != "ask-age":
        return verdict
    return judge_lease(lease, machine=machine, alive=alive, age_s=lease_age_s(store))


def lease_age_s(store: Store) -> float:
    """Seconds since the lease was last put, both moments by the store's clock."""
    try:
        put_at = store.head(LEASE).modified
    except MissingObjectError:
        return float("inf")
    return (store_now(store) - put_at).total_seconds()


def store_now(store: Store) -> datetime:
    """The time by the store's clock, which a new object tells."""
    key = progress_key("clock", secrets.token_hex(8))
    store.create(key, b"", lock=False)
    now = store.head(key).modified
    with suppress(BucketError):  # a writer may lack the right to delete; it is an empty object
        store.delete([key])
    return now


def _is_alive(lease: Lease) -> bool:
    """Whether the writer of a lease on this machine still runs; a writer of this process may have ended."""
    if lease.pid == os.getpid() and lease.run_id not in _ours:
        return False
    return bool(started := process_start(lease.pid)) and started == lease.started


def process_start(pid: int) -> str:
    """When a process was started, as the kernel counts it; empty when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def this_machine() -> str:
    """Where process ids mean what they mean here: this boot of this host, this container."""
    parts = [socket.gethostname()]
    for path in ("/proc/sys/kernel/random/boot_id", "/etc/machine-id"):
        with suppress(OSError):
            parts.append(Path(path).read_text().strip())
    with suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def this_host() -> str:
    """This host, the same after each boot."""
    name = socket.gethostname()
    with suppress(OSError):
        name = Path("/etc/machine-id").read_text().strip() or name
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def _nonce() -> str:
    return secrets.token_hex(8)


def _describe(store: Store, lease: Lease | None) -> str:
    who = f"push {lease.run_id} on {lease.host} (process {lease.pid})" if lease else "another push"
    ttl = f"{lease.ttl_s / 60:.0f} min" if lease else "its time"
    return (
        f"{store.address.url} is being written to by {who}. Wait for it to end; if it has died, "
        f"it is taken over {ttl} after its last sign of life"
    )
