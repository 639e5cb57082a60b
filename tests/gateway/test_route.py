"""Stage 6 is pure: the playbook's routes give these targets, and the same inputs give the same plan."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from test_configuration import PLAYBOOK

from gateway.call import Arrival, Call, Plan, Principal
from gateway.configuration.load import load
from gateway.errors import Refused
from gateway.pipeline.open import budget_rows
from gateway.pipeline.parse import parse
from gateway.pricing.catalogue import compile_rows
from gateway.pricing.money import Rate
from gateway.pricing.prices import PriceList
from gateway.rules.route import plan_route
from gateway.rules.snapshot import Rules

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
CONFIGURATION = load(PLAYBOOK)
RULES = Rules(
    generation=1, configuration=CONFIGURATION, config_digest="c", prices_digest="p",
    prices=PriceList.parse(compile_rows(CONFIGURATION)), rate=Rate.from_usd_per_eur(Decimal("1.1172"), "2026-10-30", "ECB"),
    stops={}, registered=frozenset(), released={}, versions={}, usable=frozenset({"gemini", "anthropic", "openai"}),
    task_pseudonym=lambda task: task,
)  # fmt: skip


def call(model: str, **more: object) -> Call:
    import json

    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hi"}]} | more).encode()
    return parse(Arrival(call="call_1", headers={}, body=body))


def plan(model: str, environment: str = "prod", rules: Rules = RULES, **more: object) -> Plan:
    return plan_route(
        call(model, **more), Principal(key="k", environment=environment, workflow="w", status="active"), rules, NOW
    )


def test_the_playbook_s_routes_have_their_targets_in_order_with_alias_and_cap() -> None:
    docs, support = plan("summarize_internal_docs"), plan("complex_customer_support")
    assert [(one.provider, one.model, one.alias_of) for one in docs.targets] == [
        ("gemini", "gemini-3-flash-preview", "gemini-3.0-flash"), ("anthropic", "claude-3-haiku", None),
    ]  # fmt: skip
    assert [(one.provider, one.model) for one in support.targets] == [
        ("gemini", "gemini-3.1-pro-preview"),
        ("openai", "gpt-4o"),
    ]
    assert docs.caps == (("environment:prod", 100 * 10**9), ("route:prod:summarize_internal_docs", 15 * 10**9))
    assert (docs.cache_ttl, support.max_retries, docs.output_limit, docs.output_limit_set) == (3600, 2, 4096, True)


def test_equal_inputs_give_an_equal_plan() -> None:
    assert plan("summarize_internal_docs") == plan("summarize_internal_docs")


def test_a_target_without_credentials_is_rejected_with_the_variable_to_set() -> None:
    found = plan("complex_customer_support", rules=replace(RULES, usable=frozenset({"openai"})))
    assert [one.provider for one in found.targets] == ["openai"]
    assert found.rejected == (("gemini-3.1-pro", "provider gemini has no key: set env:GEMINI_API_KEY"),)


def test_the_reservation_is_that_of_the_dearest_target_and_all_choices() -> None:
    one, two = plan("complex_customer_support", max_tokens=1000), plan("complex_customer_support", max_tokens=1000, n=2)
    dearest = max(row.output for target in one.targets for row in target.prices.of_day(NOW))
    assert two.reserved - one.reserved >= 1000 * dearest * 10_000 // (11_172 * 1000) - 100_000
    assert one.reserved > 0


def test_a_model_by_name_is_served_directly_in_dev_and_refused_in_prod() -> None:
    assert (plan("gpt-4o", "dev").route, plan("gpt-4o", "dev").direct) == ("direct", True)
    with pytest.raises(Refused) as caught:
        plan("gpt-4o")
    assert caught.value.code == "route_unknown"
    assert "summarize_internal_docs, complex_customer_support" in caught.value.message


def test_a_call_with_tools_is_never_answered_from_the_cache() -> None:
    tool = {"type": "function", "function": {"name": "a"}}
    assert plan("summarize_internal_docs", tools=[tool]).cache_ttl == 0


def test_caps_are_those_of_the_environment_the_route_the_workflow_and_the_key() -> None:
    text = PLAYBOOK + "workflows: {w: {purpose: p, owner: o, max_budget_daily: 2.5}}\n"
    rules = replace(RULES, configuration=load(text), registered=frozenset({"w"}))
    principal = Principal(key="k", environment="prod", workflow="w", status="active", cap=7)
    assert plan_route(call("summarize_internal_docs"), principal, rules, NOW).caps == (
        ("environment:prod", 100 * 10**9), ("route:prod:summarize_internal_docs", 15 * 10**9),
        ("workflow:prod:w", 2_500_000_000), ("key:k", 7),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2026-03-28T22:59:59Z", "2026-03-28"), ("2026-03-28T23:00:00Z", "2026-03-29"),  # into the day of 23 hours
        ("2026-03-29T21:59:59Z", "2026-03-29"), ("2026-03-29T22:00:00Z", "2026-03-30"),
        ("2026-10-24T22:00:00Z", "2026-10-25"), ("2026-10-25T00:30:00Z", "2026-10-25"),  # 02:30 for the first time
        ("2026-10-25T01:30:00Z", "2026-10-25"),  # and for the second
        ("2026-10-25T22:59:59Z", "2026-10-25"), ("2026-10-25T23:00:00Z", "2026-10-26"),  # the end of 25 hours
    ],
)  # fmt: skip
def test_a_budget_s_day_is_the_date_on_the_wall_when_the_clocks_change_too(instant: str, day: str) -> None:
    rows = budget_rows((("environment:prod", 5),), "Europe/Berlin", datetime.fromisoformat(instant))
    assert rows == ((f"budget:environment:prod:{day}", 5),)
