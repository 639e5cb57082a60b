"""The hot routes in the OpenAPI document: they are not FastAPI's, and must be listed (and fuzzed) all the same."""

from typing import Any

from fastapi import FastAPI

_MESSAGE = {"type": "object", "properties": {"role": {"type": "string"}, "content": {}}, "required": ["role"]}
_REQUEST = {
    "type": "object",
    "required": ["model", "messages"],
    "properties": {
        "model": {"type": "string", "minLength": 1, "maxLength": 256, "description": "an intent of the configuration"},
        "messages": {"type": "array", "items": _MESSAGE},
        "stream": {"type": "boolean"},
    },
    "additionalProperties": True,
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "code"],
            "properties": {"message": {"type": "string"}, "type": {"type": "string"}, "code": {"type": "string"}},
        },
        "whyledger_call": {"type": "string"},
    },
}
STATUSES = (400, 401, 402, 403, 404, 413, 422, 500, 502, 503, 504)


def document_hot_routes(app: FastAPI) -> None:
    """Add the hot routes to what `app.openapi()` returns."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        schema = plain()
        schema["paths"]["/v1/chat/completions"] = {"post": _operation()}
        schema.setdefault("components", {}).setdefault("securitySchemes", {})["gateway_key"] = {
            "type": "http", "scheme": "bearer"
        }  # fmt: skip
        return schema

    app.openapi = openapi  # type: ignore[method-assign]


def _operation() -> dict[str, Any]:
    errors = {str(status): {"description": "error", "content": _json(_ERROR)} for status in STATUSES}
    answer = {"description": "a chat completion, or a stream of its chunks", "content": _json({"type": "object"})}
    answer["content"]["text/event-stream"] = {"schema": {"type": "string"}}  # type: ignore[index]
    return {
        "summary": "Chat completions, in the OpenAI wire format",
        "operationId": "chat_completions",
        "security": [{"gateway_key": []}],
        "requestBody": {"required": True, "content": _json(_REQUEST)},
        "responses": {"200": answer} | errors,
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
