"""The own API under /api/v1, with RFC 9457 problems. Persons come with their token; a gateway key may only ask why
about its own workflow."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.routing import Match

from gateway.errors import Refused
from gateway.minimisation.proof import prove
from gateway.oversight import acts
from gateway.oversight.citations import REFERENCES, cite, is_citation
from gateway.oversight.looking import record_look, within
from gateway.oversight.people import Actor, ActRefused, by_token, roles_of, scope_of
from gateway.pipeline.ports import Ports
from gateway.store.evidence import LiveEvidence
from gateway.store.installation import Installation
from gateway.web.documents import PROBLEM, CitedEntries, Overridden, Problem, Ready, Stopped, Why, problems
from ledger.continuity import halted
from ledger.errors import LedgerUnavailable, LogHalted
from ledger.unit import HALT
from reports.why.answer import NothingFound, WhyAnswer, why
from reports.why.cited import Cited

COOKIE = "whyledger_token"
MAX_PLACES = 10

Running = Callable[[], Installation]
Id = Annotated[str, Field(pattern="^[^\\x00]*$")]
"""What is looked up as it stands: PostgreSQL takes no NUL in a text."""


class OverrideRequest(BaseModel):
    """A person's decision about what a call did. Texts are sealed, not part of the entry."""

    model_config = ConfigDict(extra="forbid", strict=True)

    call: Id = Field(max_length=64)
    action: Literal["approve", "modify", "disregard", "reverse", "interrupt"]
    reason_code: str | None = Field(default=None, max_length=8)
    reason: str = Field(default="", max_length=10_000)
    presented: str = Field(min_length=1, max_length=100_000)
    before: str | None = Field(default=None, max_length=100_000)
    after: str | None = Field(default=None, max_length=100_000)


class StopRequest(BaseModel):
    """What to stop, exactly one of four, and why."""

    model_config = ConfigDict(extra="forbid", strict=True)

    everything: bool = False
    key: Id | None = Field(default=None, max_length=200)
    task: str | None = Field(default=None, max_length=256)
    workflow: Id | None = Field(default=None, max_length=100)
    reason: str = Field(min_length=1, max_length=10_000)


def problem(status: int, title: str, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    body = Problem(title=title, status=status, detail=detail).model_dump()
    return JSONResponse(body, status_code=status, media_type=PROBLEM, headers=headers)


def install_problems(app: FastAPI) -> None:
    """Give FastAPI's own errors the same form."""

    @app.exception_handler(StarletteHTTPException)
    async def http_error(request: Request, error: StarletteHTTPException) -> JSONResponse:
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["allow"] = ", ".join(_methods_of(request))
        return problem(error.status_code, "refused", str(error.detail), headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        shown = [f"{'.'.join(map(str, one['loc']))[:200]}: {one['msg'][:500]}" for one in error.errors()[:MAX_PLACES]]
        return problem(422, "invalid request", "; ".join(shown))

    @app.exception_handler(LedgerUnavailable)
    @app.exception_handler(LogHalted)
    async def unavailable(_request: Request, error: Exception) -> JSONResponse:
        return problem(503, "ledger_unavailable", f"nothing was recorded: {error}")

    @app.exception_handler(Exception)
    async def internal(_request: Request, _error: Exception) -> JSONResponse:
        return problem(500, "internal_error", "an internal error of the gateway; its log says more")


def _methods_of(request: Request) -> list[str]:
    """Return the methods of a path: the framework names those of the first of its routes alone."""
    nested = [getattr(getattr(one, "original_router", None), "routes", (one,)) for one in request.app.routes]
    found = [one for routes in nested for one in routes if one.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in found for method in getattr(route, "methods", None) or ()})


_BEARER = HTTPBearer(auto_error=False, scheme_name="token", description="a person's token, or a gateway key")
_COOKIE = APIKeyCookie(name=COOKIE, auto_error=False, scheme_name="cookie", description="set by the login page")


def token_of(
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
    cookie: Annotated[str | None, Depends(_COOKIE)],
) -> str | None:
    """Return the token of a request: the bearer token, or the cookie that the login page set."""
    return (bearer.credentials.strip() if bearer else "") or cookie


Token = Annotated[str | None, Depends(token_of)]
Page = Annotated[int, Query(ge=1, le=1_000_000)]


def require_person(installation: Installation, token: str | None) -> Actor:
    """Return the person whose token this is.

    Raises:
        HTTPException: 401.
    """
    actor = by_token(installation, token)
    if actor is None or not roles_of(installation, actor):
        raise HTTPException(401, "send a person's token as `Authorization: Bearer ...` (whyledger person add)")
    return actor


def scope_for(installation: Installation, token: str | None, page: str, asked: str) -> frozenset[str] | None:
    """Return the workflows that whoever asks may look at, nothing for all; an auditor's look is on record first.

    Raises:
        HTTPException: 401.
    """
    actor = require_person(installation, token)
    record_look(installation, actor, page, asked)
    return scope_of(installation, actor)


def explain(installation: Installation, ref: str, scope: Collection[str] | None = None, *, page: int = 1) -> WhyAnswer:
    """Answer why about a reference, restricted to a scope of workflows if one is given.

    Raises:
        NothingFound: nothing is linked to it, or it has fewer pages.
    """
    evidence = LiveEvidence(installation, acts.time_zone(installation))
    kind, found = evidence.resolve(ref)
    if scope is not None:
        calls = {entry.call for entry in found if entry.call and within(entry.workflow, scope)}
        found = [entry for entry in found if within(entry.workflow, scope) or entry.call in calls]
    return why(ref, kind, found, evidence, page=page)


def look_up(
    installation: Installation, ref: str, scope: Collection[str] | None = None, *, page: int = 1
) -> WhyAnswer | Cited:
    """Answer why about a reference, or open the entries that it names.

    Raises:
        NothingFound: as `explain`.
    """
    if is_citation(ref):
        return cite(installation, ref, scope)
    try:
        return explain(installation, ref, scope, page=page)
    except NothingFound as error:
        if str(error):
            raise
        return cite(installation, ref, scope)


def router(running: Running, ports: Callable[[], Ports], may_open: Callable[[], bool]) -> APIRouter:
    """Return the routes; `running` and `ports` give what the started application has opened, `may_open` if it may."""
    routes = APIRouter(responses=problems(500))

    explained = problems(401, 404, 422)
    explained[200] = {"model": Why | CitedEntries}
    acted = problems(400, 401, 403, 413, 422, 503)

    @routes.get("/api/v1/why/{ref:path}", summary="What did it do, why, and who approved it", responses=explained)
    def get_why(ref: Annotated[str, Path(max_length=300)], token: Token, page: Page = 1) -> Any:
        """`ref` is a call id, a provider's response id, a task, or a subject; more than ten calls are told by five.
        A citation (`entry:42`) and the id of a key, configuration, pack or workflow open the entries themselves."""
        return _why(running(), ref, page, token)

    @routes.get("/api/v1/why", summary="The same, with the reference as a query", responses=explained)
    def find_why(q: Annotated[str, Query(min_length=1, max_length=300)], token: Token, page: Page = 1) -> Any:
        return _why(running(), q, page, token)

    @routes.post(
        "/api/v1/overrides",
        status_code=201,
        summary="Record what a person decided about a call",
        response_model=Overridden,
        responses=acted,
    )
    def post_override(said: OverrideRequest, token: Token) -> Any:
        installation = running()
        actor = require_person(installation, token)
        try:
            entry = acts.override(installation, actor, **said.model_dump())
        except ActRefused as error:
            return problem(403 if "needs the role" in str(error) else 400, "override refused", str(error))
        return {"override": entry, "why": f"/why/{said.call}"}

    @routes.post(
        "/api/v1/stops",
        status_code=201,
        summary="Stop a key, a task, a workflow or everything",
        response_model=Stopped,
        responses=acted,
    )
    def post_stop(said: StopRequest, token: Token) -> Any:
        return _stop(running(), said, token, acts.stop)

    @routes.post("/api/v1/stops/release", summary="Lift a stop", response_model=Stopped, responses=acted)
    def release_stop(said: StopRequest, token: Token) -> Any:
        return _stop(running(), said, token, acts.release_stop)

    _add_operational(routes, running, ports, may_open)
    return routes


def _add_operational(
    routes: APIRouter, running: Running, ports: Callable[[], Ports], may_open: Callable[[], bool]
) -> None:
    @routes.get("/readyz", summary="Ready to take calls", response_model=Ready, responses=problems(503))
    async def ready() -> Any:
        try:
            await ports().rules.refresh()
            generation = ports().rules.now.generation
        except Refused as refusal:
            return problem(503, refusal.code, refusal.message)
        if halt := await asyncio.to_thread(running().reader.state, HALT):
            return problem(503, "ledger_halted", str(halted(halt)))
        try:
            proved = await asyncio.to_thread(prove, ports().minimiser)
        except Refused as refusal:
            return problem(503, refusal.code, refusal.message)
        if not may_open():
            return problem(503, "lease_lost", "this process lost its lease on the ledger and ends")
        return {"ready": True, "generation": generation, "minimisation": proved}


def _why(installation: Installation, ref: str, page: int, token: str | None) -> Any:
    workflow = _own_workflow(installation, token)
    scope = None if workflow is None else frozenset({workflow})
    if scope is None:
        scope = scope_for(installation, token, "/api/v1/why", ref)
    try:
        answer = look_up(installation, ref, scope, page=page)
    except NothingFound as error:
        whose = f" of workflow {', '.join(sorted(scope))}" if scope else ""
        detail = f"no entry{whose} is linked to {ref}: give {REFERENCES}"
        return problem(404, "nothing found", str(error) or detail)
    return Response(orjson.dumps(answer.as_json()), media_type="application/json")


def _own_workflow(installation: Installation, token: str | None) -> str | None:
    """Return the workflow of an active gateway key, or None when the token is not one."""
    owner = installation.vault.owner_of(token) if token else None
    row = installation.reader.state(f"key:{owner}") if owner else None
    return row["workflow"] if row and row["status"] == "active" else None


def _stop(installation: Installation, said: StopRequest, token: str | None, act: Callable[..., None]) -> Any:
    actor = require_person(installation, token)
    try:
        scope = acts.stop_scope(
            installation, everything=said.everything, key=said.key, task=said.task, workflow=said.workflow
        )
        act(installation, actor, scope, said.reason)
    except ActRefused as error:
        return problem(403 if "needs the role" in str(error) else 400, "stop refused", str(error))
    return {"scope": scope[0]}
