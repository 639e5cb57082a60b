"""The transport for ways that ours does not know: forward proxies (CONNECT, SOCKS) and HTTP/2, by httpx2.

Its connection pools are used below its client: no cookies, no redirects, no credentials from the machine.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from gateway.dialects.protocol import Outgoing
from gateway.errors import UpstreamCut, UpstreamError, UpstreamTimeout, UpstreamUnreached
from gateway.upstream.answer import MAX_HEADERS, Answer
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

MOST_CONNECTIONS = 1024


@dataclass(frozen=True, slots=True)
class _Limits:
    """Seconds of silence, of silence until the body begins, and of all."""

    idle: float
    first: float
    total: float | None


class _Pool:
    """Connections by one way, until they are too old."""

    def __init__(self, network: Network, context: ssl.SSLContext, now: float) -> None:
        self.context, self.old_from, self.in_use = context, now + AGE_SECONDS, 0
        try:
            self.transport = httpx2.AsyncHTTPTransport(
                verify=context, proxy=network.proxy, http2=network.http2, trust_env=False,
                limits=httpx2.Limits(max_connections=MOST_CONNECTIONS, keepalive_expiry=IDLE_SECONDS),
            )  # fmt: skip
        except (ImportError, ValueError, httpx2.InvalidURL) as error:  # no h2, no socksio, no such kind of proxy
            raise UpstreamUnreached(f"its proxy or http2 cannot be used: {error}") from error


class GeneralTransport:
    """Sends requests by httpx2. Used inside the running loop."""

    def __init__(self) -> None:
        self._pools: dict[Network, _Pool] = {}
        self._old: set[_Pool] = set()
        self._running: set[_Pumped] = set()

    async def send(
        self, endpoint: Endpoint, outgoing: Outgoing, *, idle: float, first: float, total: float | None
    ) -> Answer:
        parts, _ = checked(endpoint.base_url, outgoing.path, endpoint.credential)
        pool = await self._pool(endpoint.network)
        request = httpx2.Request("POST", parts.geturl(), headers=headers_of(outgoing, endpoint), content=outgoing.body)
        answer = _Pumped(pool, request, _Limits(idle, first, total), self._running)
        try:
            await answer.head()
        except BaseException:
            answer.close()
            raise
        return answer

    async def _pool(self, network: Network) -> _Pool:
        now, context = asyncio.get_running_loop().time(), context_of(network)
        pool = self._pools.get(network)
        if pool is not None and (now >= pool.old_from or pool.context is not context):  # or a file of it changed
            self._old.add(self._pools.pop(network))
            pool = None
        for one in [one for one in self._old if not one.in_use]:
            self._old.discard(one)
            await one.transport.aclose()
        if pool is None:
            pool = self._pools[network] = _Pool(network, context, now)
        return pool

    async def close(self) -> None:
        running = list(self._running)
        for one in running:
            one.close()
        await asyncio.gather(*(one.task for one in running), return_exceptions=True)
        for pool in (*self._pools.values(), *self._old):
            await pool.transport.aclose()
        self._pools.clear()
        self._old.clear()


class _Pumped(Answer):
    """An answer that a task of its own takes from the network."""

    def __init__(self, pool: _Pool, request: httpx2.Request, limits: _Limits, running: "set[_Pumped]") -> None:
        super().__init__(asyncio.get_running_loop())
        self.unsent = True
        self._running = running
        running.add(self)
        self._pool, self._limits = pool, limits
        pool.in_use += 1
        self._more = asyncio.Event()
        self._silence = asyncio.timeout(None)
        self.task = self._loop.create_task(self._pump(request))
        self.task.add_done_callback(self._over)  # also of a task that was cancelled before it began

    async def _pump(self, request: httpx2.Request) -> None:
        try:
            async with asyncio.timeout(self._limits.total) as whole:
                await self._exchange(request)
        except TimeoutError as error:
            self.fail(self._timed_out(whole.expired(), error))
        except httpx2.HTTPError as error:
            self.fail(self._broken(error))
        except UpstreamError as error:
            self.fail(error)
        except asyncio.CancelledError:
            self.fail(UpstreamCut("it was let go"))
            raise
        except Exception as error:  # noqa: BLE001 - whatever a server makes a library raise is no answer
            self.fail(UpstreamCut(f"it is not HTTP ({type(error).__name__})"))
        finally:
            request.extensions = {}  # they refer to us: the answer must not wait for the garbage collector

    def _over(self, _task: "asyncio.Task[None]") -> None:
        self._pool.in_use -= 1
        self._running.discard(self)

    async def _exchange(self, request: httpx2.Request) -> None:
        request.extensions = {
            "trace": self._traced,
            "timeout": {"connect": CONNECT_SECONDS, "pool": CONNECT_SECONDS, "write": self._limits.first, "read": None},
        }
        async with self._silence:
            self._allow(2 * CONNECT_SECONDS + self._limits.first)
            response = await self._pool.transport.handle_async_request(request)
            try:
                self._allow(self._limits.first)
                self.begin(response.status_code, _joined(response.headers))
                self._tell()
                async for data in response.stream:  # type: ignore[union-attr]
                    self.take([data])
                    self._tell()
                    await self._until_taken()
                    self._allow(self._limits.idle)
            finally:
                await _closed(response)
        self.finish(reusable=True)

    async def _until_taken(self) -> None:
        while self.is_ahead():
            self._allow(None)  # the silence is ours
            self._more.clear()
            await self._more.wait()

    def _allow(self, seconds: float | None) -> None:
        self._silence.reschedule(None if seconds is None else self._loop.time() + seconds)

    async def _traced(self, name: str, about: Mapping[str, Any]) -> None:
        """Learn when all of the request has left. A proxy is asked first, by a request of its own."""
        if name.endswith("send_request_body.complete") or (
            name.endswith("receive_response_headers.started") and "http2" in name
        ):
            request = about.get("request")
            if request is None or request.method == b"POST":
                self.unsent = False
                self._allow(self._limits.first)

    def _timed_out(self, whole: bool, error: TimeoutError) -> UpstreamError:
        if self.unsent:
            return UpstreamUnreached(type(error).__name__)
        if whole:
            return UpstreamTimeout("it did not end within the limit for a whole answer")
        return UpstreamTimeout(f"nothing came for {self._limits.idle if self._size else self._limits.first:.1f} s")

    def _broken(self, error: httpx2.HTTPError) -> UpstreamError:
        if isinstance(error, httpx2.ProxyError):
            return UpstreamUnreached(f"its proxy refused: {str(error)[:100]}")
        if isinstance(
            error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.UnsupportedProtocol | httpx2.PoolTimeout
        ):
            return UpstreamUnreached(reason_of(error))
        return UpstreamCut(f"it closed the connection or is not HTTP ({type(error).__name__})")

    def fail(self, error: UpstreamError) -> None:
        """As for every answer; what never reached anybody keeps its own reason."""
        if isinstance(error, UpstreamUnreached):
            self.unsent = False
        super().fail(error)

    def _end(self, *, reusable: bool) -> None:
        self._tell()
        if self.task is not asyncio.current_task():
            self.task.cancel()

    def _taken(self) -> None:
        self._more.set()


async def _closed(response: httpx2.Response) -> None:
    """Give the connection back to the pool; one of HTTP/1.1 is not used again, because what follows an answer there
    would be taken for the next one (seen with httpcore2 2.16.2), and this layer cannot see whether anything does."""
    try:
        if response.extensions.get("http_version", b"").startswith(b"HTTP/1"):
            await response.extensions["network_stream"].aclose()
    finally:
        await response.aclose()


def _joined(headers: httpx2.Headers) -> dict[str, str]:
    """Return the headers by their names in lower case.

    Raises:
        UpstreamCut: they are too large.
    """
    if sum(len(name) + len(value) for name, value in headers.raw) > MAX_HEADERS:
        raise UpstreamCut(f"its headers are larger than {MAX_HEADERS} bytes")
    return {name.lower(): value for name, value in headers.items()}
