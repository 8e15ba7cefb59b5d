"""A push in a process of its own, which is killed at the n-th operation of the store.

Arguments: endpoint, URL, archive, n, `before` or `after`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from harvester.bucket.address import parse_address
from harvester.bucket.push import Push, PushSettings
from support.archives import open_archive
from support.object_store import DyingStore, Server


def main(endpoint: str, url: str, archive: str, dies_at: str, when: str) -> None:
    options = Server(endpoint).options(parse_address(url))
    store = DyingStore(options, int(dies_at), done=when == "after")
    Push(store, open_archive(Path(archive)), PushSettings(at_once=2)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
