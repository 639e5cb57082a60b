"""One request and its answer on one HTTP/1.1 connection. llhttp (httptools) reads the bytes; no pool and no TLS here.

An exchange ends in one of two ways: the answer is complete, or `error` says what broke it. Then the connection is told,
which goes back to its pool or is closed. Source: RFC 9112.
"""

import asyncio
from collections.abc import Callable

import httptools

from gateway.errors import UpstreamCut, UpstreamError, UpstreamTimeout
from gateway.upstream.answer import MAX_HEADERS, Answer


class Exchange(Answer):
    """The answer to one request, filled by the bytes that arrive on a connection."""

    def __init__(
        self,
        transport: asyncio.Transport,
        ended: Callable[[bool], None],
        *,
        loop: asyncio.AbstractEventLoop,
        idle_seconds: float,
        first_seconds: float,
        total_seconds: float | None,
    ) -> None:
        """Begin to wait for an answer.

        Args:
            ended: told once, when nothing more will be read: may the connection carry another exchange?
            idle_seconds: the longest silence.
            first_seconds: the longest silence until the body begins.
            total_seconds: the longest exchange, if there is a limit.
        """
        super().__init__(loop)
        self._fields: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._header_bytes = self._untold = 0
        self._transport, self._ended = transport, ended
        self._parser = httptools.HttpResponseParser(self)
        self._paused = self._read_whole = self._keeps_alive = False
        self._idle_seconds, self._heard = idle_seconds, loop.time()
        self._first_seconds = first_seconds
        self._deadline = None if total_seconds is None else self._heard + total_seconds

    # What the connection calls.

    def feed(self, data: bytes) -> None:
        """Take bytes from the network."""
        self._heard = self._loop.time()
        reusable = True
        self._untold += len(data)
        try:
            self._parser.feed_data(data)
            if self._untold > MAX_HEADERS:  # the parser collects a line of any length before it tells of it
                self.fail(UpstreamCut(f"a line of it is longer than {MAX_HEADERS} bytes"))
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            reusable, cause = False, error.__context__
            if not self._read_whole:
                self._take_body()  # what came before the break is handed out first
                self.fail(cause if isinstance(cause, UpstreamError) else UpstreamCut("it is not HTTP/1.1"))
        self._take_body()
        if self._read_whole:
            self.finish(reusable=reusable and self._keeps_alive)
        if self.is_ahead() and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._tell()

    def _take_body(self) -> None:
        """Take the pieces of the body that one read brought: an event often is a piece of its own."""
        if self._body:
            pieces, self._body = self._body, []
            try:
                self.take(pieces)
            except UpstreamCut as error:
                self.fail(error)

    def expire(self) -> float:
        """Return how many seconds are left as things stand; when there are none, fail."""
        now = self._loop.time()
        heard = now if self._paused else self._heard
        left = heard + (self._idle_seconds if self._size else self._first_seconds) - now
        if left <= 0:
            self.fail(UpstreamTimeout(f"nothing came for {now - heard:.1f} s"))
        elif self._deadline is not None and self._deadline <= now:
            self.fail(UpstreamTimeout("it did not end within the limit for a whole answer"))
            return 0.0
        return left if self._deadline is None else min(left, self._deadline - now)

    def connection_lost(self, error: Exception | None) -> None:
        """The other side has closed: the end of an answer without a length, or a cut."""
        chunked = "chunked" in self.headers.get("transfer-encoding", "").lower()
        if self.status and error is None and not chunked and "content-length" not in self.headers:
            self.finish(reusable=False)
        else:
            self.fail(UpstreamCut("it closed the connection"))

    def _end(self, *, reusable: bool) -> None:
        self._taken()
        del self._parser  # it refers to us: the answer must not wait for the garbage collector
        self._ended(reusable)
        self._tell()

    def _taken(self) -> None:
        if self._paused:
            self._paused, self._heard = False, self._loop.time()  # the silence was ours
            if not self._transport.is_closing():
                self._transport.resume_reading()

    # What the parser calls. An exception raised in here reaches `feed` as the context of the parser's own.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._untold = 0
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > MAX_HEADERS:
            raise UpstreamCut(f"its headers are larger than {MAX_HEADERS} bytes")
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 100:
            raise UpstreamCut(f"its status is {status}")
        if status < 200:
            self._fields.clear()  # an interim answer (RFC 9110 section 15.2): the real one follows
            return
        headers: dict[str, str] = {}
        for name, value in self._fields:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        self.begin(status, headers)

    def on_body(self, data: bytes) -> None:
        self._untold = 0
        self._body.append(data)

    def on_message_complete(self) -> None:
        self._read_whole = self.status >= 200
        self._keeps_alive = bool(self._parser.should_keep_alive())  # afterwards the parser has forgotten

    def on_message_begin(self) -> None:
        if self._read_whole:
            raise UpstreamCut("it answers what was not asked")
