"""The hot routes in the OpenAPI document: they are not FastAPI's, and must be listed (and fuzzed) all the same."""

from typing import Any

from fastapi import FastAPI

from gateway.pipeline.attempt import PASSED_ON
from gateway.web.documents import Problem
from gateway.web.problems import METHOD_NOT_ALLOWED, STATUS

_MESSAGE = {"type": "object", "description": "of a role, with content: passed on as it is; the provider checks it"}
_EVENT = {"type": "object", "required": ["data"], "properties": {"data": {"type": "string"}}}
_REQUEST = {
    "type": "object",
    "required": ["model", "messages"],
    "properties": {
        "model": {"type": "string", "minLength": 1, "maxLength": 256, "description": "an intent of the configuration"},
        "messages": {"type": "array", "items": _MESSAGE},
        "stream": {"type": ["boolean", "null"]},
    },
    "additionalProperties": True,
}
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
_COMPLETION = {"type": "object", "required": ["choices"], "properties": {"choices": {"type": "array"}}}
ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": "error", "content": {"application/json": {"schema": _ERROR}}} for status in (401, 404, 503)
}
STATUSES = sorted({*STATUS.values(), *PASSED_ON} - {METHOD_NOT_ALLOWED})


def document_hot_routes(app: FastAPI) -> None:
    """Add the hot routes to what `app.openapi()` returns."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        schema = plain()
        schema["paths"]["/v1/chat/completions"] = {"post": _operation()}
        components = schema.setdefault("components", {})
        components.setdefault("securitySchemes", {})["gateway_key"] = {"type": "http", "scheme": "bearer"}
        components.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
        return schema

    app.openapi = openapi  # type: ignore[method-assign]


def _operation() -> dict[str, Any]:
    errors = {str(status): {"description": "error", "content": _json(_ERROR)} for status in STATUSES}
    answer = {"description": "a chat completion, or a stream of its chunks", "content": _json(_COMPLETION)}
    answer["content"]["text/event-stream"] = {"itemSchema": _EVENT}  # type: ignore[index]
    return {
        "summary": "Chat completions, in the OpenAI wire format",
        "operationId": "chat_completions",
        "security": [{"gateway_key": []}],
        "requestBody": {"required": True, "content": _json(_REQUEST)},
        "responses": {"200": answer} | errors,
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
