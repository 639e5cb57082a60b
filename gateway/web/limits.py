"""The bound on what a caller of the own API and the pages may make us read."""

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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


def _too_large(most: int) -> HTTPException:
    return HTTPException(413, f"the body is larger than {most // 2**20} MiB; send less")
