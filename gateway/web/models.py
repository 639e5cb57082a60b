"""The intents as the list of models that a client looks for: three APIs have the same path for it, and tell themselves
apart by a header."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from starlette.requests import Request

from gateway.dialects.anthropic_messages import MESSAGES
from gateway.dialects.gemini import GENERATE
from gateway.dialects.openai_chat import CHAT
from gateway.dialects.protocol import Dialect
from gateway.web.places import ACTIONS

Shape = dict[str, Any]


class Speaker(NamedTuple):
    """Who asks beside the hot route."""

    dialect: Dialect
    """Of its errors."""
    one: Callable[[str], Shape]
    every: Callable[[Sequence[str]], Shape]


def speaker_of(request: Request) -> Speaker:
    """Return whose client asks: Gemini's by its path or the header of its key, Anthropic's by the version it sends."""
    if f"{request.url.path}/".startswith("/v1beta/") or "x-goog-api-key" in request.headers:
        return _GEMINI
    return _ANTHROPIC if "anthropic-version" in request.headers else _OPENAI


def _openai(intent: str) -> Shape:
    return {"id": intent, "object": "model", "created": 0, "owned_by": "whyledger"}


def _anthropic(intent: str) -> Shape:
    since = "1970-01-01T00:00:00Z"  # as their reference says of a date that is not known
    return {"type": "model", "id": intent, "display_name": intent, "created_at": since, "lifecycle": "active"}


def _gemini(intent: str) -> Shape:
    return {"name": f"models/{intent}", "displayName": intent, "supportedGenerationMethods": list(ACTIONS)}


def _anthropic_page(intents: Sequence[str]) -> Shape:
    ends = (intents[0], intents[-1]) if intents else (None, None)
    data = [_anthropic(one) for one in intents]
    return {"data": data, "has_more": False, "first_id": ends[0], "last_id": ends[1]}


_OPENAI = Speaker(CHAT, _openai, lambda all_: {"object": "list", "data": [_openai(one) for one in all_]})
_ANTHROPIC = Speaker(MESSAGES, _anthropic, _anthropic_page)
_GEMINI = Speaker(GENERATE, _gemini, lambda all_: {"models": [_gemini(one) for one in all_]})
