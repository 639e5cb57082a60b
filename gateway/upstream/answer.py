"""What has arrived of an answer, and whoever waits for more of it: the half of an exchange that both transports share.

An answer ends in one of two ways: it is complete, or `error` says what broke it.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Mapping

from gateway.errors import UpstreamCut, UpstreamError, UpstreamUnreached

OK = 200
MAX_ANSWER = 64 * 1024 * 1024
MAX_HEADERS = 64 * 1024
MAX_UNREAD = 256 * 1024
"""More than this is not read from the network before somebody has taken it."""


class Answer:
    """The answer to one request, filled by a transport. Meets the pipeline's `UpstreamAnswer`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.unsent = False
        """Some of the request has not left yet: what was never sent whole is answered by nobody."""
        self.hidden = b""
        """The credential that was sent: an error that quotes it is passed on without it."""
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self._loop = loop
        self._chunks: list[bytes] = []
        self._unread = self._size = 0
        self._complete = self._whole = False
        self._error: UpstreamError | None = None
        self._decoder: zlib._Decompress | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def head(self) -> None:
        """Wait until `status` and `headers` are known.

        Raises:
            UpstreamTimeout, UpstreamCut: the request may have been answered, but not to us.
        """
        while not self.status:
            await self._news()

    async def read(self) -> bytes:
        self._whole = True
        self._taken()
        while not self._complete:
            await self._news()
        body = b"".join(self._chunks)
        return self.redacted(body) if self.status != OK else body

    def redacted(self, text: bytes) -> bytes:
        return text.replace(self.hidden, b"***") if self.hidden else text

    async def chunks(self) -> AsyncIterator[bytes]:
        while True:
            if self._chunks:
                taken, self._chunks, self._unread = b"".join(self._chunks), [], 0
                self._taken()
                yield taken
            elif self._complete:
                return
            else:
                await self._news()

    def close(self) -> None:
        """Let go of the connection; whoever waits for the rest of the answer learns that it was cut."""
        if not self._complete:
            self.fail(UpstreamCut("it was let go"))

    async def _news(self) -> None:
        if self._error:
            raise self._error
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _tell(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What a transport calls.

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Take the head.

        Raises:
            UpstreamCut: the body will be in a form that nobody can read.
        """
        coding = headers.get("content-encoding", "").strip().lower() or "identity"
        if coding in ("gzip", "x-gzip", "deflate"):  # although it was not asked for
            self._decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)
        elif coding != "identity":
            raise UpstreamCut(f"its content-encoding is {coding}, which was not asked for")
        self.status, self.headers = status, headers

    def take(self, pieces: list[bytes]) -> None:
        """Take pieces of the body.

        Raises:
            UpstreamCut: it is too large, or goes on after its end.
        """
        if self._decoder is not None:
            pieces = [self._decoded(one, self._decoder) for one in pieces]
        size = sum(map(len, pieces))
        self._size += size
        if self._size > MAX_ANSWER:
            raise UpstreamCut(f"the answer is larger than {MAX_ANSWER} bytes")
        if size:
            self._chunks += pieces
            self._unread += size

    def _decoded(self, data: bytes, decoder: "zlib._Decompress") -> bytes:
        if decoder.eof:
            raise UpstreamCut("something follows its compressed body")
        return decoder.decompress(data, MAX_ANSWER + 1)

    def is_ahead(self) -> bool:
        """Tell whether so much waits for whoever reads that no more should be read from the network."""
        return self._unread > MAX_UNREAD and not self._whole and not self._complete

    def fail(self, error: UpstreamError) -> None:
        """End the exchange without a complete answer."""
        if self._error is None and not self._complete:
            self._error = UpstreamUnreached("the request could not be sent whole") if self.unsent else error
            self._end(reusable=False)

    def finish(self, *, reusable: bool) -> None:
        """All of the body has come."""
        if self._decoder is not None and self._size and not self._decoder.eof:
            self.fail(UpstreamCut("its compressed body has no end"))
        if self._error is None and not self._complete:
            self._complete = True
            self._end(reusable=reusable)

    def _end(self, *, reusable: bool) -> None:
        """Nothing more will be read: may what carried it carry another exchange?"""
        self._tell()

    def _taken(self) -> None:
        """Somebody has taken what was there: the network may be read again."""
