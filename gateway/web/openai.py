"""What is served beside the hot route of the APIs that clients speak: the models, and for everything else an answer in
the client's form that says what to do.
"""

import re
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from gateway.errors import GatewayError, Refused
from gateway.pipeline.ports import Ports
from gateway.web.api import Token
from gateway.web.callers import key_shown
from gateway.web.documents import AnthropicModel, AnthropicModels, GeminiModel, GeminiModels, Model, Models
from gateway.web.models import speaker_of
from gateway.web.openapi import ERROR_RESPONSES
from gateway.web.places import ACTIONS, EXACT
from gateway.web.problems import error_body, status_of
from ledger.ids import new_id

ALL = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"]
BARE = (*(path.removeprefix("/v1/") for path in EXACT), "models")
"""Paths that clients ask for when their base URL lacks `/v1`."""
SERVED = f"POST {', '.join(EXACT)}, POST /v1beta/models/M:generateContent and the like, and GET /v1/models"
_NOT_SERVED = {
    "responses": "keeps no answers that could be fetched, cancelled or compacted: create each by POST /v1/responses",
    "messages": "takes no batches: send each message by POST /v1/messages",
    "interactions": "does not serve interactions: use generateContent (`client.models.generate_content`)",
    "conversations": "keeps no conversations: send what was said with each request",
}


def router(ports: Callable[[], Ports]) -> APIRouter:
    """Return the routes."""
    routes = APIRouter()
    _add_models(routes, ports)

    async def elsewhere(request: Request) -> Response:
        path = request.url.path
        if f"{path}/".startswith(("/v1/models/", "/v1beta/models/")) and ":" not in path:
            return _refused(GatewayError("method_not_allowed", "send a GET"), request, ports(), allow="GET")
        return _refused(GatewayError("path_unknown", advice(path)), request, ports())

    for path in ("/v1/{rest:path}", "/v1beta/{rest:path}", "/models/{rest:path}", *(f"/{one}" for one in BARE)):
        routes.add_api_route(path, elsewhere, methods=ALL, include_in_schema=False)

    @routes.api_route("/api/hello", methods=["GET", "HEAD"], include_in_schema=False)
    async def hello() -> Response:
        """Claude Code (2.1.332) asks whether its base URL answers."""
        return Response()

    return routes


def _add_models(routes: APIRouter, ports: Callable[[], Ports]) -> None:
    async def models(request: Request, token: Token) -> Any:
        try:
            return JSONResponse(speaker_of(request).every(await _intents(request, ports(), token)))
        except GatewayError as error:
            return _refused(error, request, ports())

    async def model(name: str, request: Request, token: Token) -> Any:
        try:
            if name not in await _intents(request, ports(), token):
                known = "is not defined in the configuration; GET /v1/models lists them"
                raise GatewayError("route_unknown", f"{name[:100]} {known}")
            return JSONResponse(speaker_of(request).one(name))
        except GatewayError as error:
            return _refused(error, request, ports())

    for base, every, one in (
        ("/v1", Models | AnthropicModels | GeminiModels, Model | AnthropicModel | GeminiModel),
        ("/v1beta", GeminiModels, GeminiModel),
    ):
        whose = "as Gemini's API lists them" if base == "/v1beta" else "as the client's API lists them"
        routes.add_api_route(
            f"{base}/models", models, summary=f"The intents this key may ask for, {whose}",
            response_model=every, responses=ERROR_RESPONSES,
        )  # fmt: skip
        routes.add_api_route(
            f"{base}/models/{{name:path}}", model, summary="One of them", response_model=one, responses=ERROR_RESPONSES
        )


async def _intents(request: Request, ports: Ports, token: str | None) -> list[str]:
    principal = await ports.keys.principal_of(key_shown(request.headers) or token)
    if principal.status != "active":
        raise Refused("key_revoked", "this key was revoked; ask an engineer for a new one", stage=2)
    return [one.intent for one in ports.rules.now.configuration.routes]


def advice(path: str) -> str:
    """Say what to do about a path that is not served."""
    plain = re.sub("/+", "/", path).rstrip("/")
    if plain in EXACT:
        return f"the path is {plain}, without a double slash or one at its end"
    if twice := re.match(r"/v1(?:beta)?/(v1(?:beta)?)/", f"{plain}/"):
        return _of_version_twice(plain, twice[1])
    if plain.removeprefix("/") in BARE:
        return f"base_url must end in /v1: the path is /v1{plain}"
    if plain.startswith("/models/"):
        return f"base_url must end in /v1beta: the path is /v1beta{plain[:100]}"
    if ":" in plain:
        return f"WhyLedger serves {', '.join(ACTIONS)} of a model, not {plain.rpartition(':')[2][:100]}"
    name = re.sub("^/v1(?:beta)?/", "", plain).partition("/")[0]
    if name in _NOT_SERVED:
        return f"WhyLedger {_NOT_SERVED[name]}"
    return f"WhyLedger serves {SERVED}, not {plain[:100]}"


def _of_version_twice(plain: str, version: str) -> str:
    """These clients write the version themselves, and OpenAI's do not."""
    if "/messages" in plain or "/models/" in plain or version == "v1beta":
        return f"the client adds /{version} itself: base_url must end without it"
    return "base_url has /v1 twice; it must end in /v1 once"


def _refused(error: GatewayError, request: Request, ports: Ports, **more: str) -> Response:
    dialect = speaker_of(request).dialect
    status = status_of(error, dialect)
    call = new_id("call", ports.clock())
    headers = {dialect.id_header.decode(): call, "x-should-retry": "false"} | more
    return Response(error_body(error, dialect, call), status, headers, media_type="application/json")
