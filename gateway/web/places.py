"""Which path of a request speaks which dialect."""

from typing import NamedTuple

from gateway.dialects.openai_chat import CHAT
from gateway.dialects.protocol import Dialect


class Place(NamedTuple):
    """A path of the hot route."""

    dialect: Dialect
    path: str
    """Below the base URL, with its query."""


_EXACT: dict[str, Dialect] = {"/v1/chat/completions": CHAT}
HOT = tuple(_EXACT)


def place_of(path: str, query: bytes) -> Place | None:
    """Return what a path asks for, or None where it is none of the hot route."""
    dialect = _EXACT.get(path)
    if dialect is None:
        return None
    below = path.removeprefix("/v1")
    return Place(dialect, f"{below}?{query.decode('latin-1')}" if query else below)
