"""The transport for direct connections: HTTP/1.1, connections kept, time-outs told apart.

A POST of JSON uses few of a general client's features and pays for all of them (docs/design/decisions.md). So this
module opens sockets, keeps them, and hands each to an `Exchange`.
"""

import asyncio
import select
import socket
from dataclasses import dataclass, field
from functools import lru_cache
from typing import cast

import aiohappyeyeballs

from gateway.dialects.protocol import Outgoing
from gateway.errors import UpstreamUnreached
from gateway.upstream.exchange import Exchange
from gateway.upstream.network import (
    AGE_SECONDS,
    CONNECT_SECONDS,
    IDLE_SECONDS,
    Endpoint,
    Network,
    checked,
    context_of,
    headers_of,
    reason_of,
)

NEXT_ADDRESS_SECONDS = 0.25
"""How long one address of a host is tried alone (RFC 8305)."""


@dataclass(slots=True, frozen=True)
class _Origin:
    """Where connections lead to."""

    host: str
    port: int
    secure: bool
    network: Network


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
        self._due = self.idle_since = 0.0
        self._old_from = loop.time() + AGE_SECONDS

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
        now = self._loop.time()
        unsent = self.is_open() and cast("asyncio.Transport", self._transport).get_write_buffer_size()
        if reusable and self.is_open() and not unsent and now < self._old_from:
            self.idle_since = now
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
class DirectTransport:
    """Sends requests over connections of its own. Used inside the running loop."""

    _kept: dict[_Origin, list[_Connection]] = field(default_factory=dict)
    _open: set[_Connection] = field(default_factory=set)

    async def send(
        self, endpoint: Endpoint, outgoing: Outgoing, *, idle: float, first: float, total: float | None
    ) -> Exchange:
        origin, head = _prepared(endpoint, outgoing.path, outgoing.headers, outgoing.key_header)
        connection = self._idle(origin) or await self._opened(origin)
        if not connection.is_open():
            raise UpstreamUnreached("it closed the connection at once")
        exchange = connection.exchange(
            b"%b%d\r\n\r\n%b" % (head, len(outgoing.body), outgoing.body),
            idle_seconds=idle, first_seconds=first, total_seconds=total,
        )  # fmt: skip
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
            raise UpstreamUnreached(reason_of(error)) from error

    async def _speaking(self, opened: socket.socket, origin: _Origin) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _, connection = await loop.create_connection(
                lambda: _Connection(self._kept.setdefault(origin, []), self._open, loop),
                sock=opened,
                ssl=context_of(origin.network) if origin.secure else None,
                server_hostname=origin.host if origin.secure else None,
            )
        except BaseException:
            opened.close()
            raise
        return connection


@lru_cache(maxsize=256)
def _prepared(
    endpoint: Endpoint, path: str, headers: tuple[tuple[str, str], ...], key_header: str
) -> tuple[_Origin, bytes]:
    """Return where a provider is, and the beginning of every such request that is sent there.

    Raises:
        UpstreamUnreached, NoCredential: the URL or the credential cannot stand in a request.
    """
    parts, port = checked(endpoint.base_url, path, endpoint.credential)
    secure, outgoing = parts.scheme == "https", Outgoing(path, b"", headers, key_header)
    asked = f"{parts.path}?{parts.query}" if parts.query else parts.path
    lines = [f"POST {asked} HTTP/1.1", f"host: {parts.netloc.rpartition('@')[2]}"]
    lines += [f"{name}: {value}" for name, value in headers_of(outgoing, endpoint)]
    head = "\r\n".join([*lines, "content-length: "]).encode("ascii")
    port = (443 if secure else 80) if port is None else port
    return _Origin(str(parts.hostname), port, secure, endpoint.network), head
