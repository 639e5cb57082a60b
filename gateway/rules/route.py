"""Stage 6 of 10: choose which targets may serve a call, in what order, and bound what it can cost.

Pure: the same call under the same rules always gives the same plan, which is what lets an auditor replay a routing
decision from its entry.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from gateway.call import Call, Plan, Principal, Target
from gateway.configuration.load import provider_of
from gateway.configuration.model import Route, Similar
from gateway.dialects.openai_others import EMBEDDINGS
from gateway.errors import Refused
from gateway.pricing.money import PriceRow, nano_eur, worst_case
from gateway.pricing.prices import STANDARD, segment_of
from gateway.rules.breaker import NONE_OPEN, Circuits
from gateway.rules.similar import most_embedded, text_of
from gateway.rules.snapshot import Rules
from gateway.rules.targets import Caller, targets_of
from ledger.entry import vetted

DIRECT, LOCAL = "direct", "local"
MAX_CHOSEN = 1000
UNASKED = frozenset({"default", "flex", "priority", "fast"})
"""Service tiers that a provider may serve a call at that asked for none, because an account is set so."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The part of a plan that is the same for every call of a workflow to a route, as long as prices hold."""

    route: Route
    direct: bool
    targets: tuple[Target, ...]
    prices: tuple[PriceRow, ...]
    """Every row of the day that a target may be billed by."""
    rejected: tuple[tuple[str, str], ...]
    caps: tuple[tuple[str, int], ...]
    facts: dict[str, Any]
    translated: bool = False
    """Some target speaks another format than the caller."""
    similar: Similar | None = None
    embedder: Target | None = None
    """What makes vectors of questions; None for the local model."""


def plan_route(call: Call, principal: Principal, rules: Rules, at: datetime, circuits: Circuits = NONE_OPEN) -> Plan:
    """Return the plan of a call that is made at `at`.

    Args:
        circuits: why targets are left alone for now, by provider and model.

    Raises:
        Refused: route_unknown, input_too_large, no_target (each target with the reason why not).
    """
    plan = _plan(call, principal, rules, at, circuits)
    return plan._replace(lower=_plan(call, principal, rules, at, circuits, lower=True)) if plan.step_down_at else plan


def _plan(
    call: Call, principal: Principal, rules: Rules, at: datetime, circuits: Circuits,
    *, lower: bool = False,
) -> Plan:  # fmt: skip
    choice = _passed_over(_choice(call, principal, rules, at, lower=lower), call, at, circuits)
    route, asked = choice.route, call.asked
    if route.max_input_tokens is not None and asked.input_bound > route.max_input_tokens:
        raise Refused(
            "input_too_large",
            f"the input may be {asked.input_bound} tokens; route {route.intent} allows {route.max_input_tokens}",
            stage=6,
            inputs={"bound": asked.input_bound, "limit": route.max_input_tokens},
        )
    output = route.max_output_tokens if asked.output_limit is None else asked.output_limit
    bounds = asked.input_bound, output * asked.choices
    rows, searches = _billable(choice.prices, call), any("search" in name for name in asked.tools)
    return Plan(
        route=route.intent,
        direct=choice.direct,
        targets=choice.targets,
        rejected=choice.rejected,
        max_retries=route.max_retries,
        retry_within=route.retry_within,
        timeout=route.timeout,
        first_byte=route.first_byte or route.timeout,
        whole_answer=route.whole_answer,
        retry_timeouts=route.retry_timeouts,
        keep_alive=route.keep_alive,
        repeat_window=route.repeat_window,
        output_limit=output,
        output_limit_set=asked.output_limit is None,
        cache_ttl=0 if asked.tools else route.cache_ttl,
        similar=choice.similar,
        embedder=choice.embedder,
        look_up_reserved=_look_up(choice, call, rules, at),
        attempt_reserved=0
        if asked.free
        else max([worst_case(*bounds, row, rules.rate, searches=searches) for row in rows]),
        caps=choice.caps if principal.cap is None else (*choice.caps, (f"key:{principal.key}", principal.cap)),
        facts=choice.facts,
        step_down_at=route.step_down_at if route.step_down_to else 0,
    )


def _with_embedder(choice: Choice, rules: Rules, caller: Caller) -> Choice:
    """Add how similar questions are looked up; where the model for that may not serve the caller they are not."""
    similar = choice.route.similar
    if similar is None or similar.embedding == LOCAL:
        return replace(choice, similar=similar)
    found, rejected = targets_of(
        (similar.embedding,), rules.configuration, rules.prices, rules.usable, caller._replace(dialect=EMBEDDINGS.name)
    )
    if found:
        return replace(choice, similar=similar, embedder=found[0])
    return replace(choice, facts=choice.facts | {"look_up_rejected": _rejected_facts(rejected)})


def _look_up(choice: Choice, call: Call, rules: Rules, at: datetime) -> int:
    """Return the most that looking for a similar question can cost, nano-EUR."""
    text = text_of(call) if choice.embedder else None
    if text is None or choice.embedder is None:
        return 0
    return max([worst_case(most_embedded(text), 0, row, rules.rate) for row in choice.embedder.prices.of_day(at)])


def _billable(rows: tuple[PriceRow, ...], call: Call) -> list[PriceRow]:
    """Return the rows that a call may be billed by: of the tier it asks for, or of those it may be given unasked."""
    asked = call.asked.fields.get("service_tier")
    tiers = UNASKED if asked in (None, "auto") else {asked}
    return [row for row in rows if row.tier is None or row.tier in STANDARD or row.tier in tiers]


def _choice(call: Call, principal: Principal, rules: Rules, at: datetime, *, lower: bool) -> Choice:
    """Return what the rules say about this model name; worked out once per rules and half hour."""
    requested, dialect = call.asked.model, call.dialect.name
    place = requested, dialect, principal.environment, principal.workflow, segment_of(at), lower
    if found := rules.chosen.get(place):
        return cast(Choice, found)
    configured = rules.configuration.route(requested)
    route = configured or _direct_route(requested, principal, rules)
    models = tuple(dict.fromkeys((*route.step_down_to, *route.models))) if lower else route.models
    caller = _caller(dialect, principal, rules)
    targets, rejected = targets_of(models, rules.configuration, rules.prices, rules.usable, caller)
    if not targets:
        why = "; ".join(f"{model}: {reason}" for model, reason in rejected)
        others, _ = targets_of(models, rules.configuration, rules.prices, rules.usable, caller._replace(dialect=None))
        raise Refused(
            "invalid_request" if others else "no_target",  # a caller of another format would be served
            f"no target can serve {route.intent}: {why}",
            stage=6,
            inputs={"rejected": _rejected_facts(rejected)},
        )
    facts = {"fx": rules.rate.facts}
    choice = Choice(route, configured is None, (), (), tuple(rejected), _caps(route, principal, rules), facts)
    choice = _with_targets(_with_embedder(choice, rules, caller), targets, at)
    if len(rules.chosen) >= MAX_CHOSEN:  # names of models come from callers
        rules.chosen.clear()
    rules.chosen[place] = choice
    return choice


def _with_targets(choice: Choice, targets: Sequence[Target], at: datetime) -> Choice:
    facts = choice.facts | {
        "targets": [target.facts for target in targets],
        "rejected": _rejected_facts(choice.rejected),
        "prices": [_price_facts(target, at) for target in targets],
    }
    prices = tuple([row for target in targets for row in target.prices.of_day(at)])
    translated = any(target.pair.is_translation for target in targets)
    return replace(choice, targets=tuple(targets), prices=prices, facts=facts, translated=translated)


def _caller(dialect: str, principal: Principal, rules: Rules) -> Caller:
    environment = rules.configuration.environments.get(principal.environment)
    workflow = rules.workflow(principal.workflow)
    regions = workflow.regions if workflow else ()
    return Caller(principal.environment, dialect, regions, environment is None or environment.paid)


def _passed_over(choice: Choice, call: Call, at: datetime, circuits: Circuits) -> Choice:
    """Leave out the targets whose format has no place for something that the request asks for, and those that are left
    alone for now, unless there are no others: a call is never refused for that."""
    if not circuits and not choice.translated:
        return choice
    cannot = {target: said for target in choice.targets if (said := target.pair.objection(call.asked))}
    alone = {
        target: circuits[place]
        for target in choice.targets
        if target not in cannot and (place := (target.provider, target.model)) in circuits
    }
    if not cannot and not alone:
        return choice
    if len(cannot) == len(choice.targets):
        said = "; ".join(f"{_written(target)}: {reason}" for target, reason in cannot.items())
        raise Refused("invalid_request", f"no target of {choice.route.intent} can take this request: {said}", stage=6)
    why = cannot | alone if len(cannot) + len(alone) < len(choice.targets) else cannot
    rejected = (*choice.rejected, *((_written(target), reason) for target, reason in why.items()))
    return _with_targets(replace(choice, rejected=rejected), [one for one in choice.targets if one not in why], at)


def _written(target: Target) -> str:
    return target.alias_of or target.model


def _price_facts(target: Target, at: datetime) -> dict[str, Any]:
    row = target.prices.at(at)
    assert row is not None, "the standard tier always has a row"
    return vetted(row.facts | {"provider": target.provider})


def _rejected_facts(rejected: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"model": model, "reason": reason} for model, reason in rejected]


def _direct_route(requested: str, principal: Principal, rules: Rules) -> Route:
    """A model asked for by its own name, where the environment allows it."""
    environment = rules.configuration.environments.get(principal.environment)
    known = provider_of(rules.configuration, rules.configuration.aliases.get(requested, requested))
    if environment and environment.direct_route and known:
        return Route.model_construct(intent=DIRECT, primary=(requested,), fallback=(), step_down_to=(), similar=None)
    intents = ", ".join(route.intent for route in rules.configuration.routes) or "none yet"
    raise Refused(
        "route_unknown",
        f"`{requested[:100]}` is not defined in the active configuration; use one of: {intents}"
        + (f". Models by name are not allowed in {principal.environment}" if known else ""),
        stage=6,
        inputs={"environment": principal.environment, "known_model": known is not None},
    )


def _caps(route: Route, principal: Principal, rules: Rules) -> tuple[tuple[str, int], ...]:
    caps: list[tuple[str, int]] = []
    if environment := rules.configuration.environments.get(principal.environment):
        caps.append((f"environment:{principal.environment}", nano_eur(environment.max_budget_daily)))
    else:
        raise Refused(
            "environment_unknown",
            f"environment {principal.environment} is not in the active configuration; add it under `environments`",
            stage=6,
        )
    if route.max_budget_daily is not None:
        caps.append((f"route:{principal.environment}:{route.intent}", nano_eur(route.max_budget_daily)))
    workflow = rules.workflow(principal.workflow)
    if workflow and workflow.max_budget_daily is not None:
        caps.append((f"workflow:{principal.environment}:{principal.workflow}", nano_eur(workflow.max_budget_daily)))
    return tuple(caps)
