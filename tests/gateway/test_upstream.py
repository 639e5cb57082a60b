"""Both transports against servers that speak HTTP/1.1 well, badly and maliciously, over real sockets: one suite."""

import asyncio
import contextlib
import gc
import gzip
import socket
import threading
import time
import weakref
import zlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import uvloop

from gateway.call import Target
from gateway.dialects.protocol import Outgoing
from gateway.errors import UpstreamCut, UpstreamTimeout, UpstreamUnreached
from gateway.upstream import answer as answers
from gateway.upstream import general  # noqa: F401 - loaded before the first call, as the gateway does
from gateway.upstream.answer import Answer
from gateway.upstream.client import HttpUpstream
from gateway.upstream.direct import _prepared
from gateway.upstream.network import DIRECT, Endpoint, Network

SENT = Outgoing("/chat/completions", b"{}")
TARGET = cast(Target, SimpleNamespace(provider="p", environment="dev"))
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Runner = Callable[[Coroutine[Any, Any, Any]], Any]


network = DIRECT  # the way that the test at hand takes
OURS, GENERAL = DIRECT, Network(general=True)


@pytest.fixture(params=[("asyncio", OURS), ("uvloop", OURS), ("uvloop", GENERAL)], ids=["asyncio", "uvloop", "httpx"])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runner]:
    """Run a coroutine on the loop that serves in production, on the standard one, and by the other transport."""
    loop, way = request.param
    monkeypatch.setattr(f"{__name__}.network", way)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if loop == "uvloop" else None) as runner:
        yield runner.run


def upstream_of(url: str, key: str | None) -> HttpUpstream:
    return HttpUpstream(lambda _name, _environment: Endpoint(url, key, network))


async def request_of(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read one request: its head and its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    return head, await reader.readexactly(length)


class Server:
    """Answers each request of each connection with the next of the scripted pieces, then does as told."""

    def __init__(self, *answers: bytes | list[bytes], close: bool = False, gap: float = 0.0) -> None:
        self.answers, self.close, self.gap = list(answers), close, gap
        self.connections = 0
        self.requests: list[tuple[bytes, bytes]] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.requests.append(await request_of(reader))
                answer = self.answers.pop(0) if self.answers else []
                for piece in [answer] if isinstance(answer, bytes) else answer:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(self.gap)
                if self.close:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


async def asking(serve: Serve, use: Callable[[Callable[..., Awaitable[Answer]]], Awaitable[Any]]) -> Any:
    """Run `use` with a function that sends one call to the server."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    upstream = upstream_of(f"http://127.0.0.1:{port}/v1", "sk-1")
    try:
        return await use(
            lambda body=b"{}", timeout=5.0, **more: upstream.send(
                TARGET, SENT._replace(body=body), timeout=timeout, **more
            )
        )
    finally:
        await upstream.close()
        server.close()


def whole(body: bytes, *fields: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(*parts: bytes) -> list[bytes]:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    return [head, *(b"%x;x=y\r\n%b\r\n" % (len(part), part) for part in parts), b"0\r\ntrailer: 1\r\n\r\n"]


async def read(send: Callable[..., Awaitable[Answer]]) -> tuple[int, bytes]:
    answer = await send()
    return answer.status, await answer.read()


@pytest.mark.parametrize(("first", "second", "slow", "ends"), [(30.0, 0.2, 60.0, "timeout"), (0.2, 30.0, 0.6, "whole")])
def test_each_call_on_a_kept_connection_has_its_own_time(
    run: Runner, first: float, second: float, slow: float, ends: str
) -> None:
    """The timer of the connection is left over from the call before: too late for this one, or too early."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        try:
            for wait in (0.0, slow):
                await request_of(reader)
                await asyncio.sleep(wait)
                writer.write(whole(b"whole"))
                await writer.drain()
            await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def use(send: Callable[..., Awaitable[Answer]]) -> str:
        assert await (await send(timeout=first)).read() == b"whole"
        try:
            async with asyncio.timeout(10):
                return (await (await send(timeout=second)).read()).decode()
        except UpstreamTimeout:
            return "timeout"

    if network is GENERAL:  # which keeps no connection of HTTP/1.1
        assert (run(asking(serve, use)), connections) == ("whole", 2)
    else:
        assert (run(asking(serve, use)), connections) == (ends, 1)


def test_the_request_says_what_an_upstream_needs_and_one_connection_serves_many(run: Runner) -> None:
    server = Server(whole(b"one"), whole(b"two"), whole(b"", status="429 No"))

    async def use(send: Callable[..., Awaitable[Answer]]) -> list[tuple[int, bytes]]:
        return [await read(send) for _ in range(3)]

    assert run(asking(server, use)) == [(200, b"one"), (200, b"two"), (429, b"")]
    assert server.connections == (3 if network is GENERAL else 1)
    head, body = server.requests[0]
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n") and b"\r\nhost: 127.0.0.1:" in head.lower()
    assert b"\r\nauthorization: bearer sk-1\r\n" in head.lower() and body == b"{}"


@pytest.mark.parametrize(
    "answer",
    [
        chunked(b"he", b"llo"),
        [bytes([one]) for one in b"".join(chunked(b"hello"))],
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + whole(b"hello"),
        whole(gzip.compress(b"hello"), "Content-Encoding: gzip"),
        whole(zlib.compress(b"hello"), "content-encoding: Deflate"),
        whole(b"hello", "content-encoding:"),
    ],
    ids=["chunked", "byte by byte", "interim answers", "gzip", "deflate", "no coding"],
)
def test_an_answer_is_read_however_it_is_framed(run: Runner, answer: bytes | list[bytes]) -> None:
    async def use(send: Callable[..., Awaitable[Answer]]) -> list[tuple[int, bytes]]:
        return [await read(send), await read(send)]

    server = Server(answer, whole(b"next"))
    assert run(asking(server, use)) == [(200, b"hello"), (200, b"next")]
    assert server.connections == (2 if network is GENERAL else 1)


@pytest.mark.parametrize("line", [b"connection: close", b"x: y"])
def test_an_answer_without_a_length_ends_with_its_connection(run: Runner, line: bytes) -> None:
    server = Server(b"HTTP/1.1 200 OK\r\n" + line + b"\r\n\r\nhello", whole(b"next"), close=True)

    async def use(send: Callable[..., Awaitable[Answer]]) -> list[tuple[int, bytes]]:
        return [await read(send), await read(send)]

    assert run(asking(server, use)) == [(200, b"hello"), (200, b"next")]
    assert server.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"HTTP/1.1 200 O", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhell", chunked(b"hello")[:2],
        [chunked(b"")[0].replace(b"chunked", b"Chunked"), b"5\r\nhello\r\n"], b"SSH-2.0\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 70_000 + b"\r\n\r\n", [b"HTTP/1.1 200 OK\r\nx: ", *[b"a" * 9000] * 30],
        [*chunked(b"hello")[:2], b"0\r\ntrailer: ", *[b"a" * 9000] * 30], b"HTTP/1.1 099 No\r\n\r\n" + whole(b"evil"),
        whole(b"?", "content-encoding: br"), whole(gzip.compress(b"hello")[:-9], "content-encoding: gzip"),
        [chunked()[0].replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n"),
         *chunked(gzip.compress(b"hello"), b"more")[1:]],
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    ],
    ids=["nothing", "half a head", "half a body", "no last chunk", "no last Chunk", "not HTTP", "endless headers",
         "endless line", "endless trailer", "no status", "unknown coding", "half a gzip", "more than a gzip",
         "another protocol", "two lengths"],
)  # fmt: skip
def test_what_broke_after_sending_may_have_been_billed(run: Runner, answer: bytes | list[bytes]) -> None:
    async def use(send: Callable[..., Awaitable[Answer]]) -> None:
        with pytest.raises(UpstreamCut):
            await read(send)

    run(asking(Server(answer, close=True), use))


def test_a_silent_upstream_times_out_before_and_within_its_answer(run: Runner) -> None:
    async def use(send: Callable[..., Awaitable[Answer]]) -> None:
        for _ in range(2):
            with pytest.raises(UpstreamTimeout):
                answer = await send(timeout=0.2)
                await answer.read()

    run(asking(Server([], whole(b"hello")[:-2]), use))


def test_what_arrives_steadily_does_not_time_out(run: Runner) -> None:
    async def use(send: Callable[..., Awaitable[Answer]]) -> list[bytes]:
        answer = await send(timeout=1.5)
        return [part async for part in answer.chunks()]

    parts = run(asking(Server(chunked(*[b"x"] * 8), gap=0.3), use))
    assert b"".join(parts) == b"x" * 8


@pytest.mark.parametrize(
    ("limits", "ends"),
    [
        ({"timeout": 0.8, "first_byte": 20.0}, b"xxxx"),
        ({"timeout": 20.0, "first_byte": 0.3}, "nothing came"),
        ({"timeout": 20.0, "first_byte": 20.0, "whole_answer": 1.0}, "whole answer"),
        ({"timeout": 0.8, "first_byte": 20.0, "whole_answer": 30.0}, b"xxxx"),
    ],
)
def test_the_wait_for_the_beginning_silence_and_the_whole_have_limits_of_their_own(
    run: Runner, limits: dict[str, float], ends: bytes | str
) -> None:
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await request_of(reader)
            parts = chunked(*[b"x"] * 4)
            writer.write(parts[0])  # the head at once, as streams have it
            await asyncio.sleep(0.9)
            for part in parts[1:]:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.1)
        writer.close()
        over.set()

    async def use(send: Callable[..., Awaitable[Answer]]) -> bytes:
        try:
            return await (await send(**limits)).read()
        finally:
            await over.wait()

    if isinstance(ends, bytes):
        assert run(asking(serve, use)) == ends
    else:
        with pytest.raises(UpstreamTimeout, match=ends):
            run(asking(serve, use))


@pytest.mark.parametrize("how", ["it never reads", "it closes"])
def test_a_request_that_was_never_sent_whole_was_not_answered_by_anybody(run: Runner, how: str) -> None:
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        if how == "it never reads":
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.sleep(1.5)
        writer.transport.abort()
        over.set()

    async def use(send: Callable[..., Awaitable[Answer]]) -> None:
        with pytest.raises(UpstreamUnreached, match="could not be sent whole"):
            await send(b"x" * 30_000_000, timeout=0.5)
        await over.wait()

    run(asking(serve, use))


def test_a_request_that_was_sent_whole_may_have_been_answered(run: Runner) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(2_000_000)
        writer.transport.abort()

    async def use(send: Callable[..., Awaitable[Answer]]) -> None:
        with pytest.raises(UpstreamCut):
            await send(b"x" * 2_000_000)

    run(asking(serve, use))


@pytest.mark.parametrize("extra", [whole(b"smuggled"), b"garbage"])
def test_bytes_that_nobody_asked_for_are_never_the_next_answer(run: Runner, extra: bytes) -> None:
    async def use(send: Callable[..., Awaitable[Answer]]) -> list[tuple[int, bytes]]:
        return [await read(send), await read(send)]

    server = Server(whole(b"one") + extra, whole(b"two"))
    assert run(asking(server, use)) == [(200, b"one"), (200, b"two")]
    assert server.connections == 2


def test_late_bytes_on_a_kept_connection_end_it(run: Runner) -> None:
    async def use(send: Callable[..., Awaitable[Answer]]) -> list[tuple[int, bytes]]:
        first = await read(send)
        await asyncio.sleep(1.0)
        return [first, await read(send)]

    server = Server([whole(b"one"), whole(b"smuggled")], whole(b"two"), gap=0.05)
    assert run(asking(server, use)) == [(200, b"one"), (200, b"two")]


def test_nothing_was_sent_where_nobody_listens_or_nothing_can_be_sent(run: Runner) -> None:
    async def refused(url: str, key: str | None) -> None:
        with pytest.raises(UpstreamUnreached):
            await upstream_of(url, key).send(TARGET, SENT, timeout=1)

    for url, key in (
        ("http://127.0.0.1:1/v1", None), ("http://no.such.host.invalid", None), ("ftp://x", None),
        ("http://127.0.0.1:1/v1", "a\r\nx-evil: 1"), ("http://127.0.0.1:1/\r\nx: y", None),
        ("http://h:99999/v1", None), ("http://h:abc", None), ("http://[::1/v1", None), ("http://127.0.0.1:0", None),
    ):  # fmt: skip
        run(refused(url, key))
    assert (
        _prepared(Endpoint("https://api.example:8443/v1", "k"), "/chat/completions", (), "authorization")[0].port
        == 8443
    )


def test_letting_go_wakes_whoever_waits_and_the_connection_is_not_used_again(run: Runner) -> None:
    server = Server(chunked(b"a")[:2], whole(b"two"))

    async def use(send: Callable[..., Awaitable[Answer]]) -> tuple[int, bytes]:
        answer = await send()
        asyncio.get_running_loop().call_later(0.1, answer.close)
        with pytest.raises(UpstreamCut):
            await answer.read()
        return await read(send)

    assert run(asking(server, use)) == (200, b"two")
    assert server.connections == 2


def test_a_caller_that_is_cancelled_leaves_no_connection_behind(run: Runner) -> None:
    server = Server([], whole(b"two"))

    async def use(send: Callable[..., Awaitable[Answer]]) -> tuple[int, bytes]:
        task = asyncio.ensure_future(cast("Coroutine[Any, Any, Answer]", send()))
        while not server.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await read(send)

    assert run(asking(server, use)) == (200, b"two")
    assert server.connections == 2


def test_a_slow_reader_holds_the_upstream_back_and_loses_nothing(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_UNREAD", 10_000)
    sent = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await request_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 40000000\r\n\r\n")
        for _ in range(400):
            writer.write(b"x" * 100_000)
            await writer.drain()
            sent += 100_000
        writer.close()

    async def use(send: Callable[..., Awaitable[Answer]]) -> int:
        answer = await send()
        await asyncio.sleep(0.5)
        assert sent < 30_000_000, "the whole answer was taken although nobody read it"
        return sum([len(part) async for part in answer.chunks()])

    assert run(asking(serve, use)) == 40_000_000


def test_an_answer_has_a_most_also_when_it_is_unpacked(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_ANSWER", 100_000)

    async def use(send: Callable[..., Awaitable[Answer]]) -> None:
        for _ in range(2):
            with pytest.raises(UpstreamCut, match="larger"):
                await read(send)

    bomb = whole(gzip.compress(bytes(10_000_000)), "content-encoding: gzip")
    run(asking(Server(whole(b"x" * 100_001), bomb), use))


def test_a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_sent(run: Runner, tmp_path: Path) -> None:
    import ssl

    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    from ledger.custody import new_seal_key
    from ledger.entry import parse_time

    key = new_seal_key("x", "y", parse_time("2026-11-23T09:00:00.000000Z"))
    pem = tmp_path / "both.pem"
    private = key.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(private + key.certificate.public_bytes(Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)

    async def use() -> None:
        seen = Server(whole(b"secret"))
        server = await asyncio.start_server(seen, "127.0.0.1", 0, ssl=context)
        upstream = upstream_of(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", "k")
        with pytest.raises(UpstreamUnreached):
            await upstream.send(TARGET, SENT, timeout=2)
        assert seen.requests == []
        server.close()

    run(use())


@contextmanager
def apart(*turns: Callable[[socket.socket], None]) -> Iterator[HttpUpstream]:
    """A server in a thread of its own, which takes one connection a turn: it acts while our loop is busy."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for turn in turns:
            connection, _ = listener.accept()
            with connection:
                turn(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    port = listener.getsockname()[1]
    try:
        yield upstream_of(f"http://127.0.0.1:{port}/v1", None)
    finally:
        thread.join(timeout=10)
        listener.close()


def answering(answer: bytes, *, late: bytes = b"", wait: float = 0.0) -> Callable[[socket.socket], None]:
    def turn(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)
        if late:
            time.sleep(0.1)
            connection.sendall(late)
        time.sleep(wait)

    return turn


@pytest.mark.parametrize("late", [b"", whole(b"evil")], ids=["closed meanwhile", "said more meanwhile"])
def test_a_kept_connection_is_looked_at_before_it_is_used(run: Runner, late: bytes) -> None:
    async def use(upstream: HttpUpstream) -> tuple[bytes, bytes]:
        first = await (await upstream.send(TARGET, SENT, timeout=5)).read()
        time.sleep(1.0)  # noqa: ASYNC251 - the loop must not have seen what comes meanwhile
        second = await (await upstream.send(TARGET, SENT, timeout=5)).read()
        await upstream.close()
        return first, second

    with apart(answering(whole(b"one"), late=late, wait=1.5 if late else 0), answering(whole(b"two"))) as upstream:
        assert run(use(upstream)) == (b"one", b"two")


def test_a_connection_with_an_unsent_request_is_not_used_again(run: Runner) -> None:
    async def use(upstream: HttpUpstream) -> tuple[int, bytes]:
        try:
            early = (await upstream.send(TARGET, SENT._replace(body=b"x" * 20_000_000), timeout=5)).status
        except UpstreamUnreached:  # httpx2 reads no answer before it has sent all
            early = 0
        answer = await (await upstream.send(TARGET, SENT, timeout=5)).read()
        await upstream.close()
        return early, answer

    with apart(answering(whole(b"", status="413 No"), wait=1), answering(whole(b"two"))) as upstream:
        assert run(use(upstream)) == (0 if network is GENERAL else 413, b"two")


def test_what_came_before_a_break_is_handed_out_first(run: Runner) -> None:
    async def use(send: Callable[..., Awaitable[Answer]]) -> list[bytes]:
        answer, seen = await send(), []
        with pytest.raises(UpstreamCut):
            async for part in answer.chunks():
                seen.append(part)
                await asyncio.sleep(0.2)  # the rest comes while we are busy
        return seen

    head, one, two, _ = chunked(b"first", b"usage")
    assert run(asking(Server([head + one, two + b"zz\r\n"], gap=0.05), use)) == [b"first", b"usage"]


def test_closing_ends_what_is_under_way(run: Runner) -> None:
    async def use(upstream: HttpUpstream) -> None:
        answer = await upstream.send(TARGET, SENT, timeout=5)
        await upstream.close()
        with pytest.raises(UpstreamCut):
            await answer.read()

    with apart(answering(b"".join(chunked(b"a")[:2]), wait=0.3)) as upstream:
        run(use(upstream))


def test_an_answer_is_freed_without_the_garbage_collector(run: Runner) -> None:
    async def use(send: Callable[..., Awaitable[Answer]]) -> bool:
        answer = await send()
        await answer.read()
        left = weakref.ref(answer)
        del answer
        await asyncio.sleep(0)
        return left() is None

    gc.disable()
    try:
        assert run(asking(Server(whole(b"hello")), use))
    finally:
        gc.enable()
