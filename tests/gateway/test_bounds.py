"""What tools add to the input that a request can come to: a cap rests on it."""

import json
from typing import Any

import pytest

from gateway.dialects.anthropic_messages import ABOUT_TOOLS, MESSAGES
from gateway.dialects.gemini import GENERATE
from gateway.dialects.openai_chat import CHAT
from gateway.dialects.openai_responses import RESPONSES
from gateway.dialects.protocol import RUN_TOKENS, Dialect, Sent
from gateway.errors import Refused

USER: dict[str, Any] = {"role": "user", "content": "hi"}
CHAT_BODY: dict[str, Any] = {"model": "m", "messages": [USER]}
RESPONSE_BODY: dict[str, Any] = {"model": "m", "input": "hi"}
GEMINI_BODY: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


def beyond(dialect: Dialect, body: dict[str, Any]) -> int:
    """Return how many tokens the bound is above the bytes of the body."""
    sent = json.dumps(body).encode()
    return dialect.read(Sent({}, "/models/m:generateContent", sent)).input_bound - len(sent)


@pytest.mark.parametrize(
    ("dialect", "body", "more"),
    [
        (CHAT, CHAT_BODY | {"tools": [{"type": "function", "function": {"name": "f"}}]}, 0),
        (CHAT, CHAT_BODY | {"web_search_options": {}}, RUN_TOKENS),
        (CHAT, CHAT_BODY | {"tools": [{"type": "browser_search"}]}, RUN_TOKENS),
        (RESPONSES, RESPONSE_BODY | {"tools": [{"type": "function", "name": "f"}, {"type": "local_shell"}]}, 0),
        (RESPONSES, RESPONSE_BODY | {"tools": [{"type": "computer_use_preview"}]}, 0),
        (RESPONSES, RESPONSE_BODY | {"tools": [{"type": "web_search"}]}, RUN_TOKENS),
        (RESPONSES, RESPONSE_BODY | {"tools": [{"type": "mcp", "server_label": "x"}]}, RUN_TOKENS),
        (MESSAGES, CHAT_BODY, 0),
        (MESSAGES, CHAT_BODY | {"tools": [{"name": "f"}, {"type": "bash_20250124", "name": "bash"}]}, ABOUT_TOOLS),
        (MESSAGES, CHAT_BODY | {"tools": [{"type": "web_fetch_20250910", "name": "w"}]}, ABOUT_TOOLS + RUN_TOKENS),
        (MESSAGES, CHAT_BODY | {"mcp_servers": [{"name": "x"}]}, RUN_TOKENS),
        (GENERATE, GEMINI_BODY | {"tools": [{"functionDeclarations": [{"name": "f"}]}]}, 0),
        (GENERATE, GEMINI_BODY | {"tools": [{"googleSearch": {}}]}, RUN_TOKENS),
    ],
)
def test_the_results_of_tools_that_the_provider_runs_are_input_too(
    dialect: Dialect, body: dict[str, Any], more: int
) -> None:
    assert beyond(dialect, body) == more


def test_a_fallback_at_the_provider_is_refused_because_its_price_is_not_reserved() -> None:
    with pytest.raises(Refused, match="name them in the route"):
        beyond(MESSAGES, CHAT_BODY | {"fallbacks": [{"model": "dearer"}]})
