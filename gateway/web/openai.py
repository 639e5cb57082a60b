"""What of the OpenAI API is served beside the hot route: the models, and for everything else an answer in its form that
says what to do.
"""

import re
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response

from gateway.dialects.openai_chat import CHAT
from gateway.errors import GatewayError, Refused
from gateway.pipeline.ports import Ports
from gateway.web.api import Token
from gateway.web.documents import Model, Models
from gateway.web.openapi import ERROR_RESPONSES
from gateway.web.problems import error_body, status_of
from ledger.ids import new_id

CHAT_PATH = "/v1/chat/completions"
ALL = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"]
BARE = ("chat/completions", "completions", "responses", "embeddings", "messages", "models")
"""Paths that clients ask for when their base URL lacks `/v1`."""
_NOT_SERVED = {
    "responses": "ask for chat completions: OpenAIChatCompletionsModel (openai-agents), `openai-chat:` (pydantic-ai), "
    "`.chat(...)` (AI SDK), `use_responses_api=False` (LangChain)",
    "completions": "ask for chat completions: `is_chat_model=True` (LlamaIndex OpenAILike)",
    "embeddings": "send embeddings to their provider for now",
    "messages": "use a client of the OpenAI chat format for now",
}


def router(ports: Callable[[], Ports]) -> APIRouter:
    """Return the routes."""
    routes = APIRouter()

    @routes.get(
        "/v1/models", summary="The intents this key may ask for, in the OpenAI list format", response_model=Models,
        responses=ERROR_RESPONSES,
    )  # fmt: skip
    async def models(token: Token) -> Any:
        try:
            return {"object": "list", "data": await _models(ports(), token)}
        except GatewayError as error:
            return _refused(error, ports())

    @routes.get("/v1/models/{name:path}", summary="One of them", response_model=Model, responses=ERROR_RESPONSES)
    async def model(name: str, token: Token) -> Any:
        try:
            found = next((one for one in await _models(ports(), token) if one["id"] == name), None)
            if found is None:
                raise GatewayError(
                    "route_unknown", f"{name[:100]} is not defined in the configuration; GET /v1/models lists them"
                )
            return found
        except GatewayError as error:
            return _refused(error, ports())

    @routes.api_route("/v1/{rest:path}", methods=ALL, include_in_schema=False)
    async def elsewhere(request: Request) -> Response:
        path = request.url.path
        if f"{path}/".startswith("/v1/models/"):
            return _refused(GatewayError("method_not_allowed", "send a GET"), ports(), allow="GET")
        return _refused(GatewayError("path_unknown", advice(path)), ports())

    for path in BARE:
        routes.add_api_route(f"/{path}", elsewhere, methods=ALL, include_in_schema=False)
    return routes


async def _models(ports: Ports, token: str | None) -> list[dict[str, Any]]:
    principal = await ports.keys.principal_of(token)
    if principal.status != "active":
        raise Refused("key_revoked", "this key was revoked; ask an engineer for a new one", stage=2)
    routes = ports.rules.now.configuration.routes
    return [{"id": one.intent, "object": "model", "created": 0, "owned_by": "whyledger"} for one in routes]


def advice(path: str) -> str:
    """Say what to do about a path that is not served."""
    plain = re.sub("/+", "/", path).rstrip("/")
    if plain == CHAT_PATH:
        return f"the path is {CHAT_PATH}, without a double slash or one at its end: base_url must end in /v1"
    if plain.startswith("/v1/v1"):
        return "base_url has /v1 twice; it must end in /v1 once"
    if plain.removeprefix("/") in BARE:
        return f"base_url must end in /v1: the path is /v1{plain}"
    name = plain.removeprefix("/v1/").partition("/")[0]
    if name in _NOT_SERVED:
        return f"WhyLedger does not serve /v1/{name} yet; {_NOT_SERVED[name]}"
    return f"WhyLedger serves POST {CHAT_PATH} and GET /v1/models, not {plain[:100]}"


def _refused(error: GatewayError, ports: Ports, **more: str) -> Response:
    status = status_of(error)
    call = new_id("call", ports.clock())
    headers = {"x-request-id": call, "x-should-retry": "false"} | more
    return Response(error_body(error, CHAT, call), status, headers, media_type="application/json")
