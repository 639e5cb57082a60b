"""The upstream port over aiohttp: connections kept, time-outs told apart, credentials added here and nowhere else."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from functools import lru_cache

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from gateway.pipeline.call import Target
from gateway.pipeline.ports import UpstreamCut, UpstreamTimeout, UpstreamUnreached

MAX_ANSWER = 64 * 1024 * 1024

Endpoint = Callable[[str], tuple[str, str | None]]
"""Gives the base URL and the credential of a provider by its name."""


class _Answer:
    """A response whose head has arrived."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        """Whatever the case of a name."""

    async def read(self) -> bytes:
        parts: list[bytes] = []
        async for chunk in self.chunks():
            parts.append(chunk)
        return b"".join(parts)

    async def chunks(self) -> AsyncIterator[bytes]:
        seen = 0
        try:
            async for chunk in self._response.content.iter_any():
                seen += len(chunk)
                if seen > MAX_ANSWER:
                    raise UpstreamCut(f"the answer is larger than {MAX_ANSWER} bytes")
                yield chunk
        except TimeoutError as error:
            raise UpstreamTimeout("it stopped sending") from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise UpstreamCut(type(error).__name__) from error

    def close(self) -> None:
        self._response.close()


class AiohttpUpstream:
    """Sends chat completions. Made inside the running loop; `close` ends its connections."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=60, socket_factory=_socket)
        self._session = aiohttp.ClientSession(
            connector=connector, auto_decompress=True, cookie_jar=aiohttp.DummyCookieJar()
        )

    async def send(self, target: Target, body: bytes, *, timeout: float) -> _Answer:  # noqa: ASYNC109 - of the provider, not of us
        url, headers = _address(*self._endpoint(target.provider))
        try:
            response = await self._session.post(
                url, data=body, headers=headers, timeout=_limits(timeout), allow_redirects=False
            )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise UpstreamUnreached(type(error).__name__) from error
        except TimeoutError as error:
            raise UpstreamTimeout(f"no answer within {timeout:g} s") from error
        except (aiohttp.ClientError, ConnectionError, asyncio.IncompleteReadError) as error:
            raise UpstreamCut(type(error).__name__) from error
        return _Answer(response)

    async def close(self) -> None:
        await self._session.close()


@lru_cache(maxsize=64)
def _address(base_url: str, credential: str | None) -> tuple[URL, CIMultiDict[str]]:
    headers = CIMultiDict({"content-type": "application/json"})
    if credential:
        headers["authorization"] = f"Bearer {credential}"
    return URL(f"{base_url}/chat/completions"), headers


@lru_cache(maxsize=64)
def _limits(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=max(600.0, 10 * seconds), connect=10, sock_connect=10, sock_read=seconds)


def _socket(address: aiohttp.connector.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made
