"""Which formats of clients can be served by which formats of providers, and what stands between them."""

from collections.abc import Collection
from typing import Protocol

from gateway.dialects.openai_chat import CHAT
from gateway.dialects.protocol import Asked, Dialect, Outgoing, Server, Writer

DIALECTS: dict[str, Dialect] = {one.name: one for one in (CHAT,)}


class Pair(Protocol):
    """What stands between the client's format and a provider's."""

    server: Dialect
    """The provider's format: its answers are read and judged in it."""

    def outgoing(self, asked: Asked, server: Server) -> Outgoing: ...
    def writer(self, asked: Asked) -> Writer | None:
        """Return what writes one answer for the client; None where bytes pass as they are."""

    def error(self, body: bytes, status: int) -> bytes:
        """Return a provider's error in the client's format."""


class Same:
    """Client and provider speak one format."""

    def __init__(self, dialect: Dialect) -> None:
        self.server = dialect

    def outgoing(self, asked: Asked, server: Server) -> Outgoing:
        return self.server.outgoing(asked, server)

    def writer(self, asked: Asked) -> Writer | None:
        return None

    def error(self, body: bytes, status: int) -> bytes:
        return body


SAME = {name: Same(dialect) for name, dialect in DIALECTS.items()}


def pair_of(client: str, spoken: Collection[str]) -> Pair | None:
    """Return how a client of a format is served by a provider that speaks some; None where it cannot be."""
    return SAME[client] if client in spoken else None
