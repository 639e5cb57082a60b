"""What the formats' errors have in common."""

from abc import ABC, abstractmethod
from typing import Any

import orjson

from gateway.dialects.sse import Event
from gateway.dialects.strict import loaded, written

EMPTY: dict[str, Any] = {"message": "an empty answer"}
"""In place of an error where there is no answer at all."""


class Envelope(ABC):
    """How errors stand in a format."""

    id_header = b"x-request-id"
    limit_name = "max_completion_tokens"

    def is_greeting(self, event: Event) -> bool:
        return False

    @abstractmethod
    def wrapped(self, words: dict[str, Any]) -> dict[str, Any]:
        """Return what a provider said went wrong as an error of the format."""

    @abstractmethod
    def is_wrapped(self, value: Any) -> bool:
        """Tell whether a value is an error of the format. May raise LookupError or TypeError for no."""

    def as_error(self, said: Any) -> bytes | None:
        if said is None or said is True:
            return None
        words = said if isinstance(said, dict) else {"message": str(said)}
        inner = words.get("error")
        return written(self.wrapped(inner if isinstance(inner, dict) else words))

    def is_error(self, body: bytes) -> bool:
        try:
            return self.is_wrapped(orjson.loads(body))
        except (ValueError, LookupError, TypeError):
            return False

    def read_error(self, body: bytes) -> Any:
        """Return the object that a body is, `EMPTY` where it is nothing, and None where it is no object."""
        if not body.strip():
            return EMPTY
        try:
            value = loaded(body)
        except orjson.JSONDecodeError:
            return None
        value = value[0] if isinstance(value, list) and value else value
        return value if isinstance(value, dict) else None
