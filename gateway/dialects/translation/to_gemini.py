"""A request in the chat-completions format as one in the Gemini generateContent format."""

import mimetypes
from collections.abc import Mapping
from typing import Any

from gateway.dialects.gemini import STREAM
from gateway.dialects.protocol import Asked, Outgoing, Server
from gateway.dialects.strict import written
from gateway.dialects.translation.chat_reading import (
    KNOWN,
    arguments_of,
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

_PARTS = frozenset({"text", "refusal", "image_url", "file", "input_audio"})
_SETTINGS = {
    "temperature": "temperature", "top_p": "topP", "top_k": "topK", "seed": "seed",
    "presence_penalty": "presencePenalty", "frequency_penalty": "frequencyPenalty",
}  # fmt: skip
_CARRIED = KNOWN | _SETTINGS.keys() | {"stop", "response_format", "reasoning_effort"}
_LEVELS = {"minimal": "minimal", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
_BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24_576, "xhigh": 24_576, "max": 24_576}
"""Tokens of thought of models before Gemini 3, as the vendor's own translation of `reasoning_effort` has them."""


def objection(asked: Asked) -> str:
    """Return why a request cannot be put to a provider of this format; empty where it can."""
    return objection_to(asked.fields, _PARTS)


def outgoing(asked: Asked, server: Server) -> Outgoing:
    """Return the request, naming what has no place in it."""
    fields = asked.fields
    system, rest, dropped = divided(fields, _CARRIED)
    body: dict[str, Any] = {"contents": _contents(rest)}
    if system:
        body["systemInstruction"] = {"parts": [{"text": text} for text in system]}
    if any(one.strict for one in functions_of(fields)):
        dropped.append("tools.strict")
    body |= _tools(fields)
    body["generationConfig"] = _settings(fields, server, dropped) | {"maxOutputTokens": server.limit}
    if asked.choices > 1:
        body["generationConfig"]["candidateCount"] = asked.choices
    action = f"{STREAM}?alt=sse" if asked.stream else "generateContent"
    path = f"/models/{server.model}:{action}"
    return Outgoing(path, written(body), key_header="x-goog-api-key", dropped=tuple(dropped))


def _contents(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Consecutive messages of one role stand together, as results of tools have to."""
    names = {key: name for one in messages for key, name, _, _ in calls_of(one)}
    turns: list[dict[str, Any]] = []
    for one in messages:
        role = "model" if one.get("role") == "assistant" else "user"
        parts = _of_model(one) if role == "model" else _of_user(one, names)
        if turns and turns[-1]["role"] == role:
            turns[-1]["parts"] += parts
        elif parts:
            turns.append({"role": role, "parts": parts})
    return turns


def _of_model(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [{"text": text} for text in texts_of(message.get("content"))]
    for key, name, arguments, call in calls_of(message):
        part: dict[str, Any] = {"functionCall": {"id": key, "name": name, "args": arguments}}
        if signature := _signature(call):
            part["thoughtSignature"] = signature
        parts.append(part)
    return parts


def _signature(call: Mapping[str, Any]) -> Any:
    """Return the mark that Gemini wants back with a call, where the vendor's own translation puts it."""
    extra = call.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    return google.get("thought_signature") if isinstance(google, dict) else None


def _of_user(message: Mapping[str, Any], names: Mapping[str, str]) -> list[dict[str, Any]]:
    content = message.get("content")
    if message.get("role") in ("tool", "function"):
        key = str(message.get("tool_call_id") or message.get("name"))
        result = arguments_of({"arguments": "".join(texts_of(content))})
        name = names.get(key) or str(message.get("name") or key)
        return [{"functionResponse": {"id": key, "name": name, "response": result}}]
    if isinstance(content, list):
        return [_part(part) for part in content]
    return [{"text": content}] if content else []


def _part(part: dict[str, Any]) -> dict[str, Any]:
    kind = part.get("type")
    if kind == "image_url":
        if data := data_of(url := url_of(part)):
            return {"inlineData": {"mimeType": data.media_type, "data": data.base64}}
        return {"fileData": {"fileUri": url, "mimeType": mimetypes.guess_type(url)[0] or "image/jpeg"}}
    if kind == "input_audio":
        audio = part.get("input_audio")
        said = audio if isinstance(audio, dict) else {}
        return {"inlineData": {"mimeType": f"audio/{said.get('format')}", "data": said.get("data")}}
    if data := file_of(part) if kind == "file" else None:
        return {"inlineData": {"mimeType": data.media_type, "data": data.base64}}
    return {"text": str(part.get("text") or part.get("refusal") or "")}


def _tools(fields: Mapping[str, Any]) -> dict[str, Any]:
    declared = [
        {"name": one.name, "parametersJsonSchema": one.parameters}
        | ({"description": one.description} if one.description else {})
        for one in functions_of(fields)
    ]
    if not declared:
        return {}
    choice = fields.get("tool_choice") or fields.get("function_call")
    forced = forced_of(choice)
    mode = {"none": "NONE", "required": "ANY"}.get(choice, "AUTO") if isinstance(choice, str) else "AUTO"
    config: dict[str, Any] = {"mode": "ANY", "allowedFunctionNames": [forced]} if forced else {"mode": mode}
    return {"tools": [{"functionDeclarations": declared}], "toolConfig": {"functionCallingConfig": config}}


def _settings(fields: Mapping[str, Any], server: Server, dropped: list[str]) -> dict[str, Any]:
    settings = {there: fields[here] for here, there in _SETTINGS.items() if fields.get(here) is not None}
    if stops := stops_of(fields):
        settings["stopSequences"] = stops
    form = fields.get("response_format")
    if schema := schema_of(fields):
        settings |= {"responseMimeType": "application/json", "responseJsonSchema": schema}
    elif isinstance(form, dict) and form.get("type") == "json_object":
        settings["responseMimeType"] = "application/json"
    effort = str(fields.get("reasoning_effort"))
    if effort in _BUDGETS and server.model.startswith("gemini-2"):
        settings["thinkingConfig"] = {"thinkingBudget": _BUDGETS[effort]}
    elif effort in _LEVELS:
        settings["thinkingConfig"] = {"thinkingLevel": _LEVELS[effort]}
    elif fields.get("reasoning_effort") is not None:
        dropped.append("reasoning_effort")
    return settings
