"""What comes from a caller and goes to one, each within its time: a body that is read, a stream that is taken."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, cast

from starlette.types import Message, Receive, Scope, Send

from gateway.errors import Refused
from gateway.web.limits import too_large

MAX_BODY = 20 * 1024 * 1024
BODY_SECONDS = 60.0
COMMENT = b": keep-alive\n\n"
SEND_SECONDS = 60.0
"""How long a caller may take nothing of a stream."""
OURS = "wl_"
KEY_HEADERS = ("x-api-key", "api-key", "x-goog-api-key")


def key_shown(headers: Mapping[str, str]) -> str | None:
    """Return the key that a caller shows. Some clients show two; then the one that is ours counts."""
    kind, _, token = headers.get("authorization", "").partition(" ")
    bearer = token.strip() if kind.lower() == "bearer" else ""
    if bearer.startswith(OURS):
        return bearer
    shown = [bearer, *(headers.get(name, "").strip() for name in KEY_HEADERS)]
    return next((one for one in shown if one.startswith(OURS)), None) or next(filter(None, shown), None)


class Reading:
    """A body on its way."""

    __slots__ = ("late", "task", "until")

    def __init__(self) -> None:
        self.task: asyncio.Task[None] = cast("asyncio.Task[None]", asyncio.current_task())
        self.until = time.monotonic() + BODY_SECONDS
        self.late = False


async def body_of(scope: Scope, receive: Receive, reading: Reading) -> bytes:
    """Read the request body.

    Raises:
        Refused: too_large.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > MAX_BODY:
            raise too_large(MAX_BODY)
    parts: list[bytes] = []
    size = 0
    try:
        while True:
            message: Message = await receive()
            if message["type"] == "http.disconnect":
                raise Refused("invalid_request", "the client left before it had sent the body", stage=0)
            parts.append(part := message.get("body", b""))
            size += len(part)
            if size > MAX_BODY:
                raise too_large(MAX_BODY)
            if not message.get("more_body"):
                return b"".join(parts)
    except asyncio.CancelledError:
        if not reading.late:
            raise
        reading.task.uncancel()
        raise Refused("invalid_request", f"the body did not arrive within {BODY_SECONDS:g} s", stage=0) from None


class Onward:
    """What stands between an application and its server and passes answers on. Whoever must drop the connection still
    finds it behind a `send` of this."""

    def __init__(self, send: Send) -> None:
        self._onward = send

    @property
    def transport(self) -> Any:
        return getattr(getattr(self._onward, "__self__", None), "transport", None)


def let_go(send: Send) -> None:
    """Drop the connection of a caller who reads nothing; a server that closes it in order would wait for them."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is not None:
        transport.abort()


class Leaving:
    """Whether a caller has left. Our server has a mark for it; where there is none, a task waits for its word."""

    __slots__ = ("_server", "_task")

    def __init__(self, receive: Receive) -> None:
        server = getattr(receive, "__self__", None)
        self._server: Any = server if hasattr(server, "disconnected") else None
        self._task = None if self._server is not None else asyncio.ensure_future(_disconnected(receive))

    def __call__(self) -> bool:
        return bool(self._server.disconnected) if self._task is None else self._task.done()

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


async def with_comments(parts: AsyncIterator[bytes], every: float) -> AsyncIterator[bytes]:
    """Yield the parts of a stream, and a comment whenever none came for so many seconds."""
    waiting = asyncio.ensure_future(_next(parts))
    try:
        while True:
            if not (await asyncio.wait({waiting}, timeout=every))[0]:
                yield COMMENT
                continue
            part = waiting.result()
            if part is None:
                return
            yield part
            waiting = asyncio.ensure_future(_next(parts))
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def _next(parts: AsyncIterator[bytes]) -> bytes | None:
    return await anext(parts, None)


class Sending:
    """An answer on its way to a caller."""

    __slots__ = ("_begun", "_done", "_since", "_stopped", "_stuck", "_task", "late")

    def __init__(self, stopped: Callable[[], bool]) -> None:
        """Begin to send, in the current task. `stopped`: tells whether a person has stopped what is sent."""
        self._task = cast("asyncio.Task[None]", asyncio.current_task())
        self._stopped, self._begun, self._done, self._stuck, self._since = stopped, 0, 0, -1, 0.0
        self.late = False
        """The caller takes nothing, or what they would take was stopped; the rest is not sent."""

    async def send(self, send: Send, message: Message) -> None:
        """Send a part; returns without having sent it when it is too late for that."""
        if self.late:
            return
        self._begun += 1
        try:
            await send(message)
        except asyncio.CancelledError:
            if not self.late:
                raise
            self._task.uncancel()
        self._done += 1

    def look(self, now: float) -> None:
        """Give up a part that has been on its way for too long, or whose call a person has stopped."""
        if self._begun == self._done or self.late:
            return
        if self._stuck != self._begun:
            self._stuck, self._since = self._begun, now
        elif now - self._since > SEND_SECONDS or self._stopped():
            self.late = True
            self._task.cancel()
