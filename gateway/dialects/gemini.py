"""The Gemini generateContent format, and counting tokens and embedding in it: requests read, errors written. Pure.

The model stands in the path. Source: the types of google-genai 3.6.1 and ai.google.dev, read 2026-11-23.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from gateway.dialects.envelope import EMPTY, Envelope
from gateway.dialects.gemini_answer import GenerateTranscript
from gateway.dialects.protocol import (
    FILE_TOKENS,
    IMAGE_TOKENS,
    RUN_TOKENS,
    Asked,
    Outgoing,
    Sent,
    Server,
    Transcript,
    invalid,
    model_of,
    object_in,
    rounds_in,
    whole_of,
)
from gateway.dialects.sse import Event, EventReader
from gateway.dialects.strict import written
from gateway.dialects.whole import CountTranscript, VectorsTranscript

STREAM = "streamGenerateContent"
_STATUSES = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 402: "RESOURCE_EXHAUSTED", 403: "PERMISSION_DENIED",
    404: "NOT_FOUND", 413: "INVALID_ARGUMENT", 415: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL", 502: "UNAVAILABLE", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip
_INLINE_IMAGE = re.compile(r"image/")
_DECLARATIONS = ("functionDeclarations", "function_declarations")


class GeminiEnvelope(Envelope):
    """How errors stand in the format."""

    def error_in(self, body: bytes) -> Any:
        if body.strip() and b'"error"' not in body:
            return None
        value = self.read_error(body)
        return value if value is EMPTY or value is None else None if value.get("candidates") else value.get("error")

    def error_of(self, event: Event) -> Any:
        value = event.value or {}
        return value.get("error") or value or True if event.error or value.get("error") else None

    def wrapped(self, words: dict[str, Any]) -> dict[str, Any]:
        return {"error": {"code": 502, "message": "no message", "status": "UNAVAILABLE"} | words}

    def is_wrapped(self, value: Any) -> bool:
        return isinstance(value["error"]["message"], str) and isinstance(value["error"]["status"], str)

    def error(self, status: int, code: str, message: str, call: str) -> bytes:
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": code.upper(), "domain": "whyledger"}
        body = {
            "code": status, "message": message, "status": _STATUSES.get(status, "UNKNOWN"),
            "details": [info | {"metadata": {"call": call}}],
        }  # fmt: skip
        return written({"error": body, "whyledger_call": call})

    def error_event(self, error: bytes) -> bytes:
        """Without an `event:` line, which breaks the parser of google-genai."""
        return b"data: " + error + b"\r\n\r\n"


class GenerateContent(GeminiEnvelope):
    """POST models/M:generateContent and models/M:streamGenerateContent?alt=sse."""

    name = "gemini"
    limit_name = "maxOutputTokens"
    keeps_answer = True

    def read(self, sent: Sent) -> Asked:
        request = object_in(sent.body)
        model, action, query = _place(sent.path)
        if action == STREAM and "alt=sse" not in query.split("&"):
            raise invalid("add `?alt=sse`: a stream as one growing JSON array has no events that could be checked")
        contents, settings = request.get("contents"), _member(request, "generationConfig")
        if not isinstance(contents, list) or not all([isinstance(one, dict) for one in contents]):
            raise invalid("`contents` must be a list of objects")
        if not isinstance(settings, dict):
            raise invalid("`generationConfig` must be an object")
        modalities = _member(settings, "responseModalities")
        if modalities and modalities != ["TEXT"]:
            raise invalid('`responseModalities` must be ["TEXT"]: no prices are known for others')
        if _member(request, "serviceTier") not in ({}, "standard", "unspecified", "flex"):
            raise invalid("`serviceTier` must be standard or flex: no prices are known for others")
        functions = _member(_member(request, "toolConfig"), "functionCallingConfig")
        allowed = _member(functions, "allowedFunctionNames")
        limit = _member(settings, "maxOutputTokens")
        held = bool(_member(request, "cachedContent"))
        return Asked(
            fields=request,
            model=model_of({"model": model}),
            stream=action == STREAM,
            tools=tuple(dict.fromkeys(_tools(request))),
            forced=_only(allowed) if _is_any(functions) else "",
            required=_is_any(functions),
            output_limit=whole_of({"maxOutputTokens": limit or None}, "maxOutputTokens", 0, 10_000_000) or None,
            choices=whole_of({"candidateCount": _member(settings, "candidateCount") or None}, "candidateCount", 1, 128),
            input_bound=len(sent.body)
            + (RUN_TOKENS if any(set(one) - set(_DECLARATIONS) for one in request.get("tools") or ()) else 0)
            + _referred([*contents, _member(request, "systemInstruction")])
            + (FILE_TOKENS if held else 0),
            instructions=_text_of(_member(request, "systemInstruction")),
            tool_rounds=rounds_in(contents, _turn_of),
            held=held,
            path=sent.path,
        )

    def outgoing(self, asked: Asked, server: Server) -> Outgoing:
        settings = dict(_member(asked.fields, "generationConfig"))
        settings.pop("max_output_tokens", None)
        settings["maxOutputTokens"] = server.limit
        body = {name: value for name, value in asked.fields.items() if name not in ("model", "generation_config")}
        body["generationConfig"] = settings
        return self._outgoing(asked, body, server)

    def _outgoing(self, asked: Asked, body: dict[str, Any], server: Server) -> Outgoing:
        _, action, query = _place(asked.path)
        path = f"/models/{server.model}:{action}" + (f"?{query}" if query else "")
        return Outgoing(path, written(body), key_header="x-goog-api-key")

    def with_instructions(self, fields: Mapping[str, Any], text: str) -> dict[str, Any]:
        own = _member(fields, "systemInstruction")
        rest = {name: value for name, value in fields.items() if name != "system_instruction"}
        return {**rest, "systemInstruction": {"parts": [{"text": text}, *_parts(own)]}}

    def reader(self) -> EventReader:
        return EventReader(lambda _value: None)  # each event counts anew

    def transcript(self, asked: Asked) -> Transcript:
        return GenerateTranscript(asked.tools)

    def is_extra(self, event: Event, asked: Asked) -> bool:
        return False


class GeminiCountTokens(GenerateContent):
    """POST models/M:countTokens: free, but the provider sees the content."""

    name = "gemini.count_tokens"

    def read(self, sent: Sent) -> Asked:
        request = object_in(sent.body)
        model, _, _ = _place(sent.path)
        return Asked(
            fields=request, model=model_of({"model": model}), output_limit=0, free=True, path=sent.path,
            input_bound=len(sent.body),
        )  # fmt: skip

    def outgoing(self, asked: Asked, server: Server) -> Outgoing:
        inner = asked.fields.get("generateContentRequest")
        body = dict(asked.fields)
        if isinstance(inner, dict):
            body["generateContentRequest"] = {**inner, "model": f"models/{server.model}"}
        return self._outgoing(asked, body, server)

    def transcript(self, asked: Asked) -> Transcript:
        return CountTranscript("totalTokens")


class GeminiEmbed(GenerateContent):
    """POST models/M:embedContent and models/M:batchEmbedContents."""

    name = "gemini.embed"
    limit_name = ""
    keeps_answer = False

    def read(self, sent: Sent) -> Asked:
        request = object_in(sent.body)
        model, _, _ = _place(sent.path)
        several = request.get("requests")
        every = several if isinstance(several, list) else [request]
        bound = len(sent.body) + sum(_referred(one.get("content")) for one in every if isinstance(one, dict))
        return Asked(
            fields=request, model=model_of({"model": model}), output_limit=0, path=sent.path, input_bound=bound
        )

    def outgoing(self, asked: Asked, server: Server) -> Outgoing:
        body = dict(asked.fields)
        requests = body.get("requests")
        if isinstance(requests, list):
            named = f"models/{server.model}"
            body["requests"] = [{**one, "model": named} if isinstance(one, dict) else one for one in requests]
        body.pop("model", None)
        return self._outgoing(asked, body, server)

    def transcript(self, asked: Asked) -> Transcript:
        return VectorsTranscript()


GENERATE, GEMINI_COUNT, GEMINI_EMBED = GenerateContent(), GeminiCountTokens(), GeminiEmbed()


def _place(path: str) -> tuple[str, str, str]:
    """Return model, action and query of a path. Of the query the form of the answer goes on, and nothing else: a key or
    a token in it would end up in logs, or stand against the provider's own."""
    plain, _, query = path.partition("?")
    query = "&".join(one for one in query.split("&") if one.startswith("alt="))
    model, _, action = plain.removeprefix("/models/").rpartition(":")
    return unquote(model), action, query


def _member(value: Any, name: str) -> Any:
    """Return a member by its name in camel or snake case, as requests may have either; an empty object for none."""
    if not isinstance(value, Mapping):
        return {}
    other = _snake(name)
    if other != name and name in value and other in value:
        raise invalid(f"`{name}` stands there twice, once as `{other}`; leave one of them out")
    found = value.get(name, value.get(other))
    return {} if found is None else found


@lru_cache(maxsize=64)
def _snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda letter: f"_{letter[1].lower()}", name)


def _only(names: Any) -> str:
    return names[0] if isinstance(names, list) and len(names) == 1 and isinstance(names[0], str) else ""


def _is_any(functions: Any) -> bool:
    return isinstance(functions, Mapping) and functions.get("mode") == "ANY"


def _turn_of(content: dict[str, Any]) -> str:
    """The results of functions stand in contents of the user, and are nobody's word."""
    parts = content.get("parts")
    members = {name for one in parts if isinstance(one, dict) for name in one} if isinstance(parts, list) else set()
    if content.get("role") == "model":
        return "tool" if members & {"functionCall", "function_call"} else ""
    return "" if members & {"functionResponse", "function_response"} else "person"


def _tools(request: Mapping[str, Any]) -> Iterator[str]:
    tools = request.get("tools")
    if not isinstance(tools, list | None):
        raise invalid("`tools` must be a list")
    for tool in tools or ():
        if not isinstance(tool, dict):
            raise invalid("each tool must be an object")
        for kind, value in tool.items():
            if kind not in _DECLARATIONS:
                yield _snake(kind)  # the provider runs it
                continue
            for one in value if isinstance(value, list) else (value,):
                if not isinstance(one, dict) or not isinstance(one.get("name"), str):
                    raise invalid("each function declaration must be an object with a `name`")
                yield one["name"]


def _text_of(instruction: Any) -> str:
    if isinstance(instruction, str):
        return instruction
    every = _parts(instruction)
    return "\n".join(one["text"] for one in every if isinstance(one, dict) and isinstance(one.get("text"), str))


def _parts(content: Any) -> list[Any]:
    """Return the parts of a content, however few there are."""
    if isinstance(content, str):
        return [{"text": content}]
    parts = content.get("parts") if isinstance(content, dict) else None
    return parts if isinstance(parts, list) else [] if parts is None else [parts]


def _referred(contents: Any) -> int:
    """Return the tokens of what parts refer to, less the bytes of images and files that stand in them."""
    tokens = 0
    for part in [part for one in (contents if isinstance(contents, list) else [contents]) for part in _parts(one)]:
        if isinstance(data := _member(part, "inlineData"), dict) and data:
            kind, encoded = str(_member(data, "mimeType")), data.get("data")
            tokens += IMAGE_TOKENS if _INLINE_IMAGE.match(kind) else FILE_TOKENS
            tokens -= len(encoded) if isinstance(encoded, str) else 0
        if _member(part, "fileData"):
            tokens += FILE_TOKENS
        if answered := _member(part, "functionResponse"):
            tokens += _referred(answered)
    return tokens
