"""What waits for a person: the list, one held call, the decision; its state also for the program that asked."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.console.approvals import STATES, Question, caller_view, figures, listed, plainly, question, rows_within
from gateway.console.session import Session
from gateway.oversight.acts import time_zone
from gateway.oversight.approving import decide
from gateway.oversight.people import ActRefused
from gateway.store.installation import Installation
from gateway.web.api import Running, Token, problem, require_person, scope_for
from gateway.web.callers import key_shown
from gateway.web.documents import problems
from gateway.web.pages import form_of, shown, signed_in

State = Literal["requested", "approved", "rejected", "used", "expired", "lapsed"]
Approval = Annotated[str, Path(max_length=64)]


class ListedApproval(BaseModel):
    """A held call: how it stands, who may decide until when, and who has approved."""

    approval: str
    state: State
    said: str
    workflow: str | None
    environment: str
    call: str
    asked_at: str
    until: str
    roles: list[str]
    people: int
    approved_by: list[str]
    used_by: str | None


class Approvals(BaseModel):
    approvals: list[ListedApproval]


class CallsOfTools(BaseModel):
    """A call of a tool exactly as it was asked for, and why it waits; empty for one that is only beside others."""

    name: str
    arguments: str
    because: str


class OpenApproval(BaseModel):
    """A held call. To a gateway key only the first five members are shown. `shown` goes back with the decision."""

    object: Literal["approval"] = "approval"
    id: str
    state: State
    until: str
    call: str
    workflow: str | None = None
    roles: list[str] | None = None
    requester: str | None = None
    reasons: list[str] | None = None
    calls: list[CallsOfTools] | None = None
    asked: list[tuple[str, str]] | None = None
    said: str | None = None
    shown: str | None = None


class Decision(BaseModel):
    """What a person decides about exactly what they were shown."""

    model_config = ConfigDict(extra="forbid", strict=True)

    decision: Literal["approve", "reject"]
    reason: str = Field(min_length=1, max_length=10_000)
    shown: str = Field(min_length=1, max_length=100)


class Decided(BaseModel):
    """How the approval stands now: `requested` while other people must approve as well."""

    id: str
    state: Literal["requested", "approved", "rejected"]


def router(running: Running) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(responses=problems(500))
    read = problems(401, 422, 503)

    @routes.get(
        "/api/v1/approvals", summary="What people were asked, newest first", response_model=Approvals, responses=read
    )
    def get_approvals(
        request: Request, token: Token, state: State | Literal[""] = "",
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> Any:  # fmt: skip
        scope = scope_for(running(), token, "/api/v1/approvals", request.url.query)
        return {"approvals": listed(running(), rows_within(running(), scope), state, limit=limit)}

    @routes.get(
        "/api/v1/approvals/{approval}", summary="One held call", response_model=OpenApproval,
        response_model_exclude_none=True, responses=problems(401, 404, 422, 503),
    )  # fmt: skip
    def get_approval(approval: Approval, request: Request, token: Token) -> Any:
        """With the gateway key that made the call, how it stands; with a person's token, what the person decides on."""
        installation = running()
        token = token or key_shown(request.headers)
        owner = installation.vault.owner_of(token) if token else None
        if owner and installation.reader.state(f"key:{owner}"):
            found: Any = caller_view(installation, approval, owner)
        else:
            scope = scope_for(installation, token, "/api/v1/approvals/{approval}", approval)
            seen = question(installation, approval, scope)
            found = _opened(seen) if seen else None
        return found or problem(404, "nothing found", f"there is no approval {approval} here")

    @routes.post(
        "/api/v1/approvals/{approval}", summary="Approve or reject a held call", response_model=Decided,
        responses=problems(400, 401, 403, 404, 413, 422, 503),
    )  # fmt: skip
    def post_decision(approval: Approval, said: Decision, token: Token) -> Any:
        actor = require_person(running(), token)
        try:
            state = decide(running(), actor, approval, said.decision, said.reason, said.shown)
        except ActRefused as error:
            return problem(_status(error), "decision refused", str(error))
        return {"id": approval, "state": state}

    _add_pages(routes, running)
    return routes


def _opened(seen: Question) -> dict[str, Any]:
    calls = None if seen.calls is None else [one._asdict() for one in seen.calls]
    return {
        "id": seen.approval, "state": seen.state, "until": seen.row["until"], "call": seen.row["call"],
        "workflow": seen.row["workflow"], "roles": list(seen.roles), "requester": seen.requester or None,
        "reasons": list(seen.reasons), "calls": calls, "asked": list(seen.asked), "said": seen.said,
        "shown": None if calls is None else seen.shown,
    }  # fmt: skip


def _status(error: ActRefused) -> int:
    text = str(error)
    return 404 if text.startswith("there is no such approval") else 403 if "needs the role" in text else 400


def _add_pages(routes: APIRouter, running: Running) -> None:
    In = Annotated[Session, Depends(signed_in(running))]  # noqa: N806 - a type

    @routes.get("/approvals", include_in_schema=False)
    async def approvals(session: In) -> Response:
        return await asyncio.to_thread(_list, running(), session)

    @routes.get("/approvals/{approval}", include_in_schema=False)
    async def page(approval: Approval, session: In) -> Response:
        return await asyncio.to_thread(_page, running(), session, approval)

    @routes.post("/approvals/{approval}", include_in_schema=False)
    async def take(approval: Approval, request: Request, session: In) -> Response:
        form = dict(await form_of(request, session))
        given = (form.get("decision", ""), form.get("reason", ""), form.get("shown", ""))
        try:
            await asyncio.to_thread(decide, running(), session.actor, approval, *given)
        except ActRefused as error:
            text = str(error).removesuffix(": --reason TEXT")
            return await asyncio.to_thread(_page, running(), session, approval, text, _status(error))
        return RedirectResponse("/approvals", status_code=303)


def _list(installation: Installation, session: Session) -> Response:
    rows = rows_within(installation, session.scope)
    found = listed(installation, rows)
    waiting = [one for one in found if one["state"] == "requested"]
    return shown("approvals", session, "/approvals", waiting=waiting, figures=figures(list(rows.values())),
                 zone=time_zone(installation), over=[one for one in found if one not in waiting])  # fmt: skip


def _page(
    installation: Installation, session: Session, approval: str, problem: str = "", status: int = 200
) -> Response:
    found = question(installation, approval, session.scope)
    if found is None:
        text = f"There is no approval {approval[:60]} here."
        return shown("message", session, "/approvals", title="Nothing found", text=text, login=False, status=404)
    calls = None if found.calls is None else [(one, plainly(one.arguments)) for one in found.calls]
    return shown("approval", session, "/approvals", status=status, one=found, calls=calls, problem=problem,
                 words=STATES[found.state])  # fmt: skip
