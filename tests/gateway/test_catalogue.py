"""Each model of the price catalogue costs at three instants what the catalogue's own calculation says."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import Usage as TheirUsage
from genai_prices.data import providers

from gateway.pricing.catalogue import rows_of
from gateway.pricing.money import Rate, Usage, cost
from gateway.pricing.prices import PriceHistory

USD = Rate(num=1, den=1, date="", source="")
INSTANTS = (
    datetime(2026, 3, 1, 2, 0, tzinfo=UTC), datetime(2026, 11, 28, 12, 0, tzinfo=UTC),
    datetime(2027, 1, 2, 7, 30, tzinfo=UTC),
)  # fmt: skip
USAGES = (Usage(1000, 0, 0, 500), Usage(1200, 300, 0, 77), Usage(900, 0, 150, 1), Usage(150_000, 100_001, 0, 9000))


def theirs(provider: Any, model: Any, usage: Usage, at: datetime, context: dict[str, str] | None = None) -> Decimal:
    given = TheirUsage(
        input_tokens=usage.all_input, cache_read_tokens=usage.cached, cache_write_tokens=usage.cache_write,
        output_tokens=usage.output,
    )  # fmt: skip
    total: Decimal = model.calc_price(given, provider, genai_request_timestamp=at, price_context=context).total_price
    return total * 10**9


@pytest.mark.parametrize("provider", providers, ids=lambda one: one.id)
def test_each_model_costs_at_three_instants_what_the_catalogue_says(provider: Any) -> None:
    for model in provider.models:
        rows = rows_of(model)
        if rows is None:
            continue  # without a price of tokens: such a model is refused
        history = PriceHistory(model.id, rows)
        boundaries = [
            datetime.combine(date.fromisoformat(row["from"]), datetime.min.time(), UTC) for row in rows if "from" in row
        ]
        edges = [edge for day in boundaries for edge in (day - timedelta(seconds=1), day)]
        for at in (*INSTANTS, *edges):
            row = history.at(at)
            assert row is not None
            for usage in USAGES:
                apiece = usage._replace(others=(("request", 1),))
                expected = theirs(provider, model, usage, at)
                # Their prices may be binary fractions of a pico-USD, ours are whole ones.
                assert abs(cost(apiece, row, USD) - expected) <= 1 + expected / 10**6, (model.id, at, usage)


def test_a_tier_that_answers_has_its_own_price_and_an_unknown_one_has_none() -> None:
    seen = 0
    for provider in providers:
        for model in provider.models:
            rows = rows_of(model) or []
            tiers = {str(row["tier"]) for row in rows if row.get("tier") in ("flex", "priority")}
            for tier in tiers:
                row = PriceHistory(model.id, rows).at(INSTANTS[1], tier)
                assert row is not None
                expected = theirs(provider, model, USAGES[0], INSTANTS[1], {"service_tier": tier})
                assert abs(cost(USAGES[0], row, USD) - expected) <= 1, (model.id, tier)
                seen += 1
            if rows:
                assert PriceHistory(model.id, rows).at(INSTANTS[1], "never-heard-of") is None
    assert seen > 40


def test_a_price_begins_on_its_day_without_an_activation_and_an_early_call_keeps_the_old_one() -> None:
    rows = [
        {"prices": {"input": 1, "output": 1}, "source": "s"},
        {"prices": {"input": 2, "output": 2}, "source": "s", "from": "2026-12-01"},
    ]
    history = PriceHistory("m", rows)
    found = [
        history.at(datetime(2026, month, day, hour, 59, tzinfo=UTC)) for month, day, hour in ((11, 30, 23), (12, 1, 0))
    ]
    assert [row.input for row in found if row] == [1, 2]
    assert [row.input for row in history.of_day(datetime(2026, 11, 30, tzinfo=UTC))] == [1]


def test_a_price_by_the_time_of_day_holds_in_its_hours_and_the_dearest_of_the_day_is_reserved() -> None:
    rows = [
        {"prices": {"input": 1, "output": 1}, "source": "s"},
        {"prices": {"input": 5, "output": 5}, "source": "s", "hours": ["16:30", "00:30"]},
    ]
    history = PriceHistory("m", rows)
    times = {(0, 29): 5, (0, 30): 1, (16, 29): 1, (16, 30): 5, (23, 59): 5}
    for (hour, minute), price in times.items():
        row = history.at(datetime(2026, 11, 28, hour, minute, tzinfo=UTC))
        assert row is not None
        assert row.input == price, (hour, minute)
    assert max(row.input for row in history.of_day(datetime(2026, 11, 28, 12, tzinfo=UTC))) == 5


def test_kinds_that_nobody_here_counts_are_named_in_the_row() -> None:
    named = {
        kind for provider in providers for model in provider.models for row in rows_of(model) or ()
        for kind in row.get("unpriced", ())
    }  # fmt: skip
    assert "storage_searches_kcount" in named
    assert not named & {"input_audio_mtok", "web_searches_kcount", "requests_kcount", "output_reasoning_mtok"}
