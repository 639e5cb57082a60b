"""A call is charged by what was reported, and what cannot be charged is said."""

from decimal import Decimal

from gateway.call import LookUp, Opened, Outcome, Plan, Target
from gateway.charging.charge import Charge, charge
from gateway.pricing.money import Rate, Reported, Usage
from gateway.pricing.prices import PriceHistory, PriceList

USD = Rate(num=1, den=1, date="", source="")
OPENED = Opened("call", 0, "ent", None, None, (), 10**9, "2026-11-28T12:00:00.000000Z")
PLAN = Plan("r", False, (), (), 0, 1.0, 1.0, 1.0, None, False, 0.0, 0, 1, False, 0, None, None, 0, 10**9, (), {})


def charged(*rows: dict[str, object], **said: object) -> Charge:
    target = Target(provider="p", model="m", alias_of=None, prices=PriceHistory("m", rows), simulated=False)
    outcome = Outcome(result="answered", reported=Reported(Usage(10, 0, 0, 5)), complete=True)._replace(**said)
    return charge(PLAN, OPENED, (), (), target, outcome, USD, PriceList({}))


def test_a_row_with_kinds_that_nobody_here_counts_is_flagged() -> None:
    row = {"prices": {"input": 10**6, "output": 10**6}, "source": "s"}
    assert charged(row).checks == ()
    (check,) = charged(row | {"unpriced": ["audio_hours"]}).checks
    assert (check.id, check.inputs) == ("price-kinds", {"kinds": ["audio_hours"]})
    assert charged(row | {"unpriced": ["storage_searches_kcount"]}).checks == ()


def test_the_cost_follows_from_the_price_and_the_usage_that_the_entry_states() -> None:
    row = {"prices": {"input": [10**6, [[100, 3 * 10**6]]], "output": 10**6, "cached": 5 * 10**5}, "source": "s"}
    usage = Usage(90, 20, 0, 5, 0, (("audio_input", 7),))
    found = charged(row, reported=Reported(usage))
    assert found.price is not None
    price = found.price.facts_for(usage)
    counts = {
        name.removesuffix("_tokens"): count for name, count in usage.facts().items() if name != "reasoning_tokens"
    }
    assert found.amount == sum(count * price[f"{kind}_pico_usd"] for kind, count in counts.items()) // 1000
    assert price["input_pico_usd"] == price["audio_input_pico_usd"] == 3 * 10**6  # above 100 tokens of input


def test_the_tier_that_answered_is_charged_and_an_unknown_one_is_an_upper_bound() -> None:
    rows = (
        {"prices": {"input": 10**6, "output": 10**6}, "source": "s"},
        {"prices": {"input": 2 * 10**6, "output": 2 * 10**6}, "source": "s", "tier": "priority"},
    )
    found = [charged(*rows, service_tier=tier) for tier in (None, "default", "priority", "made up")]
    assert [(one.amount, one.state) for one in found] == [
        (15_000, "provider_reported"), (15_000, "provider_reported"), (30_000, "provider_reported"),
        (10**9, "upper_bound"),
    ]  # fmt: skip
    assert [check.id for check in found[-1].checks] == ["service-tier"]


def test_what_a_provider_says_that_it_cost_counts_where_it_is_more_and_never_where_it_is_less() -> None:
    row = {"prices": {"input": 10**6, "output": 10**6}, "source": "s"}  # 15 tokens at 1 USD a million: 15,000 nano-EUR
    found = [
        charged(row, reported=Reported(Usage(10, 0, 0, 5), stated=Decimal(amount)))
        for amount in ("0.00001", "0.000015", "0.00002")
    ]
    assert [(one.amount, one.state) for one in found] == [
        (15_000, "provider_reported"), (15_000, "provider_reported"), (20_000, "provider_stated"),
    ]  # fmt: skip
    assert [one.computed for one in found] == [15_000] * 3


def test_the_cost_of_a_look_up_follows_from_the_price_and_usage_that_its_entry_states() -> None:
    """A dearer tier of the model is not asked for, so it is not charged."""
    rows = (
        {"prices": {"input": 10**6, "output": 0}, "source": "s"},
        {"prices": {"input": 3 * 10**6, "output": 0}, "source": "s", "tier": "priority"},
    )
    target = Target(provider="p", model="e", alias_of=None, prices=PriceHistory("e", rows), simulated=False)
    reported = LookUp(target, "answered", "reported", 200, 5, None, Usage(20), 90)
    tried = [reported, reported._replace(billed="unknown", usage=None), reported._replace(billed="no", usage=None)]
    found = charge(PLAN, OPENED, (), tried, None, Outcome(result="failed"), USD, PriceList({}))
    assert [one["cost_nano_eur"] for one in found.look_ups] == [20_000, 90_000, 0]
    assert found.look_ups[0]["price"]["input_pico_usd"] * found.look_ups[0]["usage"]["input_tokens"] == 20_000_000
    assert (found.amount, found.looked_up, found.state) == (110_000, 110_000, "upper_bound")
