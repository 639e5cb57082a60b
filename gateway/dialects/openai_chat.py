"""The OpenAI chat-completions format: requests read and rewritten, its events and errors told apart. Pure.

Unknown fields are kept; what is malformed is refused with what to do.
Source: the types of openai 3.54.0 and the vendor's API reference, read 2026-11-23.
"""

from collections.abc import Mapping
from typing import Any

from gateway.dialects import openai_error
from gateway.dialects.capabilities import refused_by
from gateway.dialects.openai_answer import ChatTranscript
from gateway.dialects.protocol import (
    FILE_TOKENS,
    IMAGE_TOKENS,
    RUN_TOKENS,
    Asked,
    Outgoing,
    Sent,
    Server,
    flag_of,
    invalid,
    model_of,
    object_in,
    require_priced,
    rounds_in,
    whole_of,
)
from gateway.dialects.sse import PLAIN, Event, EventReader, Text
from gateway.dialects.strict import written

_LIMITS = ("max_completion_tokens", "max_tokens")
_COMMON = frozenset(
    {"id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier", "provider"}
    | {"timings", "obfuscation"}
)
"""What an event may hold and still say nothing but the usage."""
_OF_EMPTY = frozenset({"index", "delta", "finish_reason", "native_finish_reason", "logprobs"})


class Chat(openai_error.OpenAIEnvelope):
    """POST /v1/chat/completions."""

    name = "openai.chat"
    keeps_answer = True

    def read(self, sent: Sent) -> Asked:
        request = object_in(sent.body)
        require_priced(request)
        model, messages = model_of(request), request.get("messages")
        if not isinstance(messages, list) or not all([isinstance(one, dict) for one in messages]):
            raise invalid("`messages` must be a list of objects")
        return Asked(
            fields=request,
            model=model,
            stream=flag_of(request, "stream"),
            tools=_tools(request),
            forced=_forced(request),
            required=request.get("tool_choice") == "required",
            output_limit=_limit(request),
            choices=whole_of(request, "n", 1, 128),
            input_bound=len(sent.body) + _referred(messages) + (RUN_TOKENS if _is_run_there(request) else 0),
            instructions=_instructions(messages),
            tool_rounds=rounds_in(messages, _turn_of),
        )

    def outgoing(self, asked: Asked, server: Server) -> Outgoing:
        """The limit is always written, in the field that this provider reads and in no other: what was reserved rests
        on it. Usage is asked for."""
        dropped = refused_by(server.model, asked.fields)
        body = {name: value for name, value in asked.fields.items() if name not in _LIMITS and name not in dropped}
        body["model"] = server.model
        body[server.limit_field] = server.limit
        return Outgoing("/chat/completions", written(with_usage_asked(body, server)), dropped=dropped)

    def with_instructions(self, fields: Mapping[str, Any], text: str) -> dict[str, Any]:
        return {**fields, "messages": [{"role": "system", "content": text}, *fields["messages"]]}

    def reader(self) -> EventReader:
        return EventReader(text_of)

    def transcript(self, asked: Asked) -> ChatTranscript:
        return ChatTranscript(asked.choices)

    def is_extra(self, event: Event, asked: Asked) -> bool:
        return is_usage_only(event) and not wants_usage(asked.fields)


CHAT = Chat()


def _turn_of(message: dict[str, Any]) -> str:
    """Return who a message is of: a `tool` round of the model, a `person`, or neither."""
    if message.get("tool_calls") or message.get("function_call"):
        return "tool"
    return "person" if message.get("role") == "user" else ""


def _instructions(messages: list[dict[str, Any]]) -> str:
    texts: list[str] = []
    for one in messages:
        if one.get("role") not in ("system", "developer"):
            break
        content = one.get("content")
        parts = content if isinstance(content, list) else [{"text": content}]
        texts += [str(part["text"]) for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)]
    return "\n".join(texts)


def _data_length(part: dict[str, Any]) -> int:
    """Return how many characters of a part are the bytes of its image or file: they count as its constant."""
    kind: Any = part.get("type")
    member = {"image_url": "url", "file": "file_data"}.get(kind) if isinstance(kind, str) else None
    inner = part.get(kind) if member else None
    value = inner.get(member) if isinstance(inner, dict) and member else inner
    return len(value) if member and isinstance(value, str) and value.startswith("data:") else 0


def _limit(request: Mapping[str, Any]) -> int | None:
    limits = [whole_of(request, name, 0, 10_000_000) for name in ("max_completion_tokens", "max_tokens")]
    return max(limits) or None


def _tools(request: Mapping[str, Any]) -> tuple[str, ...]:
    names: list[str] = []
    tools = request.get("tools")
    if tools is not None and not isinstance(tools, list):
        raise invalid("`tools` must be a list")
    for tool in tools or ():
        body = tool.get(tool.get("type")) if isinstance(tool, dict) and isinstance(tool.get("type"), str) else None
        if isinstance(body, dict) and isinstance(body.get("name"), str):
            names.append(body["name"])
        elif isinstance(tool, dict) and isinstance(tool.get("type"), str):
            names.append(tool["type"])  # a tool the provider runs itself
        else:
            raise invalid("each tool must be an object with a `type`")
    functions = request.get("functions")
    for function in functions if isinstance(functions, list) else ():
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            names.append(function["name"])
    if request.get("web_search_options") is not None:
        names.append("web_search")
    return tuple(dict.fromkeys(names))


def _is_run_there(request: Mapping[str, Any]) -> bool:
    """Tell whether the provider runs a tool of its own, whose results are input too."""
    tools = request.get("tools")
    kinds = {tool.get("type") for tool in tools if isinstance(tool, dict)} if isinstance(tools, list) else set()
    return request.get("web_search_options") is not None or bool(kinds - {"function", "custom"})


def _forced(request: Mapping[str, Any]) -> str:
    """Return the name of the function that a request forces, in the form of today or the one before."""
    choice = request.get("tool_choice")
    inner = choice.get(choice.get("type")) if isinstance(choice, dict) and isinstance(choice.get("type"), str) else None
    for one in (inner, request.get("function_call")):
        if isinstance(one, dict) and isinstance(one.get("name"), str):
            return str(one["name"])
    return ""


def _referred(messages: list[dict[str, Any]]) -> int:
    tokens = 0
    for message in messages:
        parts = message.get("content")
        if isinstance(parts, list):
            for part in parts:
                kind = part.get("type") if isinstance(part, dict) else None
                # Inline text and audio count by their bytes in the body; whatever else is only referred to.
                inline = kind in ("text", "refusal", "input_audio")
                tokens += 0 if inline else IMAGE_TOKENS if kind == "image_url" else FILE_TOKENS
                tokens -= 0 if inline or not isinstance(part, dict) else _data_length(part)
        if "audio" in message and isinstance(message["audio"], dict):
            tokens += FILE_TOKENS
    return tokens


def with_usage_asked(body: dict[str, Any], server: Server) -> dict[str, Any]:
    """Return a body that asks for usage in its stream, where the provider wants to be asked."""
    if not server.asks_usage:
        body.pop("stream_options", None)
    elif body.get("stream"):
        options = body.get("stream_options")
        body["stream_options"] = {**(options if isinstance(options, dict) else {}), "include_usage": True}
    return body


def wants_usage(request: Mapping[str, Any]) -> bool:
    """Tell whether the client itself asked for the usage chunk of a stream."""
    options = request.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def text_of(value: dict[str, Any]) -> Text | None:
    """Return the text of an event that says nothing else, as the reader of events wants it."""
    if not value.keys() <= _COMMON or value.get("usage") is not None:
        return None
    if not isinstance(padding := value.get("obfuscation", ""), str) or not PLAIN.fullmatch(padding.encode()):
        return None
    choices = value.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choice := choices[0], dict):
        return None
    delta = choice.get("delta")
    if not choice.keys() <= _OF_EMPTY or choice.get("finish_reason") is not None or not isinstance(delta, dict):
        return None
    text = delta.get("content") if delta.keys() <= {"content", "role"} else None
    return (b"content", text.encode()) if isinstance(text, str) else None


def is_usage_only(event: Event) -> bool:
    """Tell whether this event exists because usage was asked for, and says nothing else."""
    value = event.value
    if value is None or not isinstance(value.get("usage"), dict) or not value.keys() <= _COMMON:
        return False
    choices = value.get("choices")
    return not choices or (isinstance(choices, list) and all(map(_is_empty, choices)))


def _is_empty(choice: Any) -> bool:
    """Tell whether a choice adds nothing: no finish, and a delta of empty members and a role."""
    if not isinstance(choice, dict) or choice.get("finish_reason") or not choice.keys() <= _OF_EMPTY:
        return False
    delta = choice.get("delta") or {}
    return isinstance(delta, dict) and not any(value for name, value in delta.items() if name != "role")
