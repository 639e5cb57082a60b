"""One line for each request, for whoever runs `serve --access-log`. It quotes nothing that a caller wrote."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.web.callers import Onward
from gateway.web.places import place_of

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class AccessLog:
    """Says of each request when it ended, method, route, status, call id and milliseconds.

    The route is the pattern, `/why/{ref}`: the address itself may name a task or a person.
    """

    def __init__(self, app: ASGIApp, write: Callable[[str], None]) -> None:
        self._app, self._write = app, write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, noting = time.perf_counter(), _Noting(send)
        try:
            await self._app(scope, receive, noting.send)
        finally:
            milliseconds = (time.perf_counter() - started) * 1000
            at = datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
            method = scope["method"] if scope["method"] in METHODS else "-"
            self._write(f"{at}Z {method} {_route(scope)} {noting.status} {noting.call} {milliseconds:.0f} ms")


class _Noting(Onward):
    """An answer, of which the status and the id of the call are noted."""

    status = call = "-"

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            call = dict(message.get("headers", ())).get(b"x-whyledger-call", b"-")
            self.status, self.call = str(message["status"]), call.decode("latin-1")
        await self._onward(message)


def _route(scope: Scope) -> str:
    """Return the pattern of the path; the hot route is served beside the framework and has none."""
    if pattern := getattr(scope.get("route"), "path", None):
        return str(pattern)
    place = place_of(scope["path"], b"")
    return place.pattern if place else "-"
