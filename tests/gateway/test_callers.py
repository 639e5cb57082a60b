"""What stands between the application and its server hides neither the connection nor what is said."""

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from gateway.web.access import AccessLog
from gateway.web.callers import Leaving, let_go
from gateway.web.prefix import Prefix


class Server:
    """As much of a server as an application can touch."""

    def __init__(self) -> None:
        self.transport, self.aborted, self.disconnected = self, False, False
        self.said: list[Message] = []

    def abort(self) -> None:
        self.aborted = True

    async def send(self, message: Message) -> None:
        self.said.append(message)

    async def receive(self) -> Message:
        return {"type": "http.disconnect"}


async def stubborn(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a little, then drop the connection."""
    del receive
    assert scope["path"] == "/v1/chat/completions"
    headers = [(b"x-whyledger-call", b"call_1"), (b"x-whyledger-why", b"/why/call_1")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"data: 1", "more_body": True})
    let_go(send)


@pytest.mark.parametrize("between", ["nothing", "the access log", "a prefix", "both"])
def test_a_caller_who_takes_nothing_is_dropped_whatever_stands_between(between: str) -> None:
    server, lines = Server(), list[str]()
    prefix = Prefix("/llm")

    async def prefixed(scope: Scope, receive: Receive, send: Send) -> None:
        await stubborn(scope, receive, prefix.applied(scope, send))

    app: Any = prefixed if between in ("a prefix", "both") else stubborn
    if between in ("the access log", "both"):
        app = AccessLog(app, lines.append)
    path = ("/llm" if app is not stubborn and between != "the access log" else "") + "/v1/chat/completions"
    asyncio.run(app({"type": "http", "method": "POST", "path": path}, server.receive, server.send))
    assert server.aborted
    why = dict(server.said[0]["headers"])[b"x-whyledger-why"]
    assert why == (b"/llm/why/call_1" if path.startswith("/llm") else b"/why/call_1")
    assert [line.split()[1:5] for line in lines] == [["POST", "/v1/chat/completions", "200", "call_1"]] * len(lines)
    assert len(lines) == (between in ("the access log", "both"))


def test_whether_a_caller_has_left_is_known_with_and_without_a_server_that_marks_it() -> None:
    async def use() -> None:
        server = Server()
        leaving = Leaving(server.receive)
        assert not leaving()
        server.disconnected = True
        assert leaving()
        leaving.cancel()

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        waited = Leaving(receive)
        assert not waited()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert waited()
        waited.cancel()

    asyncio.run(use())
