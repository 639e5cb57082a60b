"""Which path of a request speaks which dialect."""

from typing import NamedTuple

from gateway.dialects.anthropic_messages import COUNT_TOKENS, MESSAGES
from gateway.dialects.gemini import GEMINI_COUNT, GEMINI_EMBED, GENERATE, STREAM
from gateway.dialects.openai_chat import CHAT
from gateway.dialects.openai_others import COMPLETIONS, EMBEDDINGS
from gateway.dialects.openai_responses import RESPONSES
from gateway.dialects.protocol import Dialect


class Place(NamedTuple):
    """A path of the hot route."""

    dialect: Dialect
    path: str
    """Below the base URL, with its query."""
    pattern: str
    """The path without the model, which is the caller's word."""


EXACT: dict[str, Dialect] = {
    "/v1/chat/completions": CHAT,
    "/v1/responses": RESPONSES,
    "/v1/completions": COMPLETIONS,
    "/v1/embeddings": EMBEDDINGS,
    "/v1/messages": MESSAGES,
    "/v1/messages/count_tokens": COUNT_TOKENS,
}
ACTIONS: dict[str, Dialect] = {
    "generateContent": GENERATE,
    STREAM: GENERATE,
    "countTokens": GEMINI_COUNT,
    "embedContent": GEMINI_EMBED,
    "batchEmbedContents": GEMINI_EMBED,
}
"""What stands behind the colon of `/v1beta/models/M:...`, or of `/v1/models/M:...`."""


def place_of(path: str, query: bytes) -> Place | None:
    """Return what a path asks for, or None where it is none of the hot route."""
    dialect, pattern = EXACT.get(path), path
    below = path.removeprefix("/v1beta").removeprefix("/v1")
    if dialect is None and ":" in path and below.startswith("/models/") and below != path:
        action = path.rpartition(":")[2]
        dialect, pattern = ACTIONS.get(action), f"{path.removesuffix(below)}/models/{{model}}:{action}"
    if dialect is None:
        return None
    return Place(dialect, f"{below}?{query.decode('latin-1')}" if query else below, pattern)
