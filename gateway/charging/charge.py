"""What a call costs: the usage that was reported, at the price of the call's instant and of the tier that answered.

Reported usage is charged as it is, even above the reservation. Where an answer or an attempt may have been billed and
nobody reported how much, its worst case is charged and the cost says `upper_bound`. Where the provider stated an amount
itself, the larger of the two counts.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gateway.call import Attempt, Check, LookUp, Opened, Outcome, Plan, Target
from gateway.dialects.words import as_identifier, as_tier, is_dated_form
from gateway.pricing.money import PriceRow, Rate, Usage, cost
from gateway.pricing.prices import PriceList
from ledger.entry import parse_time

ELSEWHERE = frozenset({"storage_searches_kcount"})
"""Kinds of a row that no chat completion is billed by: searching stored files is a tool of another API."""


class Charge(NamedTuple):
    """The cost of a call in nano-EUR, its state, and what it was computed from."""

    amount: int
    state: str
    usage: Usage | None = None
    price: PriceRow | None = None
    computed: int | None = None
    stated: int | None = None
    checks: tuple[Check, ...] = ()
    beside: tuple[Mapping[str, Any], ...] = ()
    """Model, usage and price of what other models did for the call, as the entry states them."""
    look_ups: tuple[Mapping[str, Any], ...] = ()
    """What was embedded for it, with usage, price and cost, as the entry states it."""

    @property
    def looked_up(self) -> int:
        """Return the part of the cost that this is."""
        return sum(one["cost_nano_eur"] for one in self.look_ups)


def charge(
    plan: Plan, opened: Opened, attempts: Sequence[Attempt], look_ups: Sequence[LookUp], target: Target | None,
    outcome: Outcome, rate: Rate, prices: PriceList,
) -> Charge:  # fmt: skip
    """Return what a call costs. The state is none, provider_reported, provider_stated or upper_bound."""
    found = _of_answer(plan, opened, attempts, target, outcome, rate, prices)
    if not look_ups:
        return found
    both = found._replace(look_ups=tuple([one.facts(opened.at, rate) for one in look_ups]))
    state = found.state if found.state != "none" or not both.looked_up else "provider_reported"
    unknown = any(one.usage is None for one in look_ups if one.billed != "no")
    return both._replace(amount=found.amount + both.looked_up, state="upper_bound" if unknown else state)


def _of_answer(
    plan: Plan, opened: Opened, attempts: Sequence[Attempt], target: Target | None, outcome: Outcome, rate: Rate,
    prices: PriceList,
) -> Charge:  # fmt: skip
    ambiguous = sum(plan.attempt_reserved for one in attempts if one.billed == "unknown")
    if outcome.cached_from or target is None:
        return Charge(ambiguous, "upper_bound" if ambiguous else "none")
    if outcome.reported is None:
        return Charge(
            ambiguous + plan.attempt_reserved, "upper_bound", price=target.prices.row_of(opened.at),
            checks=_who(target, outcome),
        )  # fmt: skip
    row, computed, usage = _priced(target, opened.at, outcome, rate)
    beside = _by_others(target, opened.at, outcome, prices)
    computed += sum(cost(usage, one, rate) for _, usage, one in beside if one)
    unknown = any(one is None for _, _, one in beside)
    stated = None if outcome.reported.stated is None else rate.nano_eur(outcome.reported.stated)
    amount, state = max(computed, stated or 0), "provider_reported"
    if stated is not None and stated > computed:
        state = "provider_stated"
    checks = [*_who(target, outcome), *_contradictions(outcome), *_uncounted(row)]
    if unknown:
        checks.append(Check("other-models", "flag", "another model took part, for which no price is known"))
    if row is None:
        tier = {"service_tier": as_tier(outcome.service_tier or "")}
        checks.append(Check("service-tier", "flag", "no price is known for the tier that answered", tier))
    if row is None or unknown or not outcome.complete:
        amount, state = max(plan.attempt_reserved, amount), "upper_bound"
    return Charge(
        ambiguous + amount,
        "upper_bound" if ambiguous else state,
        usage,
        row,
        computed,
        stated,
        tuple(checks),
        tuple([_beside_facts(*one) for one in beside]),
    )


def _priced(target: Target, at: str, outcome: Outcome, rate: Rate) -> tuple[PriceRow | None, int, Usage]:
    """Return the row, the cost by it and the usage with what is billed apiece. Without a row for the tier that answered
    the cost is by the dearest of the day."""
    assert outcome.reported is not None
    usage = outcome.reported.usage
    row = target.prices.row_of(at, outcome.service_tier)
    rows = [row] if row else target.prices.of_day(parse_time(at))
    if any([one.price("request") for one in rows]):
        usage = usage._replace(others=(*usage.others, ("request", 1)))
    return row, max(cost(usage, one, rate) for one in rows), usage


def _by_others(
    target: Target, at: str, outcome: Outcome, prices: PriceList
) -> list[tuple[str, Usage, PriceRow | None]]:
    """Return what other models did that the provider used for the call, each with its price if one is known."""
    found = []
    for model, usage in outcome.reported.by_others if outcome.reported else ():
        history = prices.history(target.provider, model)
        found.append((model, usage, history.row_of(at) if history else None))
    return found


def _beside_facts(model: str, usage: Usage, row: PriceRow | None) -> dict[str, Any]:
    price = {"price": row.facts_for(usage)} if row else {}
    return {"model": as_identifier(model), "usage": usage.facts()} | price


def _who(target: Target, outcome: Outcome) -> tuple[Check, ...]:
    if not outcome.model or is_dated_form(outcome.model, target.model):
        return ()
    return (Check("reported-model", "flag", "the answer names another model than the one that was asked for"),)


def _contradictions(outcome: Outcome) -> tuple[Check, ...]:
    said = outcome.reported.contradictions if outcome.reported else ()
    if not said:
        return ()
    inputs: dict[str, Any] = {"contradictions": list(said)}
    return (Check("usage-consistent", "flag", "the counts contradict one another", inputs),)


def _uncounted(row: PriceRow | None) -> tuple[Check, ...]:
    kinds = [kind for kind in row.unpriced if kind not in ELSEWHERE] if row else []
    if not kinds:
        return ()
    return (Check("price-kinds", "flag", "its price row has kinds that are not counted here", {"kinds": kinds}),)
