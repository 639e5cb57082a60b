"""The playbook's file loads unchanged; every mistake is named with its line."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest

from gateway.configuration import reference as reference_of
from gateway.configuration.fields import Section
from gateway.configuration.load import ConfigurationError, load, provider_of
from gateway.configuration.model import Configuration
from gateway.pricing.catalogue import compile_rows
from gateway.pricing.prices import PriceList

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
PLAYBOOK = """\
routes:
  - intent: "summarize_internal_docs"
    primary: "gemini-3.0-flash"
    fallback: "claude-3-haiku"
    cache_ttl: 3600
    max_budget_daily: 15.00 # EUR, fail fast if breached
  - intent: "complex_customer_support"
    primary: "gemini-3.1-pro"
    fallback: "gpt-4o"
    max_retries: 2
"""


def test_the_playbook_loads_verbatim_and_every_model_has_a_provider_and_a_price() -> None:
    configuration = load(PLAYBOOK)
    prices = PriceList.parse(compile_rows(configuration))
    assert [route.intent for route in configuration.routes] == ["summarize_internal_docs", "complex_customer_support"]
    assert configuration.routes[0].max_budget_daily == Decimal("15.00")
    for route in configuration.routes:
        for written in route.models:
            model = configuration.aliases.get(written, written)
            found = provider_of(configuration, model)
            assert found is not None
            history = prices.history(found[0], model)
            assert history is not None
            row = history.at(NOW)
            assert row is not None
            assert row.source.startswith("genai-prices ")


def test_an_amount_is_its_decimal_text_not_the_nearest_double() -> None:
    route = load("routes: [{intent: a, primary: gpt-4o, max_budget_daily: 15.10}]").routes[0]
    assert str(route.max_budget_daily) == "15.1"


def test_a_tiered_price_applies_the_upper_tier_above_its_start() -> None:
    prices = PriceList.parse(compile_rows(load(PLAYBOOK)))
    history = prices.history("gemini", "gemini-3.1-pro-preview")
    assert history is not None
    row = history.at(NOW)
    assert row is not None
    assert row.above == 200_000
    assert row.at(200_000).input < row.at(200_001).input


def test_a_file_s_own_provider_comes_before_the_built_in_ones() -> None:
    configuration = load(PLAYBOOK + 'providers: {mine: {base_url: "http://127.0.0.1:1/v1", models: ["*"], price: 0}}\n')
    found = provider_of(configuration, "gpt-4o")
    assert found is not None
    assert found[0] == "mine"
    rows = json.loads(compile_rows(configuration))
    assert rows["mine/gpt-4o"][0]["prices"] == {"input": 0, "output": 0}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("routes:\n  - intent: a\n    primary: b\n    tiemout: 3\n", "file:4: routes.0.tiemout: unknown key; check its spelling"),
        ("routes:\n  - intent: a\n    primary: b\n    max_retries: -1\n", "file:4: routes.0.max_retries: "),
        ("routes:\n  - intent: a\n    primary: b\n    cache_ttl: true\n", "file:4: routes.0.cache_ttl: "),
        ("routes:\n  - intent: a\n", "file:2: routes.0.primary: Field required"),
        ("routes:\n  - {intent: a, primary: b}\n  - {intent: a, primary: c}\n", "file:1: file: intents listed twice: a"),
        ("a: 1\na: 2\n", "file:2: found duplicate key"),
        ("routes: [\n", "file:2: "),
        ("- a\n", "file:1: the file must be a mapping"),
        ("organisation:\n  time_zone: Mars/Base\n", "file:2: organisation.time_zone: Mars/Base is no IANA time zone"),
        ("semantic_cache: {}\n", "file:1: semantic_cache: not available in this version"),
        ('providers:\n  p:\n    base_url: "http://x/v1"\n    models: ["*"]\n    key: sk-secret\n', "file:5: providers.p.key: write env:NAME"),
        ("workflows:\n  w: {purpose: a, owner: b, routes: [nope]}\n", "file:1: file: workflow w names routes that do not exist: nope"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line_and_what_to_do(text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(text, name="file")
    assert any(one.startswith(problem) for one in caught.value.problems), caught.value.problems


def test_the_reference_in_the_guides_is_that_of_the_model() -> None:
    from gateway.configuration.reference import reference

    page = (Path(__file__).parents[2] / "docs" / "guides" / "configuration.md").read_text("utf-8")
    assert page == reference()
    for key in ("repeat_window", "forced_tool", "from", "time_zone", "evaluators", "window_days", "output_limit_field"):
        assert f"| `{key}` |" in page


def test_the_reference_has_every_section_that_the_file_may_have() -> None:
    def below(section: type[Section]) -> set[type[Section]]:
        named = {one for field in section.model_fields.values() for one in classes_in(field.annotation)}
        return {section}.union(*(below(one) for one in named))

    def classes_in(kind: Any) -> set[type[Section]]:
        if isinstance(kind, type) and issubclass(kind, Section):
            return {kind}
        return set().union(*(classes_in(one) for one in get_args(kind)))

    assert {section for _, section in reference_of._PLACES} == below(Configuration)
