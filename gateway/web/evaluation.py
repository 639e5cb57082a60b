"""Routes of evaluation: results that come from elsewhere, and the page on which people score what was drawn."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel

from gateway.configuration.evaluation import Evaluator
from gateway.console.session import Session
from gateway.economics.recording import lines_of
from gateway.evaluation.importing import SentResult, import_results
from gateway.evaluation.reviewing import queue, review
from gateway.oversight.acts import active_configuration
from gateway.oversight.looking import within
from gateway.oversight.people import ActRefused
from gateway.state.outcomes import OutcomeRefused
from gateway.store.evidence import LiveEvidence
from gateway.store.installation import Installation
from gateway.web.api import Running, Token, problem, require_person
from gateway.web.documents import problems
from gateway.web.pages import form_of, shown, signed_in
from ledger.entry import Entry
from reports.why.transcript import said, turns

SHOWN = 200
COUNTED = {
    "json_schema": "Does the answer keep to the schema?", "citation": "Is every citation in what the model was given?",
    "expected_tools": "Were the expected tools called?", "forbidden_words": "Is the answer free of forbidden words?",
}  # fmt: skip


class ImportedResults(BaseModel):
    """How many results are new on record, and how many were known before."""

    recorded: int
    known: int


def router(running: Running) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(responses=problems(500))
    one = SentResult.model_json_schema()
    content = {"schema": {"oneOf": [one, {"type": "array", "items": one}]}}

    @routes.post(
        "/api/v1/evaluations",
        status_code=201,
        summary="Put results of a run over a fixed set on record: one, or an array",
        response_model=ImportedResults,
        responses=problems(400, 401, 403, 413, 503),
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": content}}},
    )
    async def post_evaluations(request: Request, token: Token) -> Any:
        body = await request.body()
        return await asyncio.to_thread(_import, running(), token, body)

    _add_pages(routes, running)
    return routes


def _import(installation: Installation, token: str | None, body: bytes) -> Any:
    actor = require_person(installation, token)
    try:
        made = import_results(installation, actor, [value for _, value in lines_of("application/json", body)])
    except OutcomeRefused as error:
        return problem(400, "results refused", str(error))
    except ActRefused as error:
        return problem(403 if "needs the role" in str(error) else 400, "results refused", str(error))
    new = sum(not one.repeated for one in made)
    return ImportedResults(recorded=new, known=len(made) - new)


def _add_pages(routes: APIRouter, running: Running) -> None:
    In = Annotated[Session, Depends(signed_in(running))]  # noqa: N806 - a type

    @routes.get("/reviews", include_in_schema=False)
    async def reviews(session: In) -> Response:
        waiting = await asyncio.to_thread(_waiting, running(), session)
        return shown("reviews", session, "/reviews", waiting=waiting)

    @routes.get("/review", include_in_schema=False)
    async def page(call: str, evaluator: str, session: In) -> Response:
        return await asyncio.to_thread(_page, running(), session, call, evaluator)

    @routes.post("/review", include_in_schema=False)
    async def take(request: Request, session: In) -> Response:
        form = dict(await form_of(request, session))
        call, evaluator = form.get("call", ""), form.get("evaluator", "")
        acts = (form.get("verdict", ""), form.get("reason", ""))
        try:
            await asyncio.to_thread(review, running(), session.actor, call, evaluator, *acts)
        except ActRefused as error:
            status = 403 if "needs the role" in str(error) else 400
            return await asyncio.to_thread(_page, running(), session, call, evaluator, str(error), status)
        return RedirectResponse("/reviews", status_code=303)


def _waiting(installation: Installation, session: Session) -> list[Entry]:
    return [one for one in queue(installation, SHOWN) if within(one.workflow, session.scope)]


def _page(
    installation: Installation, session: Session, call: str, evaluator: str, problem: str = "", status: int = 200
) -> Response:
    """Return the page of one answer: what was asked and said, never what the evaluator said."""
    evidence = LiveEvidence(installation)
    found = {one.kind: one for one in evidence.find("call", call)} if "\x00" not in call else {}
    opened, closed = found.get("call.opened"), found.get("call.closed")
    described = _described(installation, evaluator)
    if opened is None or closed is None or described is None or not within(closed.workflow, session.scope):
        text = f"No answer of {call[:100]} waits for a review as {evaluator[:100]}."
        return shown("message", session, "/reviews", title="Nothing found", text=text, login=False, status=404)
    prompt, answer = evidence.content(opened, "prompt"), evidence.content(closed, "answer")
    put = evidence.content(opened, "instructions") if "instructions" in opened.c else None
    own = [("prompt", str(put.value) if put.missing is None else "not kept, or cannot be opened")] if put else []
    return shown(
        "review", session, "/reviews", status=status, call=call, evaluator=evaluator, problem=problem,
        question=described.question or COUNTED.get(described.kind, ""), component=described.component,
        workflow=closed.workflow, asked=[*own, *turns(str(prompt.value))] if prompt.missing is None else None,
        said=said(str(answer.value)) if answer.missing is None else None,
        tools=[one["name"] for one in closed.facts["tool_calls"] if one["granted"]],
    )  # fmt: skip


def _described(installation: Installation, evaluator: str) -> Evaluator | None:
    try:
        known = active_configuration(installation)[0].evaluation.evaluators
    except ActRefused as error:
        raise HTTPException(404, str(error)) from None
    return next((one for one in known if one.name == evaluator), None)
