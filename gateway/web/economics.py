"""Routes of outcomes and costs."""

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response
from pydantic import BaseModel

from gateway.configuration.model import Configuration
from gateway.credentials import CredentialProblem, Credentials
from gateway.economics import by_outcome
from gateway.economics.attempts import OutcomeCosts
from gateway.economics.costs import OUTCOME, QuestionInvalid, as_csv, as_focus, grouped, read_by, whole
from gateway.economics.reading import Period, age_of_prices, every_outcome, period_of, sums_of
from gateway.economics.recording import MOST, Result, Sender, lines_of, record
from gateway.oversight.acts import active_configuration
from gateway.oversight.people import ActRefused
from gateway.state.outcomes import OutcomeRefused
from gateway.store.installation import Installation
from gateway.web.api import Running, Token, problem, require_person, scope_for
from gateway.web.documents import also, problems
from gateway.webhooks import SecretInvalid, is_signed

TOLERANCE_SECONDS = 300
Day = Annotated[str | None, Query(max_length=10)]


class Recorded(BaseModel):
    """The entry of an outcome; `repeated` when it was on record before."""

    outcome: str
    repeated: bool


class RefusedOutcome(BaseModel):
    """Which outcome of a request was not taken, from 1, and what to do."""

    line: int
    why: str


class RecordedMany(BaseModel):
    """What became of the outcomes of one request."""

    recorded: int
    repeated: int
    refused: list[RefusedOutcome]


class Cost(BaseModel):
    """One group of calls. Amounts are nano-EUR."""

    by: dict[str, str]
    calls: int
    refused: int
    errors: int
    cost_nano_eur: int
    upper_bound_calls: int
    upper_bound_nano_eur: int
    no_task_nano_eur: int
    saved_by_cache_nano_eur: int
    input_tokens: int
    output_tokens: int


class OutcomeTable(BaseModel):
    """What outcomes of a period cost, a row for each type; amounts in nano-EUR and as decimals of EUR."""

    start: str
    to: str
    zone: str
    prices: str
    outcomes: list[dict[str, Any]]


class Costs(BaseModel):
    """Spend of a period, grouped; `to` is the first day after it."""

    start: str
    to: str
    zone: str
    prices: str
    together: Cost
    groups: list[Cost]


def router(running: Running) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(responses=problems(500))

    @routes.post(
        "/api/v1/outcomes",
        status_code=201,
        summary="Record what became of tasks: one, a JSON array, JSON Lines or CSV",
        response_model=Recorded | RecordedMany,
        responses=problems(400, 401, 403, 409, 413, 503),
        openapi_extra={"requestBody": _BODY},
    )
    async def post_outcomes(request: Request, token: Token) -> Any:
        body = await request.body()
        sender = await asyncio.to_thread(_sender, running(), token)
        return await asyncio.to_thread(_take, running(), sender, request.headers.get("content-type", ""), body)

    @routes.post(
        "/api/v1/outcomes/webhook/{source}",
        status_code=201,
        summary="The same from a system that signs (Standard Webhooks)",
        response_model=Recorded | RecordedMany,
        responses=problems(400, 401, 403, 404, 409, 413, 503),
        openapi_extra={"requestBody": _BODY},
    )
    async def webhook(source: str, request: Request) -> Any:
        body = await request.body()
        await asyncio.to_thread(_require_signature, running(), source, request, body)
        content_type = request.headers.get("content-type", "")
        key = request.headers.get("webhook-id")
        return await asyncio.to_thread(_take, running(), Sender(source), content_type, body, key)

    _add_costs(routes, running)
    return routes


def _add_costs(routes: APIRouter, running: Running) -> None:
    @routes.get(
        "/api/v1/costs",
        summary="What did it cost, by day, workflow, environment, route, model, key, prompt, or outcome",
        response_model=Costs | OutcomeTable,
        responses=problems(400, 401, 422) | also("text/csv"),
    )
    def get_costs(
        token: Token,
        by: Annotated[str, Query(max_length=100)] = "workflow",
        start: Annotated[str | None, Query(alias="from", max_length=10)] = None,
        to: Day = None,
        form: Annotated[str, Query(alias="format", pattern="^(json|csv|focus)$")] = "json",
    ) -> Any:
        try:
            return _costs(running(), token, by, start, to, form)
        except QuestionInvalid as error:
            return problem(400, "costs refused", str(error))


_BODY = {
    "required": True,
    "content": {kind: {"schema": {}} for kind in ("application/json", "application/x-ndjson", "text/csv")},
}


def _sender(installation: Installation, token: str | None) -> Sender:
    owner = installation.vault.owner_of(token) if token else None
    row = installation.reader.state(f"key:{owner}") if owner else None
    if row and row["status"] == "active":
        return Sender(str(owner), workflow=row["workflow"])
    return Sender("api", require_person(installation, token))


def _take(installation: Installation, sender: Sender, content_type: str, body: bytes, key: str | None = None) -> Any:
    """Record what a body holds.

    Args:
        key: the sender's id of the message, where an outcome has no key of its own: a repeat of it changes nothing.
    """
    try:
        lines = lines_of(content_type, body)
        sent = [one for _, one in lines]
        if key and len(sent) == 1 and isinstance(sent[0], dict):
            sent = [{"idempotency_key": key[:256]} | sent[0]]
        if len(sent) > MOST:
            raise OutcomeRefused(f"at most {MOST} outcomes at a time; these are {len(sent)}")
        results = record(installation, sender, sent)
    except (ActRefused, OutcomeRefused) as error:
        return problem(403 if "needs the role" in str(error) else 400, "outcomes refused", str(error))
    if len(results) == 1:
        return _one(results[0])
    refused = [
        RefusedOutcome(line=line, why=one.refused) for (line, _), one in zip(lines, results, strict=True) if one.refused
    ]
    repeated = sum(one.repeated for one in results)
    return RecordedMany(recorded=len(results) - len(refused) - repeated, repeated=repeated, refused=refused)


def _one(result: Result) -> Any:
    if result.entry is None:
        return problem(409 if result.conflict else 400, "outcome refused", result.refused)
    return Recorded(outcome=result.entry, repeated=result.repeated)


def _require_signature(installation: Installation, source: str, request: Request, body: bytes) -> None:
    """Check the signature of a webhook: HMAC-SHA256 over id, timestamp and body (standardwebhooks.com).

    Raises:
        HTTPException: 404 no such source, 401 not signed by it or too old.
    """
    try:
        found = active_configuration(installation)[0].outcome_sources.get(source)
        secret = Credentials(installation.settings.environment).of(source, found.secret) if found else None
    except (ActRefused, CredentialProblem):
        secret = None
    if not secret:
        raise HTTPException(404, "no such source is configured under `outcome_sources:` with a secret that can be read")
    name, stamp = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "")
    if not stamp.isascii() or not stamp.isdigit() or abs(time.time() - int(stamp[:12])) > TOLERANCE_SECONDS:
        raise HTTPException(401, "webhook-timestamp is missing, or more than five minutes from the clock here")
    try:
        signed = is_signed(request.headers.get("webhook-signature", ""), secret, name, stamp, body)
    except SecretInvalid as error:
        raise HTTPException(404, f"the secret of this source cannot be used: {error}") from None
    if not signed:
        raise HTTPException(401, "webhook-signature is not of this body, id and time under the configured secret")


def _costs(installation: Installation, token: str | None, by: str, start: str | None, to: str | None, form: str) -> Any:
    scope = scope_for(installation, token, "/api/v1/costs", by)
    names = read_by(by)
    configuration, _ = active_configuration(installation)
    now = installation.clock()
    period = period_of(start, to, configuration.organisation.time_zone, now)
    if names == OUTCOME:
        found = every_outcome(installation.reader, configuration, period, scope)
        return _by_outcome(found, configuration, period, now, form)
    rows = sums_of(installation.reader, period, scope)
    if form != "json":
        text = (
            as_csv(grouped(rows, names), names)
            if form == "csv"
            else as_focus(rows, configuration.organisation.name, period.zone)
        )
        return Response(text, media_type="text/csv")
    return Costs(
        start=str(period.start), to=str(period.end), zone=period.zone, prices=age_of_prices(configuration, now),
        together=_cost((), whole(rows)), groups=[_cost(names, one) for one in grouped(rows, names)],
    )  # fmt: skip


def _by_outcome(
    found: Mapping[str, OutcomeCosts], configuration: Configuration, period: Period, now: datetime, form: str
) -> Any:
    if form == "focus":
        raise QuestionInvalid("the shape of FOCUS is of slices of calls, not of outcomes")
    if form == "csv":
        return Response(by_outcome.as_csv(found), media_type="text/csv")
    rows = [by_outcome.outcome_row(one) for _, one in sorted(found.items())]
    prices = age_of_prices(configuration, now)
    return OutcomeTable(start=str(period.start), to=str(period.end), zone=period.zone, prices=prices, outcomes=rows)


def _cost(names: tuple[str, ...], one: Any) -> Cost:
    sums = one.sums
    return Cost(
        by=dict(zip(names, one.name, strict=True)), calls=one.ended, refused=sums["results"].get("refused", 0),
        errors=one.error_calls, cost_nano_eur=sums["cost"], upper_bound_calls=sums["bounded"],
        upper_bound_nano_eur=sums["bound_cost"], no_task_nano_eur=sums["cost"] - sums["named_cost"],
        saved_by_cache_nano_eur=sums["saved"], input_tokens=sums["in"], output_tokens=sums["out"],
    )  # fmt: skip
