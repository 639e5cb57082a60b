"""The bound on what a caller of the own API and the pages may make us read."""

import zlib

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import Refused

MAX_BODY = 2**20
MAX_UPLOAD = {"/packs/verify": 64 * 2**20}
"""Paths that take more."""


class BoundedBody:
    """An application whose requests have a body of at most 1 MiB; reading further is refused with 413."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, _bounded(scope, receive) if scope["type"] == "http" else receive, send)


def _bounded(scope: Scope, receive: Receive) -> Receive:
    most = MAX_UPLOAD.get(scope["path"], MAX_BODY)
    announced = [int(value) for name, value in scope["headers"] if name == b"content-length" and value.isdigit()]
    size = 0

    async def counted() -> Message:
        nonlocal size
        if max(announced, default=0) > most:
            raise _too_large(most)
        message = await receive()
        size += len(message.get("body", b""))
        if size > most:
            raise _too_large(most)
        return message

    return counted


def decoded(coding: str, body: bytes, most: int) -> bytes:
    """Return the body of a call as it was before its content coding.

    Raises:
        Refused: encoding_unknown, invalid_request, too_large.
    """
    name = coding.strip().lower()
    if name in ("", "identity"):
        return body
    if name not in ("gzip", "x-gzip", "deflate"):
        raise Refused(
            "encoding_unknown", "content-encoding is gzip, deflate or identity; send the body as it is", stage=0
        )
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        found = decoder.decompress(body, most + 1)
    except zlib.error:
        raise Refused("invalid_request", f"the body is not {name}, as its content-encoding says", stage=0) from None
    if len(found) > most:
        raise too_large(most)
    if not decoder.eof or decoder.unused_data:
        raise Refused("invalid_request", f"the {name} body has no end, or goes on after it", stage=0)
    return found


def too_large(most: int) -> Refused:
    return Refused(
        "too_large", f"the body is larger than {most // 2**20} MiB; send less, or refer to files by URL", stage=0
    )


def _too_large(most: int) -> HTTPException:
    return HTTPException(413, f"the body is larger than {most // 2**20} MiB; send less")
