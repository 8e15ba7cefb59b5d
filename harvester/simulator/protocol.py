"""Reading requests and writing answers, for every route."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

Answer = dict[str, Any]


async def read_arguments(request: web.Request) -> Answer:
    """The arguments of a request in any of the forms that the real server reads.

    A body is read for every method, since some clients send JSON with GET.
    """
    arguments: Answer = dict(request.query)
    if not request.can_read_body:
        return arguments
    if request.content_type == "application/json":
        try:
            content = msgspec.json.decode(await request.read() or b"{}")
        except msgspec.DecodeError:
            return arguments
        return arguments | content if isinstance(content, dict) else arguments
    form = await request.post()
    return arguments | {name: value for name, value in form.items() if isinstance(value, str)}


def signer_of(headers: Mapping[str, str]) -> tuple[str, str]:
    """The user id and the hash of a signed request; both are empty if it is not signed."""
    scheme, _, value = headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, digest = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, digest


def number(value: Any) -> int:
    """An integer from a number or a text; 0 for anything else."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0


def refuse(words: str) -> Answer:
    """A refusal in the server's words."""
    return {"errors": [words], "success": False}


def encode(answer: Answer) -> bytes:
    """JSON as PHP writes it: slashes are escaped."""
    return msgspec.json.encode(answer).replace(b"/", b"\\/")
