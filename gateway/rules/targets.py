"""Which models may serve a caller, and why the others may not. Pure."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from gateway.call import Target
from gateway.configuration.load import provider_of
from gateway.configuration.model import Configuration, Provider
from gateway.dialects.openai_others import EMBEDDINGS
from gateway.dialects.pairs import pair_of
from gateway.pricing.prices import PriceHistory, PriceList


class Caller(NamedTuple):
    """What of a caller decides which targets may serve it; None for whatever it is."""

    environment: str | None = None
    dialect: str | None = None
    regions: tuple[str, ...] = ()
    """Where data may be processed; empty for anywhere."""
    paid: bool = True
    """Models that cost something may serve it."""


ANYBODY = Caller()


def targets_of(
    models: Sequence[str], configuration: Configuration, listed: PriceList, usable: Collection[str],
    caller: Caller = ANYBODY,
) -> tuple[list[Target], list[tuple[str, str]]]:  # fmt: skip
    """Return the targets in order, and the models that cannot serve the caller with the reason and what to do.

    Args:
        usable: providers with a key, or that need none; `provider/environment` where each environment has its own.
    """
    targets: list[Target] = []
    rejected: list[tuple[str, str]] = []
    for written in models:
        model = configuration.aliases.get(written, written)
        found = provider_of(configuration, model)
        if found is None:
            rejected.append((written, "no provider takes this model name"))
            continue
        name, provider = found
        prices = listed.history(name, model)
        reason = (
            _objection_of_format(name, provider, caller)
            or _objection_of_key(name, provider, usable, caller)
            or _objection_of_price(name, model, prices, caller)
        )
        if reason:
            rejected.append((written, reason))
        else:
            targets.append(_target(name, provider, model, written, prices, caller))
    return targets, rejected


def _objection_of_format(name: str, provider: Provider, caller: Caller) -> str:
    if caller.regions and provider.region not in caller.regions:
        stands = f"is in {provider.region}" if provider.region else "has no `region`"
        return f"provider {name} {stands}; this workflow allows {', '.join(caller.regions)}"
    if pair_of(caller.dialect or provider.dialects[0], provider.dialects) is None:
        return f"provider {name} speaks {', '.join(provider.dialects)}; {caller.dialect} cannot be translated to that"
    return ""


def _objection_of_key(name: str, provider: Provider, usable: Collection[str], caller: Caller) -> str:
    if not provider.keys:
        return "" if name in usable else f"provider {name} has no key: set {provider.key}"
    if caller.environment is None:
        places = [f"{name}/{one}" for one in provider.keys]
        return "" if any(one in usable for one in places) else f"provider {name} has no key in any environment"
    if caller.environment not in provider.keys:
        return f"provider {name} has no key for {caller.environment}: add it under `keys`"
    return "" if f"{name}/{caller.environment}" in usable else (
        f"provider {name} has no key: set {provider.keys[caller.environment]}"
    )  # fmt: skip


def _objection_of_price(name: str, model: str, prices: PriceHistory | None, caller: Caller) -> str:
    if prices is None:
        return f"no price known: add `providers: {{{name}: {{prices: {{{model}: {{input: .., output: ..}}}}}}}}`"
    if not prices.has_output and caller.dialect not in (None, EMBEDDINGS.name):
        return "it only embeds: it has no price for output"
    if not caller.paid and not prices.is_free:
        return f"it costs something, and {caller.environment} takes what is free: `paid: false`"
    return ""


def _target(
    name: str, provider: Provider, model: str, written: str, prices: PriceHistory | None, caller: Caller
) -> Target:
    pair = pair_of(caller.dialect or provider.dialects[0], provider.dialects)
    assert prices is not None, "a target without prices was rejected"
    assert pair is not None, "a target of a format that cannot be spoken was rejected"
    return Target(
        provider=name, model=model, alias_of=written if written != model else None, prices=prices, pair=pair,
        simulated=provider.simulated, limit_field=provider.output_limit_field,
        asks_usage=provider.stream_usage == "asked", environment=caller.environment or "",
    )  # fmt: skip
