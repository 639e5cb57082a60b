"""Stage 6 of 10: choose which targets may serve a call, in what order, and bound what it can cost.

Pure: the same call under the same rules always gives the same plan, which is what lets an auditor replay a routing
decision from its entry.
"""

from gateway.configuration.load import provider_of
from gateway.configuration.model import Route
from gateway.economics.money import nano_eur, worst_case
from gateway.errors import Refused
from gateway.pipeline.call import Call, Plan, Principal, Target
from gateway.pipeline.rules import Rules

DIRECT = "direct"


def plan_route(call: Call, principal: Principal, rules: Rules) -> Plan:
    """Return the plan of a call.

    Raises:
        Refused: route_unknown, input_too_large, no_target (each target with the reason why not).
    """
    configured = rules.configuration.route(call.requested)
    route = configured or _direct_route(call, principal, rules)
    if route.max_input_tokens is not None and call.input_bound > route.max_input_tokens:
        raise Refused(
            "input_too_large",
            f"the input may be {call.input_bound} tokens; route {route.intent} allows {route.max_input_tokens}",
            stage=6,
            inputs={"bound": call.input_bound, "limit": route.max_input_tokens},
        )
    targets, rejected = _targets(route, rules)
    if not targets:
        why = "; ".join(f"{model}: {reason}" for model, reason in rejected)
        raise Refused(
            "no_target",
            f"no target can serve {route.intent}: {why}",
            stage=6,
            inputs={"rejected": [{"model": model, "reason": reason} for model, reason in rejected]},
        )
    output = call.output_limit or route.max_output_tokens
    reserved = max(worst_case(call.input_bound, output * call.choices, one.price, rules.rate) for one in targets)
    return Plan(
        route=route.intent,
        direct=configured is None,
        targets=tuple(targets),
        rejected=tuple(rejected),
        max_retries=route.max_retries,
        timeout=route.timeout,
        output_limit=output,
        output_limit_set=call.output_limit is None,
        cache_ttl=0 if call.tools else route.cache_ttl,
        reserved=reserved,
        caps=_caps(route, principal, rules),
    )


def _direct_route(call: Call, principal: Principal, rules: Rules) -> Route:
    """A model asked for by its own name, where the environment allows it."""
    environment = rules.configuration.environments.get(principal.environment)
    known = provider_of(rules.configuration, rules.configuration.aliases.get(call.requested, call.requested))
    if environment and environment.direct_route and known:
        return Route.model_construct(intent=DIRECT, primary=(call.requested,), fallback=())
    intents = ", ".join(route.intent for route in rules.configuration.routes) or "none yet"
    raise Refused(
        "route_unknown",
        f"`{call.requested[:100]}` is no intent of the active configuration; use one of: {intents}"
        + (f". Models by name are not allowed in {principal.environment}" if known else ""),
        stage=6,
        inputs={"environment": principal.environment, "known_model": known is not None},
    )


def _targets(route: Route, rules: Rules) -> tuple[list[Target], list[tuple[str, str]]]:
    targets: list[Target] = []
    rejected: list[tuple[str, str]] = []
    for written in route.models:
        model = rules.configuration.aliases.get(written, written)
        found = provider_of(rules.configuration, model)
        if found is None:
            rejected.append((written, "no provider takes this model name"))
            continue
        name, provider = found
        price = rules.prices.row(name, model)
        if name not in rules.usable:
            rejected.append((written, f"provider {name} has no key: set {provider.key}"))
        elif price is None:
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
                    price=price,
                    simulated=provider.simulated,
                    limit_field=provider.output_limit_field,
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
    if principal.cap is not None:
        caps.append((f"key:{principal.key}", principal.cap))
    return tuple(caps)
