"""Random damage in a Bucket, of every kind that the listing shows: all of it is found and named."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from support.buckets import look, make_archive, push
from support.object_store import LOCKED, PLAIN, Server

from harvester.bucket.store import ObjectInfo, Store


class _Bucket:
    """A Bucket whose objects can be damaged and put back, past all that harvester knows."""

    def __init__(self, server: Server, store: Store) -> None:
        self.judge = server.judge()
        self.store = store
        self.sound = {info.key: store.get(info.key, limit_bytes=10**8)[0] for info in store.list("")}

    def put(self, key: str, content: bytes) -> None:
        self.judge.put_object(Bucket=self.store.address.bucket, Key=self._full(key), Body=content)

    def delete(self, key: str) -> None:
        self.judge.delete_object(Bucket=self.store.address.bucket, Key=self._full(key))

    def restore(self, *keys: str) -> None:
        for key in keys:
            self.put(key, self.sound[key])

    def _full(self, key: str) -> str:
        return f"{self.store.address.prefix}/{key}"


def _damage(bucket: _Bucket, dice: random.Random) -> tuple[str, ...]:
    """Do something to one or two objects; gives their keys."""
    key, other = dice.sample(sorted(bucket.sound), 2)
    content = bucket.sound[key]
    kind = dice.choice(["byte", "shorter", "longer", "empty", "delete", "swap", "copy", "rename"])
    if kind == "byte":
        place = dice.randrange(len(content))
        bucket.put(
            key, content[:place] + bytes([content[place] ^ (1 << dice.randrange(8))]) + content[place + 1 :]
        )
    elif kind == "shorter":
        bucket.put(key, content[: dice.randrange(len(content))])
    elif kind == "longer":
        bucket.put(key, content + b"\n")
    elif kind == "empty":
        bucket.put(key, b"")
    elif kind == "delete":
        bucket.delete(key)
    elif kind == "swap":
        bucket.put(key, bucket.sound[other])
        bucket.put(other, content)
        return key, other
    elif kind == "copy":
        bucket.put(key, bucket.sound[other])
    else:
        bucket.put(f"{key}.moved", content)
        bucket.delete(key)
        return key, f"{key}.moved"
    return (key,)


def find_damages(server: Server, tmp_path: Path, name: str, count: int, seed: int) -> None:
    """Damage a sound Bucket so many times, and look at it each time without reading a pack."""
    store = server.store(server.address(name))
    push(store, make_archive(tmp_path / f"{name}{seed}", 3))
    bucket = _Bucket(server, store)
    dice = random.Random(seed)
    for number in range(count):
        keys = _damage(bucket, dice)
        found = {item.key for item in look(store).problems}
        assert set(keys) <= found, (seed, number, keys, found)
        for key in keys:
            if key in bucket.sound:
                bucket.restore(key)
            else:
                bucket.delete(key)
    assert look(store, read=(1, 1)).problems == []


@pytest.mark.parametrize("name", [PLAIN, LOCKED])
def test_damage_is_found_and_named(s3_server: Server, tmp_path: Path, name: str) -> None:
    find_damages(s3_server, tmp_path, name, 30, seed=1)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 7))
@pytest.mark.parametrize("name", [PLAIN, LOCKED])
def test_each_of_500_damages_is_found_and_named(
    s3_server: Server, tmp_path: Path, name: str, seed: int
) -> None:
    find_damages(s3_server, tmp_path, name, 50, seed=seed)


def test_decay_under_the_same_etag_is_found_by_reading(s3_server: Server, tmp_path: Path) -> None:
    class Decayed(Store):
        victim = ""

        def get(self, key: str, **fields: Any) -> tuple[bytes, ObjectInfo]:
            content, info = super().get(key, **fields)
            return (content[:-1] + b"?", info) if key == self.victim else (content, info)

    options = s3_server.options()
    store = Decayed(options)
    push(store, make_archive(tmp_path / "a"))
    Decayed.victim = min(info.key for info in store.list("reports"))
    assert look(store).problems == []
    found = [look(store, read=(part, 7)) for part in range(1, 8)]
    assert [item.key for one in found for item in one.problems] == [Decayed.victim]
    assert sum(one.read_bytes > 0 for one in found) > 1
