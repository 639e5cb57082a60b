"""The scorecard: page, JSON, CSV and one A4, from one function."""

import asyncio
from datetime import date, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from gateway.configuration.model import Configuration
from gateway.console.session import Session
from gateway.economics.costs import QuestionInvalid
from gateway.economics.reading import Period, period_of
from gateway.economics.scorecard import scorecard
from gateway.oversight.acts import active_configuration
from gateway.oversight.looking import within
from gateway.oversight.people import ActRefused
from gateway.oversight.standing import names
from gateway.store.installation import Installation
from gateway.web.api import Running, Token, problem, scope_for
from gateway.web.documents import also, problems
from gateway.web.pages import shown, signed_in
from reports.pack.calls import csv_line
from reports.pack.pdf import PdfUnavailable
from reports.scorecard.card import Card, as_rows, headline, interval_said, money, said
from reports.scorecard.charts import columns, ranges
from reports.scorecard.print import as_pdf
from reports.statistics import wilson


class Scorecard(BaseModel):
    """`whyledger.scorecard/1`: amounts in nano-EUR, shares as fractions of 1, what is not known null."""

    model_config = {"extra": "allow"}

    subject: str
    period: str
    lines: list[dict[str, Any]]
    decisions: list[str]
    not_measured: list[str]


def router(running: Running) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(responses=problems(500))
    In = Annotated[Session, Depends(signed_in(running))]  # noqa: N806 - a type

    @routes.get(
        "/api/v1/scorecard",
        summary="Cost per outcome, errors, incidents, oversight, budget",
        response_model=Scorecard,
        responses=problems(400, 401, 404, 422, 503) | also("text/csv", "application/pdf"),
    )
    def get_scorecard(
        token: Token,
        workflow: Annotated[str | None, Query(max_length=100)] = None,
        start: Annotated[str | None, Query(alias="from", max_length=10)] = None,
        to: Annotated[str | None, Query(max_length=10)] = None,
        form: Annotated[str, Query(alias="format", pattern="^(json|csv|pdf)$")] = "json",
    ) -> Any:
        installation = running()
        scope = scope_for(installation, token, "/api/v1/scorecard", workflow or "")
        return _answer(installation, scope, workflow, start, to, form)

    @routes.get("/scorecard", include_in_schema=False)
    async def page(request: Request, session: In) -> Response:
        query = request.query_params
        asked = (query.get("workflow") or None, query.get("from") or None, query.get("to") or None)
        return await asyncio.to_thread(_page, running(), session, *asked)

    return routes


def _answer(
    installation: Installation, scope: frozenset[str] | None, workflow: str | None, start: str | None, to: str | None,
    form: str,
) -> Response:  # fmt: skip
    try:
        configuration, period = _asked(installation, start, to)
        card = _card(installation, configuration, period, workflow, scope)
    except (QuestionInvalid, ActRefused) as error:
        return problem(400, "scorecard refused", str(error))
    if card is None:
        return problem(404, "nothing found", f"no workflow {workflow} is registered, or it is not for you")
    if form == "csv":
        return Response("".join(map(csv_line, as_rows(card))), media_type="text/csv")
    if form == "json":
        return JSONResponse(card.as_json())
    try:
        data = as_pdf(card, configuration.organisation.name, installation.clock())
    except PdfUnavailable as error:
        return problem(503, "no PDF", str(error))
    return Response(data, media_type="application/pdf")


def _asked(installation: Installation, start: str | None, to: str | None) -> tuple[Configuration, Period]:
    configuration, _ = active_configuration(installation)
    return configuration, period_of(start, to, configuration.organisation.time_zone, installation.clock())


def _card(
    installation: Installation, configuration: Configuration, period: Period, workflow: str | None,
    scope: frozenset[str] | None,
) -> Card | None:  # fmt: skip
    """Return the card; nothing for a workflow that is not registered or lies outside the scope."""
    if workflow is not None and (workflow not in names(installation) or not within(workflow, scope)):
        return None
    return scorecard(installation, configuration, period, workflow, scope)


def _page(
    installation: Installation, session: Session, workflow: str | None, start: str | None, to: str | None
) -> Response:
    trouble = ""
    try:
        try:
            configuration, period = _asked(installation, start, to)
        except QuestionInvalid as error:
            trouble = str(error)
            configuration, period = _asked(installation, None, None)
        card = _card(installation, configuration, period, workflow, session.scope)
    except ActRefused as error:
        return shown("message", session, "/scorecard", title="No scorecard yet", text=str(error), login=False)
    if card is None:
        text = f"No workflow {(workflow or '')[:100]} is registered."
        return shown("message", session, "/scorecard", title="Nothing found", text=text, login=False, status=404)
    asked = {"from": str(period.start), "to": str(period.end)} | ({"workflow": workflow} if workflow else {})
    return shown(
        "scorecard", session, "/scorecard", card=card, problem=trouble, start=str(period.start), end=str(period.end),
        names=[name for name in names(installation) if within(name, session.scope)], charts=_charts(card),
        lines=[(one, headline(one), interval_said(one), said(one, one.before)) for one in card.lines],
        asked=asked, after={day: _next(day) for day, _, _ in card.days},
        files=f"/api/v1/scorecard?{urlencode(asked)}", status=400 if trouble else 200,
    )  # fmt: skip


def _next(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def _charts(card: Card) -> dict[str, str]:
    rates = [
        (one.workflow, one.errors / one.calls, *wilson(one.errors, one.calls), f"{one.errors} of {one.calls}")
        for one in card.workflows
        if one.calls
    ]
    return {
        "days": columns([(day, cost, money(cost)) for day, _, cost in card.days], "Spend by day"),
        "errors": ranges(rates[:12], "Error rate by workflow, with 95 % intervals") if rates else "",
    }
