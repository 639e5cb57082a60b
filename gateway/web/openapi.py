"""The hot routes in the OpenAPI document: they are not FastAPI's, and must be listed (and fuzzed) all the same."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from fastapi import FastAPI

from gateway.dialects.gemini import STREAM
from gateway.pipeline.attempt import PASSED_ON
from gateway.web.documents import Problem
from gateway.web.problems import IN_FORMAT, METHOD_NOT_ALLOWED, STATUS

_OBJECTS = {"type": "array", "items": {"type": "object"}}
_MESSAGES = _OBJECTS | {"description": "of roles, with content: passed on as they are; the provider checks them"}
_MODEL = {"type": "string", "minLength": 1, "maxLength": 256, "description": "an intent of the configuration"}
_STREAM = {"type": ["boolean", "null"]}
_TEXT, _TOKENS = {"type": "string"}, {"type": "array", "items": {"type": "integer"}}
_INPUTS = [_TEXT, _TOKENS, {"type": "array", "items": _TEXT}, {"type": "array", "items": _TOKENS}]
_EVENT = {"type": "object", "required": ["data"], "properties": {"data": {"type": "string"}}}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message"],  # the provider's own complaint is passed on as it is
            "properties": {"message": {"type": "string"}},
        },
        "whyledger_call": {"type": "string"},
    },
}
ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": "error", "content": {"application/json": {"schema": _ERROR}}} for status in (401, 404, 503)
}
_WAITS = {
    "description": "a person must approve it first, and the caller preferred not to be told by an error",
    "content": {"application/json": {"schema": {
        "type": "object", "required": ["id", "status_url"],
        "properties": {"id": {"type": "string"}, "status_url": {"type": "string"}},
    }}},
}  # fmt: skip
STATUSES = sorted({*STATUS.values(), *IN_FORMAT.values(), *PASSED_ON} - {METHOD_NOT_ALLOWED})


Security = dict[str, list[str]]
BEARER: Security = {"gateway_key": []}
KEY: Security = {"x-api-key": []}
GOOGLE: Security = {"x-goog-api-key": []}
_SCHEMES = {"gateway_key": {"type": "http", "scheme": "bearer"}} | {
    name: {"type": "apiKey", "in": "header", "name": name} for name in ("x-api-key", "x-goog-api-key")
}


class Hot(NamedTuple):
    """A hot route."""

    path: str
    summary: str
    required: tuple[str, ...]
    members: dict[str, Any]
    answer: dict[str, Any]
    """A member that each answer has, with its schema."""
    streams: bool = False
    keys: tuple[Security, ...] = (BEARER,)


_CHAT = {"model": _MODEL, "messages": _MESSAGES, "stream": _STREAM}
_CLAUDE = _CHAT | {"max_tokens": {"type": ["integer", "null"], "minimum": 1, "maximum": 10_000_000}}
_GEMINI = {"contents": _OBJECTS | {"description": "what was said: passed on as it is"}}
_LIST: dict[str, Any] = {"type": "array"}
ROUTES = (
    Hot("/v1/chat/completions", "Chat completions", ("model", "messages"), _CHAT, {"choices": _LIST}, True),
    Hot(
        "/v1/responses", "OpenAI Responses", ("model",),
        {"model": _MODEL, "input": {"anyOf": [_TEXT, _OBJECTS, {"type": "null"}]}, "stream": _STREAM},
        {"output": _LIST}, True,
    ),
    Hot(
        "/v1/completions", "Completions of a text", ("model",),
        {"model": _MODEL, "prompt": {"anyOf": [*_INPUTS, {"type": "null"}]}, "stream": _STREAM},
        {"choices": _LIST}, True,
    ),
    Hot(
        "/v1/embeddings", "Embeddings", ("model", "input"), {"model": _MODEL, "input": {"anyOf": _INPUTS}},
        {"data": _LIST},
    ),
    Hot(
        "/v1/messages", "Anthropic messages", ("model", "messages"), _CLAUDE, {"content": _LIST}, True, (BEARER, KEY)
    ),
    Hot(
        "/v1/messages/count_tokens", "Count the tokens of Anthropic messages", ("model", "messages"),
        {"model": _MODEL, "messages": _MESSAGES}, {"input_tokens": {"type": "integer"}}, keys=(BEARER, KEY),
    ),
    *(
        Hot(f"/v1beta/models/{{model}}:{action}", f"Gemini {action}, also under /v1", required, members, {answer: of},
            action == STREAM, (BEARER, GOOGLE))
        for action, required, members, answer, of in (
            ("generateContent", ("contents",), _GEMINI, "candidates", _LIST),
            (STREAM, ("contents",), _GEMINI, "candidates", _LIST),
            ("countTokens", (), {}, "totalTokens", {"type": "integer"}),
            ("embedContent", (), {}, "embedding", {"type": "object"}),
            ("batchEmbedContents", (), {}, "embeddings", _LIST),
        )
    ),
)  # fmt: skip


def document_hot_routes(app: FastAPI) -> None:
    """Add the hot routes to what `app.openapi()` returns."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        schema = plain()
        for route in ROUTES:
            schema["paths"][route.path] = {"post": _operation(route)}
        components = schema.setdefault("components", {})
        components.setdefault("securitySchemes", {}).update(_SCHEMES)
        components.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
        return schema

    app.openapi = openapi  # type: ignore[method-assign]


def _operation(route: Hot) -> dict[str, Any]:
    asked = {"type": "object", "required": [*route.required], "properties": route.members, "additionalProperties": True}
    given = {"type": "object", "required": [*route.answer], "properties": route.answer}
    errors = {str(status): {"description": "error", "content": _json(_ERROR)} for status in STATUSES}
    only_streams = STREAM in route.path
    content = {} if only_streams else _json(given)
    if route.streams:
        content["text/event-stream"] = {"itemSchema": _EVENT}
    return {
        "summary": f"{route.summary}, in the wire format of its API",
        "operationId": route.path.strip("/").translate(str.maketrans("/:", "__", "{}")),
        "security": [*route.keys],
        "parameters": [*_parameters(route.path)],
        "requestBody": {"required": True, "content": _json(asked)},
        "responses": {"200": {"description": "the answer", "content": content}, "202": _WAITS} | errors,
    }


def _parameters(path: str) -> Iterator[dict[str, Any]]:
    if "{model}" in path:
        yield {"name": "model", "in": "path", "required": True, "schema": _MODEL}
    if STREAM in path:
        yield {"name": "alt", "in": "query", "required": True, "schema": {"enum": ["sse"]}}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
