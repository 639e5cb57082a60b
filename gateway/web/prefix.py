"""The path under which a reverse proxy shows us: taken from requests, put before every address that we give out.

Our pages, redirects and links name places on this server from its root. They stay free of the prefix and get it here,
on their way out. Markup is ours and data in it are escaped, so an attribute that begins so is one of ours.
"""

import re

from starlette.types import Message, Scope, Send

from gateway.web.callers import Onward

_LINK = re.compile(rb'\b(href|action|src)="/(?!/)')
_ADDRESSES = (b"location", b"x-whyledger-why")


class Prefix:
    """A root path such as `/llm`."""

    def __init__(self, path: str) -> None:
        self._path = path.encode("ascii")

    def applied(self, scope: Scope, send: Send) -> Send:
        """Take the prefix from a request, unless the proxy did; returns where its answer goes."""
        path: str = scope["path"]
        root = self._path.decode()
        if path == root or path.startswith(f"{root}/"):
            scope["path"], scope["raw_path"] = path[len(root) :] or "/", None
        return _Outward(self._path, send).send


class _Outward(Onward):
    """An answer on its way out."""

    def __init__(self, path: bytes, send: Send) -> None:
        super().__init__(send)
        self._path = path
        self._page: Message | None = None  # the head of a page, held until its body is known

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [self._moved(*one) for one in message.get("headers", [])]}
            if any(name == b"content-type" and value.startswith(b"text/html") for name, value in message["headers"]):
                self._page = message
                return
        elif self._page is not None:
            body = _LINK.sub(rb'\1="' + self._path + rb"/", message.get("body", b""))
            head, self._page = self._page, None
            sized = [(name, value) for name, value in head["headers"] if name != b"content-length"]
            if not message.get("more_body"):
                sized.append((b"content-length", str(len(body)).encode()))
            await self._onward({**head, "headers": sized})
            message = {**message, "body": body}
        await self._onward(message)

    def _moved(self, name: bytes, value: bytes) -> tuple[bytes, bytes]:
        ours = name.lower() in _ADDRESSES and value.startswith(b"/") and not value.startswith(b"//")
        return (name, self._path + value) if ours else (name, value)
