"""A request in the OpenAI chat format: from bytes to what the stages need to know of it. Pure.

Unknown fields are kept; what is malformed is refused with what to do.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from gateway.errors import Refused

# Most tokens that a part may cost which the body only refers to. The dearest image we know of is gpt-4o-mini's in high
# detail: 2,833 tokens and 5,667 for each of at most eight 512-pixel tiles, 48,169 in all; the figures are the vendor's
# as remembered, not read again. A file is billed at up to the largest context window. What costs more is charged and
# flagged (`within-reservation`).
IMAGE_TOKENS = 50_000
FILE_TOKENS = 1_000_000
MAX_NAME = 256


class ChatRequest(NamedTuple):
    """What a request asks for. `fields` keeps every field that was sent."""

    fields: Mapping[str, Any]
    model: str
    stream: bool
    tools: tuple[str, ...]
    """Names of the tools that it defines."""
    forced: str
    """The function that the answer has to call; empty for none."""
    required: bool
    """Some tool has to be called."""
    output_limit: int | None
    choices: int
    input_bound: int
    """Most tokens the input can be: UTF-8 bytes of the body plus constants for what it only refers to."""
    instructions: str
    """The system text that the messages begin with."""


def read_chat(body: bytes) -> ChatRequest:
    """Read the body of POST /v1/chat/completions.

    Raises:
        Refused: `invalid_request`, naming the field.
    """
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise invalid(f"the body is not valid JSON in UTF-8 ({error}); send a JSON object") from error
    if not isinstance(request, dict):
        raise invalid("the body must be a JSON object")
    try:
        orjson.dumps(request)  # parsing goes deeper than writing: what cannot be sent on is refused here
    except TypeError as error:
        raise invalid(f"the body cannot be sent on ({error}); nest it less deeply") from error
    _require_priced(request)
    model, messages = request.get("model"), request.get("messages")
    if not isinstance(model, str) or not 0 < len(model) <= MAX_NAME:
        raise invalid("`model` must be a string: the name of an intent or, where allowed, of a model")
    if not isinstance(messages, list) or not all([isinstance(one, dict) for one in messages]):
        raise invalid("`messages` must be a list of objects")
    stream = request.get("stream", False)
    if not isinstance(stream, bool) and stream is not None:
        raise invalid("`stream` must be true or false")
    return ChatRequest(
        fields=request,
        model=model,
        stream=bool(stream),
        tools=_tools(request),
        forced=_forced(request),
        required=request.get("tool_choice") == "required",
        output_limit=_limit(request),
        choices=_whole(request, "n", 1, 128),
        input_bound=len(body) + _referred(messages),
        instructions=_instructions(messages),
    )


def _instructions(messages: list[dict[str, Any]]) -> str:
    texts: list[str] = []
    for one in messages:
        if one.get("role") not in ("system", "developer"):
            break
        content = one.get("content")
        parts = content if isinstance(content, list) else [{"text": content}]
        texts += [str(part["text"]) for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)]
    return "\n".join(texts)


def invalid(message: str) -> Refused:
    return Refused("invalid_request", message, stage=1)


def _require_priced(request: Mapping[str, Any]) -> None:
    """Refuse what providers bill at other prices than the rows we reserve by."""
    tier = request.get("service_tier")
    if tier is not None and tier not in ("auto", "default", "flex"):
        raise invalid("`service_tier` must be auto, default or flex: no prices are known for other tiers")
    if request.get("speed") not in (None, "standard"):
        raise invalid("`speed` must be standard: no prices are known for others")
    modalities = request.get("modalities")
    if modalities is not None and modalities != ["text"]:
        raise invalid('`modalities` must be ["text"]: no prices are known for others')


def _data_length(part: dict[str, Any]) -> int:
    """Return how many characters of a part are the bytes of its image or file: they count as its constant."""
    kind: Any = part.get("type")
    member = {"image_url": "url", "file": "file_data"}.get(kind) if isinstance(kind, str) else None
    inner = part.get(kind) if member else None
    value = inner.get(member) if isinstance(inner, dict) and member else inner
    return len(value) if member and isinstance(value, str) and value.startswith("data:") else 0


def _whole(request: Mapping[str, Any], name: str, default: int, most: int) -> int:
    value = request.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise invalid(f"`{name}` must be a whole number from 1 to {most}")
    return value


def _limit(request: Mapping[str, Any]) -> int | None:
    limits = [_whole(request, name, 0, 10_000_000) for name in ("max_completion_tokens", "max_tokens")]
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
