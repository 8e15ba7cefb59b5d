"""`harvester browse`: look at a date in the bucket."""

from __future__ import annotations

import threading
import webbrowser
from contextlib import suppress
from typing import Annotated

import typer

from harvester.app import connect_bucket
from harvester.bucket import BucketReader, browsing
from harvester.cli.options import with_options
from harvester.cli.session import Session


@with_options("account", "open_index")
def browse(
    context: typer.Context,
    url: Annotated[
        str, typer.Argument(metavar="[URL]", help="The bucket and path of an archive; default: bucket.url.")
    ] = "",
    date: Annotated[
        str, typer.Argument(metavar="[DATE]", help="A Snapshot; default: the newest.")
    ] = "latest",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of this machine; 0: a free one.")] = 0,
) -> None:
    """Serve the pages of one date on this machine, out of the packs; nothing is unpacked on disk.

    Only this machine can reach it, and nothing can be changed through it. Ctrl-C ends it.

    \b
    Examples:
      harvester browse                        the newest date in bucket.url
      harvester browse s3://backups/quantconnect 2026-11-22

    \b
    Exit codes:
      0 ended by Ctrl-C
      1 the bucket cannot be reached, or has no such date
      2 usage
      20 the bucket is damaged
    """
    session = Session.of(context)
    if url and "://" not in url:
        url, date = "", url
    connection = connect_bucket(session.load_for_bucket(url), session.invocation.environ, url=url)
    reader = BucketReader.open(connection.store)
    with browsing(reader, date, port=port) as server:
        session.show(f"{reader.resolve(date)} at {server.url} (Ctrl-C ends it)")
        if session.options["open_index"]:
            webbrowser.open(server.url)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
