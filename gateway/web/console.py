"""Pages of the compliance officer: systems, the questionnaire, packs."""

import asyncio
from datetime import UTC, date, datetime
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from classifiers.cases import Case
from classifiers.facts import FactsInvalid
from classifiers.law.records import law_on, stale_line
from classifiers.risk import classify
from classifiers.suggestions import suggest
from classifiers.text import source_said
from gateway.console.answers import as_given, in_words, read_answers
from gateway.console.packs import Packs, uploaded
from gateway.console.session import Session, same_page
from gateway.oversight.classifying import confirm_class
from gateway.oversight.people import ActRefused
from gateway.oversight.standing import system_at
from gateway.packing import PackRequest
from gateway.state import class_of, release_of
from gateway.store.evidence import LiveEvidence
from gateway.store.installation import Installation
from gateway.web.pages import Running, form_of, queried, shown, signed_in
from ledger.verify import verify_pack
from reports.pack.classes import class_page
from reports.pack.systems import System

RELEASES = {"released": "released as it is", "stale": "changed since it was released", "none": "nobody has released it"}
CLASSES = {"stale": "stale: changed since it was confirmed", "none": "no class is confirmed"}


def router(running: Running, packs: Packs) -> APIRouter:
    """Return the routes; they stand outside the OpenAPI document."""
    routes = APIRouter(include_in_schema=False)
    In = Annotated[Session, Depends(signed_in(running))]  # noqa: N806 - a type

    @routes.get("/systems")
    def systems(session: In) -> Response:
        found = [_system(running(), name) for name in _names(running())]
        listed = [
            {"name": one.name, "declared": one.declared, "release": RELEASES[release_of(one.standing)],
             "class_words": _class_words(one)}
            for one in found
        ]  # fmt: skip
        return shown("systems", session, "/systems", systems=listed)

    @routes.get("/systems/{name:path}/questions")
    def questions(name: str, request: Request, session: In) -> Response:
        _system(running(), name)
        given = parse_qsl(request.url.query, keep_blank_values=True)
        return _questions(name, given, session)

    @routes.post("/systems/{name:path}/class")
    async def confirm(name: str, request: Request, session: In) -> Response:
        fields = await form_of(request, session)
        given = [(key, value) for key, value in fields if key != "reason"]
        reason = dict(fields).get("reason", "")
        try:
            answers = read_answers(law_on(_today()).facts, given)
            case = Case(id=name, facts=answers, answers_complete=False, at=_today())
            await asyncio.to_thread(confirm_class, running(), session.actor, name, case, reason)
        except (ActRefused, FactsInvalid) as error:
            return _questions(name, [] if isinstance(error, FactsInvalid) else given, session, str(error))
        return RedirectResponse(f"/systems/{name}", status_code=303)

    @routes.get("/systems/{name:path}")
    def system(name: str, session: In) -> Response:
        one = _system(running(), name)
        page = class_page(one.classified, LiveEvidence(running())) if one.classified else None
        again = queried(as_given(one.classified.facts["answers"])) if one.classified else ""
        return shown("system", session, "/systems", system=one, page=page, again=again,
                     release=RELEASES[release_of(one.standing)], stale=stale_line(_today()),
                     suggestions=suggest(str(one.declared.get("purpose", ""))))  # fmt: skip

    _add_packs(routes, running, packs)
    return routes


def _add_packs(routes: APIRouter, running: Running, packs: Packs) -> None:
    In = Annotated[Session, Depends(signed_in(running))]  # noqa: N806 - a type

    def listed(session: Session, *, status: int = 200, **more: Any) -> Response:
        today = datetime.now(UTC).date()
        values: dict[str, Any] = {
            "jobs": packs.jobs, "running": any(job.running for job in packs.jobs), "packs": list(packs.kept()),
            "workflows": _names(running()), "start": today.replace(day=1).isoformat(), "end": today.isoformat(),
            "problem": "", "steps": (), "verdict": "",
        }  # fmt: skip
        return shown("packs", session, "/packs", status=status, **values | more)

    @routes.get("/packs")
    def index(session: In) -> Response:
        return listed(session)

    @routes.post("/packs")
    async def make(request: Request, session: In) -> Response:
        form = dict(await form_of(request, session))
        if not set(session.roles) & {"compliance", "auditor", "admin"}:
            return listed(session, status=403, problem="this needs the role compliance, auditor or admin")
        wanted = PackRequest(
            start=form.get("from", ""), end=form.get("to", ""), workflow=form.get("workflow") or None,
            seed=form.get("seed", ""), actor=session.actor,
        )  # fmt: skip
        packs.make(running(), wanted)
        return RedirectResponse("/packs", status_code=303)

    @routes.post("/packs/verify")
    async def verify(request: Request, session: In) -> Response:
        fields = uploaded(request.headers.get("content-type", ""), await request.body())
        if not same_page(session, fields.get("csrf", b"").decode("utf-8", "replace")):
            raise HTTPException(403, "this form did not come from a page of yours; open the page and send it again")
        if not fields.get("pack"):
            return listed(session, status=400, problem="choose a file first: a PDF or a bundle")
        report = await asyncio.to_thread(verify_pack, fields["pack"], vkeys=[running().signer.vkey])
        verdict = "FAILED" if report.failed else f"nothing failed, level {report.level}"
        return listed(session, steps=report.steps, verdict=verdict)

    @routes.get("/packs/{name}")
    def download(name: str, session: In) -> Response:
        data = packs.read(name)
        if data is None:
            raise HTTPException(404, "no such pack was made here")
        headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
        return Response(data, media_type="application/pdf", headers=headers)


def _questions(name: str, given: list[tuple[str, str]], session: Session, problem: str = "") -> Response:
    law = law_on(_today())
    try:
        answers = read_answers(law.facts, given)
    except FactsInvalid as error:
        answers, problem = {}, str(error)
    result = classify(answers, complete=False, at=_today())
    fact = next((one for key, one in law.facts.items() if key in result.ask and key not in answers), None)
    basis = {(one.provision, one.sentence, source_said(one.source)) for one in result.trace if one.effect == "met"}
    low, high = map(law.said, result.tier_range)
    return shown(
        "questions", session, "/systems", name=name, problem=problem, result=result, low=low, high=high, fact=fact,
        words=law.said(result.tier), at=_today(), answered=len(answers), given=as_given(answers),
        left=[law.facts[key].question for key in result.ask], said=[
            (law.facts[key].question, in_words(law.facts[key], value)) for key, value in answers.items()
        ],
        basis=sorted(one for one in basis if one[0] in result.legal_basis), status=400 if problem else 200,
        readings=[(law.said(one.tier), " ".join(one.because)) for one in result.readings],
    )  # fmt: skip


def _names(installation: Installation) -> list[str]:
    return sorted(row.removeprefix("workflow:") for row in installation.reader.states("workflow:"))


def _system(installation: Installation, name: str) -> System:
    found = system_at(installation, name, installation.reader.head().size)
    if found is None:
        raise HTTPException(404, "no workflow of this name is registered")
    return found


def _class_words(one: System) -> str:
    state = class_of(one.standing)
    if state != "confirmed":
        return CLASSES[state]
    return law_on(_today()).said(str(one.standing["tier"]))


def _today() -> str:
    return date.today().isoformat()  # noqa: DTZ011 - the day of whoever runs this
