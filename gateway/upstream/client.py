"""The upstream port: two transports behind it, and the choice between them by the way to the provider."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from gateway.call import Target
from gateway.dialects.protocol import Outgoing
from gateway.upstream.answer import Answer
from gateway.upstream.direct import DirectTransport
from gateway.upstream.network import Endpoint

SECRET_LENGTH = 16
"""A shorter key is a stand-in (local models want any), whose word may stand in an answer by chance."""


class Transport(Protocol):
    async def send(
        self, endpoint: Endpoint, outgoing: Outgoing, *, idle: float, first: float, total: float | None
    ) -> Answer:
        """POST a request; returns when its answer has a head.

        Args:
            idle: the longest silence, in seconds; first: the same until the body begins; total: the longest exchange.

        Raises:
            UpstreamUnreached, NoCredential: nothing was sent; UpstreamTimeout, UpstreamCut: it may have been.
        """

    async def close(self) -> None:
        """End every connection, those that still carry an exchange too."""


@dataclass(slots=True)
class HttpUpstream:
    """Sends requests. Used inside the running loop; `close` ends its connections."""

    endpoint: Callable[[str, str], Endpoint]
    """Gives a provider by its name and the environment of the call."""
    _direct: Transport = field(default_factory=DirectTransport)
    _general: Transport | None = None

    async def send(
        self, target: Target, outgoing: Outgoing, *, timeout: float, first_byte: float | None = None,  # noqa: ASYNC109
        whole_answer: float | None = None,
    ) -> Answer:  # fmt: skip
        endpoint = self.endpoint(target.provider, target.environment)
        transport = self._general_transport() if endpoint.network.needs_general else self._direct
        answer = await transport.send(endpoint, outgoing, idle=timeout, first=first_byte or timeout, total=whole_answer)
        if endpoint.credential and len(endpoint.credential) >= SECRET_LENGTH:
            answer.hidden = endpoint.credential.encode()
        return answer

    def _general_transport(self) -> Transport:
        if self._general is None:
            from gateway.upstream.general import GeneralTransport  # who needs no proxy need not load a client

            self._general = GeneralTransport()
        return self._general

    async def close(self) -> None:
        await self._direct.close()
        if self._general is not None:
            await self._general.close()
