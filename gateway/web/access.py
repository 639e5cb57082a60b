"""One line for each request, for whoever runs `serve --access-log`. It quotes nothing that a caller wrote."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
        started, said = time.perf_counter(), ["-", "-"]

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                call = dict(message.get("headers", ())).get(b"x-whyledger-call", b"-")
                said[:] = str(message["status"]), call.decode("latin-1")
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            milliseconds = (time.perf_counter() - started) * 1000
            at = datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
            method = scope["method"] if scope["method"] in METHODS else "-"
            self._write(f"{at}Z {method} {_route(scope)} {' '.join(said)} {milliseconds:.0f} ms")


def _route(scope: Scope) -> str:
    """Return the pattern of the path; the hot route is served beside the framework and has none."""
    if pattern := getattr(scope.get("route"), "path", None):
        return str(pattern)
    return "/v1/chat/completions" if scope["path"] == "/v1/chat/completions" else "-"
