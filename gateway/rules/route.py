"""Stage 6 of 10: choose which targets may serve a call, in what order, and bound what it can cost.

Pure: the same call under the same rules always gives the same plan, which is what lets an auditor replay a routing
decision from its entry.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from gateway.call import Call, Plan, Principal, Target
from gateway.configuration.load import provider_of
from gateway.configuration.model import Configuration, Route
from gateway.dialects.openai_others import EMBEDDINGS
from gateway.dialects.pairs import pair_of
from gateway.errors import Refused
from gateway.pricing.money import PriceRow, nano_eur, worst_case
from gateway.pricing.prices import STANDARD, PriceList, segment_of
from gateway.rules.snapshot import Rules
from ledger.entry import vetted

DIRECT = "direct"
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


def plan_route(call: Call, principal: Principal, rules: Rules, at: datetime) -> Plan:
    """Return the plan of a call that is made at `at`.

    Raises:
        Refused: route_unknown, input_too_large, no_target (each target with the reason why not).
    """
    choice = _without_objections(_choice(call.asked.model, call.dialect.name, principal, rules, at), call, at)
    route = choice.route
    if route.max_input_tokens is not None and call.asked.input_bound > route.max_input_tokens:
        raise Refused(
            "input_too_large",
            f"the input may be {call.asked.input_bound} tokens; route {route.intent} allows {route.max_input_tokens}",
            stage=6,
            inputs={"bound": call.asked.input_bound, "limit": route.max_input_tokens},
        )
    asked = call.asked
    output = route.max_output_tokens if asked.output_limit is None else asked.output_limit
    bounds = asked.input_bound, output * asked.choices
    rows, searches = _billable(choice.prices, call), any("search" in name for name in call.asked.tools)
    return Plan(
        route=route.intent,
        direct=choice.direct,
        targets=choice.targets,
        rejected=choice.rejected,
        max_retries=route.max_retries,
        timeout=route.timeout,
        first_byte=route.first_byte or route.timeout,
        whole_answer=route.whole_answer,
        retry_timeouts=route.retry_timeouts,
        keep_alive=route.keep_alive,
        repeat_window=route.repeat_window,
        output_limit=output,
        output_limit_set=call.asked.output_limit is None,
        cache_ttl=0 if call.asked.tools else route.cache_ttl,
        reserved=0 if asked.free else max([worst_case(*bounds, row, rules.rate, searches=searches) for row in rows]),
        caps=choice.caps if principal.cap is None else (*choice.caps, (f"key:{principal.key}", principal.cap)),
        facts=choice.facts,
    )


def _billable(rows: tuple[PriceRow, ...], call: Call) -> list[PriceRow]:
    """Return the rows that a call may be billed by: of the tier it asks for, or of those it may be given unasked."""
    asked = call.asked.fields.get("service_tier")
    tiers = UNASKED if asked in (None, "auto") else {asked}
    return [row for row in rows if row.tier is None or row.tier in STANDARD or row.tier in tiers]


def _choice(requested: str, dialect: str, principal: Principal, rules: Rules, at: datetime) -> Choice:
    """Return what the rules say about this model name; worked out once per rules and half hour."""
    place = requested, dialect, principal.environment, principal.workflow, segment_of(at)
    if found := rules.chosen.get(place):
        return cast(Choice, found)
    configured = rules.configuration.route(requested)
    route = configured or _direct_route(requested, principal, rules)
    targets, rejected = targets_of(route, rules.configuration, rules.prices, rules.usable, dialect)
    if not targets:
        why = "; ".join(f"{model}: {reason}" for model, reason in rejected)
        others, _ = targets_of(route, rules.configuration, rules.prices, rules.usable)
        raise Refused(
            "invalid_request" if others else "no_target",  # a caller of another format would be served
            f"no target can serve {route.intent}: {why}",
            stage=6,
            inputs={"rejected": _rejected_facts(rejected)},
        )
    facts = {"fx": rules.rate.facts}
    choice = Choice(route, configured is None, (), (), tuple(rejected), _caps(route, principal, rules), facts)
    choice = _with_targets(choice, targets, at)
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
    return replace(choice, targets=tuple(targets), prices=prices, facts=facts)


def _without_objections(choice: Choice, call: Call, at: datetime) -> Choice:
    """Leave out the targets whose format has no place for something that the request asks for."""
    why = {target: said for target in choice.targets if (said := target.pair.objection(call.asked))}
    if not why:
        return choice
    rejected = (*choice.rejected, *((target.alias_of or target.model, said) for target, said in why.items()))
    if len(why) == len(choice.targets):
        said = "; ".join(f"{model}: {reason}" for model, reason in rejected)
        raise Refused("invalid_request", f"no target of {choice.route.intent} can take this request: {said}", stage=6)
    return _with_targets(replace(choice, rejected=rejected), [one for one in choice.targets if one not in why], at)


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
        return Route.model_construct(intent=DIRECT, primary=(requested,), fallback=())
    intents = ", ".join(route.intent for route in rules.configuration.routes) or "none yet"
    raise Refused(
        "route_unknown",
        f"`{requested[:100]}` is not defined in the active configuration; use one of: {intents}"
        + (f". Models by name are not allowed in {principal.environment}" if known else ""),
        stage=6,
        inputs={"environment": principal.environment, "known_model": known is not None},
    )


def targets_of(
    route: Route, configuration: Configuration, listed: PriceList, usable: Collection[str], dialect: str | None = None
) -> tuple[list[Target], list[tuple[str, str]]]:
    """Return the targets of a route in order, and the models that cannot serve it with the reason and what to do.

    Args:
        usable: providers with a key, or that need none.
        dialect: of the caller; None for whatever each speaks.
    """
    targets: list[Target] = []
    rejected: list[tuple[str, str]] = []
    for written in route.models:
        model = configuration.aliases.get(written, written)
        found = provider_of(configuration, model)
        if found is None:
            rejected.append((written, "no provider takes this model name"))
            continue
        name, provider = found
        prices = listed.history(name, model)
        pair = pair_of(dialect or provider.dialects[0], provider.dialects)
        if pair is None:
            spoken = ", ".join(provider.dialects)
            rejected.append((written, f"provider {name} speaks {spoken}; {dialect} cannot be translated to that"))
        elif name not in usable:
            rejected.append((written, f"provider {name} has no key: set {provider.key}"))
        elif prices is not None and not prices.has_output and dialect != EMBEDDINGS.name:
            rejected.append((written, "it only embeds: it has no price for output"))
        elif prices is None:
            rejected.append(
                (
                    written,
                    f"no price known: add `providers: {{{name}: {{prices: {{{model}: {{input: .., output: ..}}}}}}}}`",
                )
            )
        else:
            alias = written if written != model else None
            targets.append(
                Target(
                    provider=name,
                    model=model,
                    alias_of=alias,
                    prices=prices,
                    simulated=provider.simulated,
                    pair=pair,
                    limit_field=provider.output_limit_field,
                    asks_usage=provider.stream_usage == "asked",
                )
            )
    return targets, rejected


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
