"""Money is integers with one rounding, upwards; held against exact decimals."""

from decimal import ROUND_CEILING, Decimal, getcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pricing.money import OUTPUTS, PriceRow, Rate, Usage, cost, nano_eur, read_eur, worst_case
from ledger.amounts import eur

getcontext().prec = 60
tokens = st.integers(0, 10**7)
prices = st.integers(0, 10**9)
rows = st.builds(
    PriceRow,
    model=st.just("m"),
    input=prices,
    cached=prices,
    cache_write=prices,
    output=prices,
    source=st.just("s"),
    others=st.dictionaries(st.sampled_from(["audio_input", "reasoning", "audio_output", "citation"]), prices),
)
rare = st.dictionaries(
    st.sampled_from(["audio_input", "audio_cached", "image_input", "audio_output", "citation"]), tokens
)
usages = st.builds(
    Usage, input=tokens, cached=tokens, cache_write=tokens, output=tokens, reasoning=st.just(0),
    others=rare.map(lambda counts: tuple(counts.items())),
)  # fmt: skip
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
        + sum(count * row.price(kind) for kind, count in usage.others)
    )
    exact = Decimal(pico) / Decimal(1000) / usd_per_eur
    assert cost(usage, row, rate) == int(exact.to_integral_value(ROUND_CEILING))


@given(usages, rows, rates)
def test_no_usage_within_the_bounds_costs_more_than_the_worst_case(usage: Usage, row: PriceRow, rate: Rate) -> None:
    output = usage.output + sum(count for kind, count in usage.others if kind in OUTPUTS)
    assert cost(usage, row, rate) <= worst_case(usage.all_input, output, row, rate)


def test_what_is_billed_apiece_and_priced_apart_is_charged_and_reserved() -> None:
    usd = Rate(num=1, den=1, date="", source="")
    row = PriceRow(
        model="m", input=10**6, cached=10**6, cache_write=10**6, output=4 * 10**6, source="s",
        others={"request": 5 * 10**9, "web_search": 10**10, "audio_input": 17 * 10**6, "reasoning": 10**6},
    )  # fmt: skip
    usage = Usage(10, 0, 0, 10, 4, (("audio_input", 100), ("web_search", 2), ("request", 1)))
    assert cost(usage, row, usd) == (10 + 6 * 4 + 4 * 1 + 100 * 17) * 1000 + 5 * 10**6 + 2 * 10**7
    assert worst_case(10, 0, row, usd) == 10 * 17_000 + 5 * 10**6
    assert worst_case(10, 0, row, usd, searches=True) == 10 * 17_000 + 5 * 10**6 + 10 * 10**7


@given(st.decimals(Decimal(0), Decimal(10**6), places=9))
def test_an_amount_becomes_nano_eur_and_text_without_loss(amount: Decimal) -> None:
    assert Decimal(eur(nano_eur(amount)).removeprefix("EUR ")) == amount


def test_an_amount_is_read_exactly_or_not_at_all() -> None:
    assert [read_eur(text) for text in ("2.50", "0", "0.000000001", "15")] == [2_500_000_000, 0, 1, 15 * 10**9]
    for text in ("", "-1", "1,5", "1e3", "0.0000000001", "nan", "٣"):
        with pytest.raises(ValueError, match=r"write it like 2\.50"):
            read_eur(text)
