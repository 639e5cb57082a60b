"""Money is integers with one rounding, upwards; held against exact decimals."""

from decimal import ROUND_CEILING, Decimal, getcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.economics.money import PriceRow, Rate, Usage, cost, nano_eur, read_eur, worst_case
from ledger.amounts import eur

getcontext().prec = 60
tokens = st.integers(0, 10**7)
prices = st.integers(0, 10**9)
rows = st.builds(
    PriceRow, model=st.just("m"), input=prices, cached=prices, cache_write=prices, output=prices, source=st.just("s")
)
usages = st.builds(Usage, input=tokens, cached=tokens, cache_write=tokens, output=tokens)
rates = st.decimals(Decimal("0.1"), Decimal("10"), places=4).map(
    lambda value: Rate.from_usd_per_eur(value, "2026-01-01", "s")
)


@given(usages, rows, st.decimals(Decimal("0.1"), Decimal("10"), places=4))
def test_the_cost_is_the_exact_quotient_rounded_up_once(usage: Usage, row: PriceRow, usd_per_eur: Decimal) -> None:
    rate = Rate.from_usd_per_eur(usd_per_eur, "2026-01-01", "s")
    pico = (
        usage.input * row.input
        + usage.cached * row.cached
        + usage.cache_write * row.cache_write
        + usage.output * row.output
    )
    exact = Decimal(pico) / Decimal(1000) / usd_per_eur
    assert cost(usage, row, rate) == int(exact.to_integral_value(ROUND_CEILING))


@given(usages, rows, rates)
def test_no_usage_within_the_bounds_costs_more_than_the_worst_case(usage: Usage, row: PriceRow, rate: Rate) -> None:
    bound = usage.input + usage.cached + usage.cache_write
    assert cost(usage, row, rate) <= worst_case(bound, usage.output, row, rate)


@given(st.decimals(Decimal(0), Decimal(10**6), places=9))
def test_an_amount_becomes_nano_eur_and_text_without_loss(amount: Decimal) -> None:
    assert Decimal(eur(nano_eur(amount)).removeprefix("EUR ")) == amount


def test_an_amount_is_read_exactly_or_not_at_all() -> None:
    assert [read_eur(text) for text in ("2.50", "0", "0.000000001", "15")] == [2_500_000_000, 0, 1, 15 * 10**9]
    for text in ("", "-1", "1,5", "1e3", "0.0000000001", "nan", "٣"):
        with pytest.raises(ValueError, match=r"write it like 2\.50"):
            read_eur(text)
