"""A request in the chat-completions format as one in the Anthropic messages format."""

from collections.abc import Mapping
from typing import Any

from gateway.dialects.anthropic_messages import VERSION
from gateway.dialects.protocol import Asked, Outgoing, Server
from gateway.dialects.strict import written
from gateway.dialects.translation.chat_reading import (
    KNOWN,
    calls_of,
    data_of,
    divided,
    file_of,
    forced_of,
    functions_of,
    objection_to,
    schema_of,
    stops_of,
    texts_of,
    url_of,
)

_PARTS = frozenset({"text", "refusal", "image_url", "file"})
_CARRIED = KNOWN | {
    "temperature", "top_p", "top_k", "stop", "response_format", "reasoning_effort", "parallel_tool_calls", "user",
    "thinking",
}  # fmt: skip
_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}


def objection(asked: Asked) -> str:
    """Return why a request cannot be put to a provider of this format; empty where it can."""
    if asked.choices > 1:
        return "`n` is more than 1, and it gives one answer"
    return objection_to(asked.fields, _PARTS)


def outgoing(asked: Asked, server: Server) -> Outgoing:
    """Return the request, naming what has no place in it."""
    fields = asked.fields
    system, rest, dropped = divided(fields, _CARRIED)
    body: dict[str, Any] = {"model": server.model, "max_tokens": server.limit, "messages": _messages(rest)}
    if system:
        body["system"] = "\n\n".join(system)
    if asked.stream:
        body["stream"] = True
    body |= _tools(fields) | _settings(fields, dropped)
    return Outgoing("/messages", written(body), (("anthropic-version", VERSION),), "x-api-key", tuple(dropped))


def _messages(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Results of tools stand together in one message of the user, before whatever else it says."""
    turns: list[dict[str, Any]] = []
    for one in messages:
        role = "assistant" if one.get("role") == "assistant" else "user"
        blocks = _of_assistant(one) if role == "assistant" else _of_user(one)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    return turns


def _of_assistant(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    thoughts = message.get("thinking_blocks")
    blocks = [one for one in thoughts if isinstance(one, dict)] if isinstance(thoughts, list) else []
    blocks += [{"type": "text", "text": text} for text in texts_of(message.get("content"))]
    calls = [{"type": "tool_use", "id": key, "name": name, "input": said} for key, name, said, _ in calls_of(message)]
    return blocks + calls


def _of_user(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    if message.get("role") in ("tool", "function"):
        parts = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
        key = message.get("tool_call_id") or message.get("name")
        return [{"type": "tool_result", "tool_use_id": key, "content": [_block(part) for part in parts]}]
    if isinstance(content, list):
        return [_block(part) for part in content]
    return [{"type": "text", "text": content}] if content else []


def _block(part: dict[str, Any]) -> dict[str, Any]:
    marked = {"cache_control": part["cache_control"]} if isinstance(part.get("cache_control"), dict) else {}
    if part.get("type") == "image_url":
        data = data_of(url := url_of(part))
        inline = {"type": "base64", "media_type": data.media_type, "data": data.base64} if data else None
        return {"type": "image", "source": inline or {"type": "url", "url": url}} | marked
    if part.get("type") == "file":
        return _document(part) | marked
    return {"type": "text", "text": str(part.get("text") or part.get("refusal") or "")} | marked


def _document(part: Mapping[str, Any]) -> dict[str, Any]:
    file, data = part.get("file"), file_of(part)
    if data is None:
        return {}  # `objection` has left none
    source = {"type": "base64", "media_type": data.media_type, "data": data.base64}
    title = {"title": file["filename"]} if isinstance(file, dict) and isinstance(file.get("filename"), str) else {}
    return {"type": "document", "source": source} | title


def _tools(fields: Mapping[str, Any]) -> dict[str, Any]:
    tools = [
        {"name": one.name, "input_schema": one.parameters}
        | ({"description": one.description} if one.description else {})
        | ({"strict": True} if one.strict else {})
        for one in functions_of(fields)
    ]
    if not tools:
        return {}
    choice = fields.get("tool_choice") or fields.get("function_call")
    forced = forced_of(choice)
    kind = {"none": "none", "required": "any"}.get(choice, "auto") if isinstance(choice, str) else "auto"
    chosen: dict[str, Any] = {"type": "tool", "name": forced} if forced else {"type": kind}
    if fields.get("parallel_tool_calls") is False and chosen["type"] != "none":
        chosen["disable_parallel_tool_use"] = True
    return {"tools": tools, "tool_choice": chosen}


def _settings(fields: Mapping[str, Any], dropped: list[str]) -> dict[str, Any]:
    settings: dict[str, Any] = {
        name: fields[name] for name in ("top_p", "top_k", "thinking") if fields.get(name) is not None
    }
    if isinstance(warmth := fields.get("temperature"), int | float):
        settings["temperature"] = min(warmth, 1)
        if warmth > 1:
            dropped.append("temperature (1 is the most there)")
    stops = stops_of(fields)
    if told := [one for one in stops if one.strip()]:
        settings["stop_sequences"] = told
    if len(told) < len(stops):
        dropped.append("stop (of blanks only)")
    output: dict[str, Any] = {}
    if schema := schema_of(fields):
        output["format"] = {"type": "json_schema", "schema": schema}
    elif isinstance(form := fields.get("response_format"), dict) and form.get("type") not in (None, "text"):
        dropped.append("response_format")
    if effort := _EFFORTS.get(str(fields.get("reasoning_effort"))):
        output["effort"] = effort
    elif fields.get("reasoning_effort") is not None:
        dropped.append("reasoning_effort")
    if isinstance(user := fields.get("user"), str) and user:
        settings["metadata"] = {"user_id": user}
    return settings | ({"output_config": output} if output else {})
