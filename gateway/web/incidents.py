"""Incidents and holds: lists, one incident with its timeline, and what people do about it."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel

from gateway.console.incidents import Incident, incident, listed
from gateway.console.session import Session
from gateway.oversight.holds import ROLES, lift
from gateway.oversight.people import ActRefused
from gateway.oversight.registers import record
from gateway.store.installation import Installation
from gateway.web.api import Running, Token, problem, scope_for
from gateway.web.documents import problems
from gateway.web.pages import form_of, shown, signed_in
from reports.registers import registers

Name = Annotated[str, Path(max_length=64)]


class ListedIncident(BaseModel):
    """An incident: `held` while a hold keeps what belongs to it from being swept or erased."""

    incident: str
    workflow: str | None
    day: str
    state: Literal["open", "closed"]
    severity: str | None
    held: bool


class Incidents(BaseModel):
    incidents: list[ListedIncident]


class Happened(BaseModel):
    """One entry of an incident: who, a person or a rule, did what."""

    at: str
    who: str
    what: str
    words: str
    entry: int


class OpenIncident(BaseModel):
    """One incident. `report_by` is the last day for a report to the authority, if the duty applies at all."""

    incident: str
    workflow: str | None
    state: Literal["open", "closed"]
    severity: str | None
    stated: dict[str, str]
    report_by: str | None
    report_why: str
    timeline: list[Happened]
    calls: list[str]
    holds: list[str]


def router(running: Running) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(responses=problems(500))

    @routes.get(
        "/api/v1/incidents", summary="Incidents, newest first", response_model=Incidents,
        responses=problems(401, 422, 503),
    )  # fmt: skip
    def get_incidents(
        request: Request, token: Token, open_only: bool = False, limit: Annotated[int, Query(ge=1, le=500)] = 50
    ) -> Any:
        scope = scope_for(running(), token, "/api/v1/incidents", request.url.query)
        return {"incidents": listed(running(), scope, open_only=open_only, limit=limit)}

    @routes.get(
        "/api/v1/incidents/{name}", summary="One incident with its timeline", response_model=OpenIncident,
        responses=problems(401, 404, 422, 503),
    )  # fmt: skip
    def get_incident(name: Name, token: Token) -> Any:
        found = incident(running(), name, scope_for(running(), token, "/api/v1/incidents/{name}", name))
        return _opened(found) if found else problem(404, "nothing found", f"there is no incident {name} here")

    _add_pages(routes, running)
    return routes


def _opened(one: Incident) -> dict[str, Any]:
    timeline = [
        {"at": each.at, "who": each.who, "what": each.what, "words": each.words, "entry": each.entry}
        for each in one.timeline
    ]
    return {
        "incident": one.id, "workflow": one.workflow, "state": "open" if one.is_open else "closed",
        "severity": one.severity or None, "stated": dict(one.stated), "report_by": one.report_by,
        "report_why": one.report_why, "timeline": timeline, "calls": list(one.calls), "holds": list(one.held),
    }  # fmt: skip


def _add_pages(routes: APIRouter, running: Running) -> None:
    In = Annotated[Session, Depends(signed_in(running))]  # noqa: N806 - a type

    @routes.get("/incidents", include_in_schema=False)
    async def incidents(session: In) -> Response:
        found = await asyncio.to_thread(listed, running(), session.scope)
        still = [one for one in found if one["state"] == "open"]
        closed = [one for one in found if one["state"] == "closed"]
        return shown("incidents", session, "/incidents", open=still, closed=closed)

    @routes.get("/incidents/{name}", include_in_schema=False)
    async def page(name: Name, session: In) -> Response:
        return await asyncio.to_thread(_page, running(), session, name)

    @routes.post("/incidents/{name}", include_in_schema=False)
    async def take(name: Name, request: Request, session: In) -> Response:
        form = dict(await form_of(request, session))
        try:
            await asyncio.to_thread(_act, running(), session, name, form)
        except ActRefused as error:
            return await asyncio.to_thread(_page, running(), session, name, str(error), 400)
        return RedirectResponse(f"/incidents/{name}", status_code=303)


def _act(installation: Installation, session: Session, name: str, form: dict[str, str]) -> None:
    found = incident(installation, name, session.scope)
    if found is None:
        raise ActRefused(f"there is no incident {name[:64]} here")
    words = form.get("words", "")
    if form.get("act") == "lift":
        if form.get("hold") not in found.held:
            raise ActRefused("this hold is not in force for it")
        lift(installation, session.actor, form["hold"], words)
        return
    if not words.strip():
        raise ActRefused("say what is known, or was done")
    fields = {one: form[one] for one in registers()["incident"]["fields"] if form.get(one) and one != "state"}
    fields["state"] = "closed" if form.get("act") == "close" else "updated"
    record(installation, session.actor, "incident", found.workflow, fields, words=words, incident=name)


def _page(installation: Installation, session: Session, name: str, said: str = "", status: int = 200) -> Response:
    found = incident(installation, name, session.scope)
    if found is None:
        text = f"There is no incident {name[:64]} here."
        return shown("message", session, "/incidents", title="Nothing found", text=text, login=False, status=404)
    register, held = registers()["incident"], set(session.roles)
    fields = [(one, kind) for one, kind in register["fields"].items() if one != "state"]
    may = {"may_lift": bool(held & set(ROLES)), "may_go_on": bool(held & set(register["roles"]))}
    return shown("incident", session, "/incidents", status=status, one=found, fields=fields, problem=said, may=may)
