"""Pages of the compliance officer: systems, the questionnaire, packs."""

import asyncio
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from classifiers.cases import Case
from classifiers.facts import FactsInvalid
from classifiers.law.records import law_on, stale_line
from classifiers.risk import classify
from classifiers.suggestions import suggest
from classifiers.text import carried_by
from gateway.console.answers import as_given, read_answers
from gateway.console.session import Session
from gateway.oversight.classifying import confirm_class
from gateway.oversight.looking import within
from gateway.oversight.people import ActRefused
from gateway.oversight.standing import system_at, systems_at
from gateway.state.rows import class_of
from gateway.store.evidence import LiveEvidence
from gateway.store.installation import Installation
from gateway.web.pages import Running, form_of, shown, signed_in
from reports.pack.classes import class_page
from reports.pack.systems import System

RELEASES = {"released": "released as it is", "stale": "changed since it was released", "none": "nobody has released it"}
CLASSES = {"stale": "stale: changed since it was confirmed", "none": "no class is confirmed"}


def router(running: Running) -> APIRouter:
    """Return the routes; they stand outside the OpenAPI document."""
    routes = APIRouter(include_in_schema=False)
    In = Annotated[Session, Depends(signed_in(running))]  # noqa: N806 - a type

    @routes.get("/systems")
    def systems(session: In) -> Response:
        found = systems_at(running(), running().reader.head().size, _today())
        listed = [_listed(one) for one in found if within(one.name, session.scope)]
        return shown("systems", session, "/systems", systems=listed)

    @routes.get("/system")
    def system(workflow: str, session: In) -> Response:
        one = _found(running(), workflow, session)
        if one is None:
            return _nothing(workflow, session)
        page = class_page(one.classified, LiveEvidence(running())) if one.classified else None
        answers = as_given(one.classified.facts["answers"]) if one.classified else []
        return shown("system", session, "/systems", system=one, page=page, stale=stale_line(_today()), today=_today(),
                     again=urlencode([("workflow", workflow), *answers]),
                     release=RELEASES[one.release],
                     suggestions=suggest(str(one.declared.get("purpose", ""))))  # fmt: skip

    @routes.get("/system/questions")
    def questions(workflow: str, request: Request, session: In) -> Response:
        one = _found(running(), workflow, session)
        if one is None:
            return _nothing(workflow, session)
        given = parse_qsl(request.url.query, keep_blank_values=True)
        return _questions(one, [field for field in given if field[0] != "workflow"], session)

    @routes.post("/system/class")
    async def confirm(request: Request, session: In) -> Response:
        fields = await form_of(request, session)
        form = dict(fields)
        one = _found(running(), form.get("workflow", ""), session)
        if one is None:
            return _nothing(form.get("workflow", ""), session)
        given = [field for field in fields if field[0] not in ("workflow", "reason", "version", "tier")]
        try:
            case = _shown_case(one, form, given)
            await asyncio.to_thread(confirm_class, running(), session.actor, one.name, case, form.get("reason", ""))
        except (ActRefused, FactsInvalid) as error:
            status = 403 if "needs the role" in str(error) else 400
            return _questions(one, given, session, str(error).removesuffix(": --reason TEXT"), status)
        return RedirectResponse(f"/system?{urlencode({'workflow': one.name})}", status_code=303)

    return routes


def _shown_case(one: System, form: Mapping[str, str], given: list[tuple[str, str]]) -> Case:
    """Return the case of a form that confirms what its page showed.

    Raises:
        ActRefused: the workflow, or what the answers lead to, is not what was shown.
        FactsInvalid: an answer outside the vocabulary.
    """
    answers = read_answers(law_on(_today()).facts, given)
    if form.get("version") != one.standing.get("version"):
        raise ActRefused("the workflow was changed since you opened this page; look at it again")
    if form.get("tier") != classify(answers, complete=False, at=_today()).tier:
        raise ActRefused("these answers lead to another class today than the page showed; look at it again")
    return Case(id=one.name, facts=answers, answers_complete=False, at=_today())


def _questions(
    one: System, given: list[tuple[str, str]], session: Session, problem: str = "", status: int = 200
) -> Response:
    law = law_on(_today())
    try:
        answers = read_answers(law.facts, given)
    except FactsInvalid as error:
        answers, problem, status = {}, str(error), 400
    result = classify(answers, complete=False, at=_today())
    fact = next((item for key, item in law.facts.items() if key in result.ask and key not in answers), None)
    low, high = map(law.said, result.tier_range)
    return shown(
        "questions", session, "/systems", status=status, name=one.name, version=one.standing.get("version", ""),
        problem=problem, result=result, low=low, high=high, fact=fact, words=law.said(result.tier), at=_today(),
        answered=len(answers), given=as_given(answers), left=[law.facts[key].question for key in result.ask],
        said=[(law.facts[key].question, law.facts[key].said(value)) for key, value in answers.items()],
        basis=carried_by(result), stale=stale_line(_today()),
        readings=[(law.said(row.tier), " ".join(row.because)) for row in result.readings],
    )  # fmt: skip


def _nothing(workflow: str, session: Session) -> Response:
    text = f"No workflow {workflow[:100]} is registered."
    return shown("message", session, "/systems", title="Nothing found", text=text, login=False, status=404)


def _found(installation: Installation, name: str, session: Session) -> System | None:
    seen = "\x00" not in name and within(name, session.scope)
    known = seen and installation.reader.state(f"workflow:{name}") is not None
    return system_at(installation, name, installation.reader.head().size, _today()) if known else None


def _listed(one: System) -> dict[str, Any]:
    return {
        "name": one.name, "declared": one.declared, "release": RELEASES[one.release], "class_words": _class_words(one),
    }  # fmt: skip


def _class_words(one: System) -> str:
    state = class_of(one.standing)
    if state != "confirmed":
        return CLASSES[state]
    return law_on(_today()).said(str(one.standing["tier"]))


def _today() -> str:
    return date.today().isoformat()  # noqa: DTZ011 - the day of whoever runs this
