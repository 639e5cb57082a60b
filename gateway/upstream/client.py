"""The upstream port over HTTP/1.1: connections kept, time-outs told apart, credentials added here and nowhere else.

A POST of JSON uses few of a general client's features and pays for all of them (docs/design/decisions.md). So this
module opens sockets, keeps them, and hands each to an `Exchange`.
"""

import asyncio
import re
import select
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import cast
from urllib.parse import urlsplit

import aiohappyeyeballs

from gateway.pipeline.call import Target
from gateway.pipeline.ports import NoCredential, UpstreamUnreached
from gateway.upstream.exchange import Exchange

CONNECT_SECONDS = 10.0
NEXT_ADDRESS_SECONDS = 0.25
"""How long one address of a host is tried alone (RFC 8305)."""
IDLE_SECONDS = 15.0
"""How long a connection is kept for the next call. Whether its server has closed it meanwhile is asked before use."""
SECRET_LENGTH = 16
"""A shorter key is a stand-in (local models want any), whose word may stand in an answer by chance."""
_PRINTABLE = re.compile(r"[\x21-\x7e]+")

Endpoint = Callable[[str], tuple[str, str | None]]
"""Gives the base URL and the credential of a provider by its name."""


@dataclass(slots=True, frozen=True)
class _Origin:
    """Where connections lead to, and the beginning of every request that is sent there."""

    host: str
    port: int
    secure: bool
    head: bytes = field(repr=False)


class _Connection(asyncio.Protocol):
    """A socket that carries one exchange after the other."""

    def __init__(
        self, kept: "list[_Connection]", everyone: "set[_Connection]", loop: asyncio.AbstractEventLoop
    ) -> None:
        self._kept, self._everyone, self._loop = kept, everyone, loop
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._poll = select.poll()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self.idle_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        self._transport.set_write_buffer_limits(high=0)  # so that we are told when everything has left
        self._everyone.add(self)

    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def has_news(self) -> bool:
        """Tell whether something came that the loop has not read yet: an end, or an answer that nobody asked for."""
        return bool(self._poll.poll(0))

    def exchange(
        self, request: bytes, *, idle_seconds: float, first_seconds: float, total_seconds: float | None
    ) -> Exchange:
        """Send a request; its answer fills the exchange."""
        assert self._transport is not None
        self._exchange = exchange = Exchange(
            self._transport, self._ended, loop=self._loop, idle_seconds=idle_seconds, first_seconds=first_seconds,
            total_seconds=total_seconds,
        )  # fmt: skip
        self._watch(min(first_seconds, total_seconds or first_seconds))
        self._transport.write(request)
        return exchange

    def _watch(self, seconds: float) -> None:
        """Look at the clock in so many seconds. The timer stays for the exchanges to come, as a new one for each would
        cost more than one that comes too early."""
        due = self._loop.time() + seconds
        if self._timer is None or due < self._due:
            if self._timer is not None:
                self._timer.cancel()
            self._due, self._timer = due, self._loop.call_later(seconds, self._look_at_clock)

    def _look_at_clock(self) -> None:
        self._timer = None
        if self._exchange is not None and (left := self._exchange.expire()) > 0:
            self._watch(left)

    def _ended(self, reusable: bool) -> None:
        self._exchange = None
        # What of the request is still unsent would stand before the next one.
        if reusable and self.is_open() and not cast("asyncio.Transport", self._transport).get_write_buffer_size():
            self.idle_since = self._loop.time()
            self._kept.append(self)
        else:
            self.close()

    def data_received(self, data: bytes) -> None:
        if self._exchange is None:
            self.close()  # an answer that nobody asked for
        else:
            self._exchange.feed(data)

    def pause_writing(self) -> None:
        if self._exchange is not None:
            self._exchange.unsent = True

    def resume_writing(self) -> None:
        if self._exchange is not None:
            self._exchange.unsent = False

    def connection_lost(self, exc: Exception | None) -> None:
        self._everyone.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._exchange is not None:
            self._exchange.connection_lost(exc)
        elif self in self._kept:
            self._kept.remove(self)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


@dataclass(slots=True)
class HttpUpstream:
    """Sends chat completions. Used inside the running loop; `close` ends its connections."""

    endpoint: Endpoint
    _kept: dict[_Origin, list[_Connection]] = field(default_factory=dict)
    _open: set[_Connection] = field(default_factory=set)
    _tls: ssl.SSLContext | None = None

    async def send(
        self, target: Target, body: bytes, *, timeout: float, first_byte: float | None = None,  # noqa: ASYNC109
        whole_answer: float | None = None,
    ) -> Exchange:  # fmt: skip
        base_url, credential = self.endpoint(target.provider)
        origin = _origin(base_url, credential)
        connection = self._idle(origin) or await self._opened(origin)
        if not connection.is_open():
            raise UpstreamUnreached("it closed the connection at once")
        exchange = connection.exchange(
            b"%b%d\r\n\r\n%b" % (origin.head, len(body), body),
            idle_seconds=timeout,
            first_seconds=first_byte or timeout,
            total_seconds=whole_answer,
        )
        if credential and len(credential) >= SECRET_LENGTH:
            exchange.hidden = credential.encode()
        try:
            await exchange.head()
        except BaseException:
            exchange.close()
            raise
        return exchange

    async def close(self) -> None:
        """End every connection, those that still carry an exchange too."""
        for connection in list(self._open):
            connection.close()

    def _idle(self, origin: _Origin) -> _Connection | None:
        """Return the connection used last, and close those that nobody has needed for a while."""
        kept = self._kept.setdefault(origin, [])
        expired = asyncio.get_running_loop().time() - IDLE_SECONDS
        while kept and kept[0].idle_since < expired:
            kept.pop(0).close()
        while kept:
            connection = kept.pop()
            if connection.is_open() and not connection.has_news():
                return connection
            connection.close()
        return None

    async def _opened(self, origin: _Origin) -> _Connection:
        """Connect.

        Raises:
            UpstreamUnreached: nothing was sent.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                found = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
                opened = await aiohappyeyeballs.start_connection(found, happy_eyeballs_delay=NEXT_ADDRESS_SECONDS)
                return await self._speaking(opened, origin)
        except (OSError, ValueError) as error:  # a refused connection, an unknown name, a certificate, our time-out
            raise UpstreamUnreached(type(error).__name__) from error

    async def _speaking(self, opened: socket.socket, origin: _Origin) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _, connection = await loop.create_connection(
                lambda: _Connection(self._kept.setdefault(origin, []), self._open, loop),
                sock=opened,
                ssl=self._secured() if origin.secure else None,
                server_hostname=origin.host if origin.secure else None,
            )
        except BaseException:
            opened.close()
            raise
        return connection

    def _secured(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls


@lru_cache(maxsize=64)
def _origin(base_url: str, credential: str | None) -> _Origin:
    """Return where a provider is.

    Raises:
        UpstreamUnreached, NoCredential: the URL or the credential cannot stand in a request.
    """
    try:
        parts = urlsplit(f"{base_url}/chat/completions")
        port = parts.port
    except ValueError as error:
        raise UpstreamUnreached("its base_url is no URL") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or not _PRINTABLE.fullmatch(parts.geturl()):
        raise UpstreamUnreached("its base_url is not an http(s) URL")
    if credential is not None and not _PRINTABLE.fullmatch(credential):
        raise NoCredential("its key holds a blank or a line break")
    secure = parts.scheme == "https"
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    lines = [f"POST {path} HTTP/1.1", f"host: {parts.netloc.rpartition('@')[2]}", "content-type: application/json"]
    lines += ["accept: application/json, text/event-stream", "accept-encoding: identity", "user-agent: whyledger"]
    lines += [f"authorization: Bearer {credential}"] if credential else []
    head = "\r\n".join([*lines, "content-length: "]).encode("ascii")
    return _Origin(parts.hostname, (443 if secure else 80) if port is None else port, secure, head)
