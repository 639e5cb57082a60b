"""What a provider reads of a request, and how it writes one answer, in every format of tests/formats.py."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import formats
from stage import DONE, USAGE, chunk, completion

Body = dict[str, Any]


class Asked(NamedTuple):
    """What a willing model looks at."""

    tools: tuple[str, ...] = ()
    forced: str = ""
    required: bool = False
    structured: bool = False
    again: bool = False
    """A tool was called before in this conversation."""


class Said(NamedTuple):
    """A text, or the call of a tool."""

    text: str = ""
    tool: str = ""
    given: Body = {}
    custom: bool = False
    """A tool of the Responses format that takes a text."""


class Format(NamedTuple):
    """One of them."""

    read: Callable[[Body], Asked]
    whole: Callable[[Said], Body]
    events: Callable[[Said], list[bytes]]
    error: Callable[[int], Body]


def format_of(path: str) -> Format | None:
    """Return the format that a path speaks; None for what is not billed as an answer (counting, vectors)."""
    plain = path.partition("?")[0]
    if plain.endswith(("GenerateContent", ":generateContent")):
        return GEMINI
    return next((one for end, one in _ENDS.items() if plain.endswith(end)), None)


# OpenAI chat completions, and completions


def _read_chat(body: Body) -> Asked:
    choice, functions = (
        body.get("tool_choice"),
        [one["function"] for one in body.get("tools") or () if "function" in one],
    )
    return Asked(
        tools=tuple(one["name"] for one in functions),
        forced=choice["function"]["name"] if isinstance(choice, dict) and "function" in choice else "",
        required=choice == "required",
        structured=bool(body.get("response_format")),
        again=len([one for one in body["messages"] if one["role"] not in ("system", "developer")]) > 1,
    )


def _chat_calls(said: Said) -> list[Body]:
    function = {"name": said.tool, "arguments": json.dumps(said.given)}
    return [{"id": "c1", "type": "function", "function": function}] if said.tool else []


def _chat(said: Said) -> Body:
    return completion(said.text, **({"tool_calls": calls} if (calls := _chat_calls(said)) else {}))


def _chat_events(said: Said) -> list[bytes]:
    if calls := _chat_calls(said):
        deltas = [{"tool_calls": [calls[0] | {"index": 0}]}]
    else:
        deltas = [{"content": said.text[:3]}, {"content": said.text[3:]}]
    parts = [chunk({"role": "assistant"} | one) for one in deltas]
    return [*parts, chunk({}, "tool_calls" if said.tool else "stop"), USAGE, DONE]


def _openai_error(status: int) -> Body:
    kind = "rate_limit_error" if status == 429 else "server_error"
    return {"error": {"message": "not now", "type": kind, "param": None, "code": None}}


# OpenAI Responses


def _response_tools(tools: list[Body]) -> Iterator[str]:
    for one in tools:
        if one["type"] == "namespace":
            yield from _response_tools(one["tools"])
        elif "name" in one:
            yield one["name"]


def _read_response(body: Body) -> Asked:
    choice, items = body.get("tool_choice"), body["input"] if isinstance(body["input"], list) else []
    form = (body.get("text") or {}).get("format") or {}
    return Asked(
        tools=tuple(_response_tools(body.get("tools") or [])),
        forced=choice["name"] if isinstance(choice, dict) and "name" in choice else "",
        required=choice == "required",
        structured=form.get("type", "text") != "text",
        again=any(str(one.get("type")).endswith("_call_output") for one in items),
    )


def _items(said: Said) -> Body:
    if said.custom:
        item = {
            "id": "ctc_1",
            "type": "custom_tool_call",
            "call_id": "call_1",
            "name": said.tool,
            "status": "completed",
        }
        return {"output": [item | {"input": said.given["input"]}]}
    return {"output": [formats.function_call(said.tool, json.dumps(said.given))]} if said.tool else {}


# Anthropic messages


def _read_messages(body: Body) -> Asked:
    choice = body.get("tool_choice") or {}
    blocks = [one for message in body["messages"] for one in message["content"] if isinstance(one, dict)]
    return Asked(
        tools=tuple(one["name"] for one in body.get("tools") or ()),
        forced=choice.get("name", ""),
        required=choice.get("type") == "any",
        structured=bool((body.get("output_config") or {}).get("format") or body.get("output_format")),
        again=any(one.get("type") == "tool_result" for one in blocks),
    )


def _content(said: Said) -> Body:
    return {"content": [formats.tool_use(said.tool, said.given)], "stop_reason": "tool_use"} if said.tool else {}


def _anthropic_error(status: int) -> Body:
    kind = "rate_limit_error" if status == 429 else "api_error"
    return {"type": "error", "error": {"type": kind, "message": "not now"}, "request_id": "req_1"}


# Gemini


def _camel(value: Any) -> Any:
    """Return a request with its members as the reference spells them: litellm sends `function_declarations`."""
    if isinstance(value, list):
        return [_camel(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {re.sub(r"_([a-z])", lambda letter: letter[1].upper(), name): _camel(one) for name, one in value.items()}


def _read_gemini(body: Body) -> Asked:
    body = _camel(body)
    settings = body.get("generationConfig") or {}
    functions = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    allowed = functions.get("allowedFunctionNames") or []
    declared = [one for tool in body.get("tools") or () for one in tool.get("functionDeclarations") or ()]
    parts = [one for content in body["contents"] for one in content["parts"]]
    return Asked(
        tools=tuple(one["name"] for one in declared),
        forced=allowed[0] if len(allowed) == 1 and functions.get("mode") == "ANY" else "",
        required=functions.get("mode") == "ANY",
        structured=settings.get("responseMimeType") == "application/json" or "responseFormat" in settings,
        again=any("functionResponse" in one for one in parts),
    )


def _gemini(said: Said) -> Body:
    part = formats.call_part(said.tool, said.given) if said.tool else {"text": said.text}
    content = {"role": "model", "parts": [part]}
    return formats.generated(candidates=[{"content": content, "finishReason": "STOP", "index": 0}])


def _gemini_events(said: Said) -> list[bytes]:
    return formats.generated_events(said.text, *([formats.call_part(said.tool, said.given)] if said.tool else ()))


def _gemini_error(status: int) -> Body:
    word = "RESOURCE_EXHAUSTED" if status == 429 else "INTERNAL"
    return {"error": {"code": status, "message": "not now", "status": word}}


GEMINI = Format(_read_gemini, _gemini, _gemini_events, _gemini_error)
_ENDS = {
    "/chat/completions": Format(_read_chat, _chat, _chat_events, _openai_error),
    "/completions": Format(lambda _: Asked(), lambda _: formats.TEXT, lambda _: formats.text_events(), _openai_error),
    "/responses": Format(
        _read_response,
        lambda said: formats.response(said.text, **_items(said)),
        lambda said: formats.response_events(said.text, **_items(said)),
        _openai_error,
    ),
    "/messages": Format(
        _read_messages,
        lambda said: formats.message(said.text, **_content(said)),
        lambda said: formats.message_events(said.text, **_content(said)),
        _anthropic_error,
    ),
}
