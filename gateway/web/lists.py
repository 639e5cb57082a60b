"""Lists under /api/v1, newest first: calls, keys, people, releases, stops. `next` is the cursor of the rest."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from gateway.console.listing import FIELDS, list_calls, said_of
from gateway.console.lists import Row, list_keys, list_people, list_releases, list_stops, page_of
from gateway.web.api import Running, Token, problem, scope_for
from gateway.web.documents import problems

MOST = 500
Limit = Annotated[int, Query(ge=1, le=MOST, description="rows at most")]
Before = Annotated[int | None, Query(ge=1, le=2**53, description="`next` of the page before")]
Name = Annotated[str, Query(max_length=256)]
Role = Literal["", "viewer", "engineer", "finance", "compliance", "approver", "auditor", "admin"]


class ListedCall(BaseModel):
    """A call that has ended. `code` says why it was refused; `said` is how it ended, in words."""

    call: str
    entry: int
    ended_at: str
    workflow: str
    environment: str
    route: str
    result: str
    code: str
    said: str
    exception: str
    key: str
    prompt: str
    model: str
    provider: str
    cost_nano_eur: int | None
    cost_state: str


class Calls(BaseModel):
    """Calls, newest first. A page looks back through 20,000 entries at most, so it may be short and have a `next`."""

    calls: list[ListedCall]
    next: int | None


class ListedKey(BaseModel):
    """A gateway key; the secret is kept nowhere."""

    entry: int
    key: str
    environment: str
    workflow: str
    status: Literal["active", "revoked"]
    max_daily_nano_eur: int | None
    issued_at: str | None
    issued_by: str | None
    revoked_at: str | None
    revoked_by: str | None


class Keys(BaseModel):
    keys: list[ListedKey]
    next: int | None


class ListedPerson(BaseModel):
    """A person and the roles that they hold now."""

    entry: int
    person: str
    name: str
    roles: list[str]
    since: str
    token: Literal["valid", "revoked"]
    auditor_until: str | None
    auditor_workflows: list[str]


class People(BaseModel):
    people: list[ListedPerson]
    next: int | None


class ListedRelease(BaseModel):
    """How a workflow stands: `stale` is changed since it was released."""

    entry: int
    workflow: str
    state: Literal["released", "stale", "none"]
    released_at: str | None
    released_by: str | None


class Releases(BaseModel):
    releases: list[ListedRelease]
    next: int | None


class ListedStop(BaseModel):
    """A stop in force."""

    entry: int
    scope: str
    workflow: str | None
    task: str | None
    stopped_at: str
    stopped_by: str | None
    reason: str | None


class Stops(BaseModel):
    stops: list[ListedStop]
    next: int | None


def router(running: Running) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(responses=problems(500))
    read = problems(401, 422, 503)

    @routes.get(
        "/api/v1/calls", summary="Calls that have ended, by what they were", response_model=Calls,
        responses=read | problems(400),
    )  # fmt: skip
    def get_calls(
        request: Request, token: Token, limit: Limit = 50, before: Before = None, workflow: Name = "",
        route: Name = "", environment: Name = "", model: Name = "", key: Name = "", prompt: Name = "",
        task: Name = "", code: Name = "", result: Name = "", only: Literal["", "errors", "exceptions"] = "",
        start: Annotated[str, Query(alias="from", max_length=40, description="day or instant")] = "",
        to: Annotated[str, Query(max_length=40, description="first day or instant after")] = "",
    ) -> Any:  # fmt: skip
        scope = scope_for(running(), token, "/api/v1/calls", request.url.query)
        given = (workflow, route, environment, model, key, prompt, task, code, result, only, start, to)
        try:
            found = list_calls(running(), dict(zip(FIELDS, given, strict=True)), scope, before, limit=limit)
        except ValueError as error:
            return problem(400, "not a day", str(error))
        return {"calls": [said_of(row) for row in found.rows], "next": found.before or None}

    @routes.get("/api/v1/keys", summary="Gateway keys, without their secrets", response_model=Keys, responses=read)
    def get_keys(
        request: Request, token: Token, limit: Limit = 50, before: Before = None, workflow: Name = "",
        environment: Name = "", status: Literal["", "active", "revoked"] = "",
    ) -> Any:  # fmt: skip
        scope = scope_for(running(), token, "/api/v1/keys", request.url.query)
        chosen = {"workflow": workflow, "environment": environment, "status": status}
        return _shown("keys", list_keys(running(), chosen, scope), limit, before)

    @routes.get(
        "/api/v1/people", summary="People and their roles", response_model=People, responses=read | problems(403)
    )
    def get_people(request: Request, token: Token, limit: Limit = 50, before: Before = None, role: Role = "") -> Any:
        if scope_for(running(), token, "/api/v1/people", request.url.query) is not None:
            return problem(403, "people refused", "an auditor of some workflows does not see the list of all people")
        return _shown("people", list_people(running(), {"role": role}), limit, before)

    _add_standing(routes, running)
    return routes


def _add_standing(routes: APIRouter, running: Running) -> None:
    read = problems(401, 422, 503)

    @routes.get("/api/v1/releases", summary="Who released which workflow", response_model=Releases, responses=read)
    def get_releases(
        request: Request, token: Token, limit: Limit = 50, before: Before = None, workflow: Name = "",
        state: Literal["", "released", "stale", "none"] = "",
    ) -> Any:  # fmt: skip
        scope = scope_for(running(), token, "/api/v1/releases", request.url.query)
        chosen = {"workflow": workflow, "state": state}
        return _shown("releases", list_releases(running(), chosen, scope), limit, before)

    @routes.get("/api/v1/stops", summary="Stops in force", response_model=Stops, responses=read)
    def get_stops(request: Request, token: Token, limit: Limit = 50, before: Before = None) -> Any:
        scope = scope_for(running(), token, "/api/v1/stops", request.url.query)
        return _shown("stops", list_stops(running(), scope), limit, before)


def _shown(name: str, rows: list[Row], limit: int, before: int | None) -> dict[str, Any]:
    page = page_of(rows, limit, before)
    return {name: page.rows, "next": page.before}
