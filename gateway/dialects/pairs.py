"""Which formats of clients can be served by which formats of providers, and what stands between them."""

from collections.abc import Callable, Collection
from typing import Protocol

from gateway.dialects.anthropic_messages import COUNT_TOKENS, MESSAGES
from gateway.dialects.gemini import GEMINI_COUNT, GEMINI_EMBED, GENERATE
from gateway.dialects.openai_chat import CHAT, wants_usage
from gateway.dialects.openai_error import said_by
from gateway.dialects.openai_others import COMPLETIONS, EMBEDDINGS
from gateway.dialects.openai_responses import RESPONSES
from gateway.dialects.protocol import Asked, Dialect, Outgoing, Server, Writer
from gateway.dialects.translation import to_gemini, to_messages
from gateway.dialects.translation.from_gemini import GeminiWriter
from gateway.dialects.translation.from_messages import MessagesWriter

DIALECTS: dict[str, Dialect] = {one.name: one for one in (
    CHAT, RESPONSES, COMPLETIONS, EMBEDDINGS, MESSAGES, COUNT_TOKENS, GENERATE, GEMINI_COUNT, GEMINI_EMBED
)}  # fmt: skip
_PART_OF = {COUNT_TOKENS.name: MESSAGES.name, GEMINI_COUNT.name: GENERATE.name, GEMINI_EMBED.name: GENERATE.name}
"""Formats that whoever speaks another one speaks too."""


class Pair(Protocol):
    """What stands between the client's format and a provider's."""

    server: Dialect
    """The provider's format: its answers are read and judged in it."""
    is_translation: bool
    """It is another than the client's."""

    def objection(self, asked: Asked) -> str:
        """Return why a request cannot be put to the provider; empty where it can."""

    def outgoing(self, asked: Asked, server: Server) -> Outgoing: ...
    def writer(self, asked: Asked, created: int) -> Writer | None:
        """Return what writes one answer for the client; None where bytes pass as they are.

        Args:
            created: Unix seconds, for formats that name them.
        """

    def error(self, body: bytes) -> bytes:
        """Return a provider's error in the client's format."""


class Same:
    """Client and provider speak one format."""

    is_translation = False

    def __init__(self, dialect: Dialect) -> None:
        self.server = dialect

    def objection(self, asked: Asked) -> str:
        return ""

    def outgoing(self, asked: Asked, server: Server) -> Outgoing:
        return self.server.outgoing(asked, server)

    def writer(self, asked: Asked, created: int) -> Writer | None:
        return None

    def error(self, body: bytes) -> bytes:
        return body


class Translated:
    """A client of the chat format and a provider of another."""

    is_translation = True

    def __init__(
        self, server: Dialect, objection: Callable[[Asked], str], outgoing: Callable[[Asked, Server], Outgoing],
        writer: Callable[[int, bool], Writer],
    ) -> None:  # fmt: skip
        self.server, self.objection, self.outgoing, self._writer = server, objection, outgoing, writer

    def writer(self, asked: Asked, created: int) -> Writer:
        return self._writer(created, wants_usage(asked.fields))

    def error(self, body: bytes) -> bytes:
        said = said_by(body)
        return (
            CHAT.as_error({"message": said.message or "no message", "code": said.code, "type": "upstream_error"}) or b""
        )


SAME = {name: Same(dialect) for name, dialect in DIALECTS.items()}
TRANSLATED: dict[tuple[str, str], Pair] = {
    (CHAT.name, MESSAGES.name): Translated(MESSAGES, to_messages.objection, to_messages.outgoing, MessagesWriter),
    (CHAT.name, GENERATE.name): Translated(GENERATE, to_gemini.objection, to_gemini.outgoing, GeminiWriter),
}


def pair_of(client: str, spoken: Collection[str]) -> Pair | None:
    """Return how a client of a format is served by a provider that speaks some; None where it cannot be."""
    if _PART_OF.get(client, client) in spoken:
        return SAME[client]
    return next((TRANSLATED[client, one] for one in spoken if (client, one) in TRANSLATED), None)
