"""Who may serve a caller: by format, region, key of the environment and price; what is left alone; what steps down."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_route import NOW, call

from gateway.call import Plan, Principal, Target
from gateway.configuration.load import ConfigurationError, load
from gateway.dialects.anthropic_messages import MESSAGES
from gateway.dialects.openai_others import EMBEDDINGS
from gateway.errors import Refused
from gateway.pricing.catalogue import compile_rows
from gateway.pricing.money import Rate
from gateway.pricing.prices import PriceHistory, PriceList
from gateway.rules.breaker import FAILURES, MOST_SECONDS, OPEN_SECONDS, PROBE_SECONDS, Breaker
from gateway.rules.route import plan_route
from gateway.rules.snapshot import Rules

TEXT = """
routes:
  - {intent: support, primary: [dear-a, plain-b, local-c], max_budget_daily: 10, step_down_at: 70, step_down_to: local-c}
  - {intent: own, primary: own-d}
  - {intent: vectors, primary: text-embedding-3-small}
providers:
  dear: {base_url: "https://dear.example/v1", models: ["dear-*"], region: us, price: {input: 10, output: 40}}
  plain: {base_url: "https://plain.example/v1", models: ["plain-*"], region: eu, price: {input: 1, output: 4}}
  local: {base_url: "http://localhost:1/v1", models: ["local-*"], region: eu, price: 0, dialects: [openai.chat, anthropic.messages]}
  own:
    base_url: "https://own.example/v1"
    models: ["own-*"]
    price: {input: 1, output: 4}
    keys: {prod: "env:PROD_KEY", dev: "env:DEV_KEY"}
environments:
  prod: {max_budget_daily: 100}
  dev: {max_budget_daily: 5, paid: false}
  staging: {max_budget_daily: 5}
workflows:
  w: {purpose: p, owner: o}
  careful: {purpose: p, owner: o, regions: eu}
"""
CONFIGURATION = load(TEXT)
RULES = Rules(
    generation=1, configuration=CONFIGURATION, config_digest="c", prices_digest="p",
    prices=PriceList.parse(compile_rows(CONFIGURATION)), rate=Rate.from_usd_per_eur(Decimal(1), "2026-10-30", "ECB"),
    stops={}, registered=frozenset(), released={}, versions={},
    usable=frozenset({"dear", "plain", "local", "own/prod", "openai"}), task_pseudonym=lambda task: task,
)  # fmt: skip


def plan(model: str = "support", environment: str = "prod", workflow: str = "w", **more: Any) -> Plan:
    principal = Principal(key="k", environment=environment, workflow=workflow, status="active")
    asked = call(model)
    if dialect := more.pop("dialect", None):
        asked = asked._replace(dialect=dialect)
    return plan_route(asked, principal, replace(RULES), NOW, **more)


def named(plan: Plan) -> list[str]:
    return [one.model for one in plan.targets]


def test_a_workflow_is_served_in_its_regions_only_and_each_target_passed_over_has_its_reason() -> None:
    found = plan(workflow="careful")
    assert named(found) == ["plain-b", "local-c"]
    assert found.facts["rejected"] == [{"model": "dear-a", "reason": "provider dear is in us; this workflow allows eu"}]
    with pytest.raises(Refused, match="provider own has no `region`"):
        plan("own", workflow="careful")


def test_an_environment_that_pays_for_nothing_gets_what_is_free() -> None:
    found = plan(environment="dev")
    assert named(found) == ["local-c"]
    assert "dev takes what is free" in found.facts["rejected"][0]["reason"]


@pytest.mark.parametrize(
    ("environment", "why"), [("dev", "set env:DEV_KEY"), ("staging", "has no key for staging: add it under `keys`")]
)
def test_an_environment_never_reaches_the_key_of_another(environment: str, why: str) -> None:
    assert named(plan("own")) == ["own-d"]
    assert plan("own").targets[0].environment == "prod"
    with pytest.raises(Refused, match=why):
        plan("own", environment=environment)


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ('key: "env:A", keys: {prod: "env:B"}', "not both"),
        ('keys: {prod: "env:A", dev: "env:A"}', "same key"),
        ('keys: {nowhere: "env:A"}', "environments that do not exist: nowhere"),
        ('keys: {prod: "sk-secret"}', "secrets do not stand in the file"),
    ],
)
def test_keys_of_environments_that_make_no_sense_are_refused(keys: str, why: str) -> None:
    text = f'providers: {{own: {{base_url: "https://own.example/v1", models: ["own-*"], {keys}}}}}\n'
    with pytest.raises(ConfigurationError, match=why):
        load(text + "environments: {prod: {max_budget_daily: 1}, dev: {max_budget_daily: 1}}\n")


def test_stepping_down_needs_a_cap_of_which_it_is_a_share() -> None:
    with pytest.raises(ConfigurationError, match="step_down_to needs max_budget_daily"):
        load("routes: [{intent: a, primary: gpt-4o, step_down_to: gpt-4o-mini}]\n")


def test_a_plan_holds_what_is_done_once_the_share_is_used_up() -> None:
    found = plan()
    assert found.lower is not None
    assert (named(found), named(found.lower)) == (
        ["dear-a", "plain-b", "local-c"],
        ["local-c", "dear-a", "plain-b"],
    )
    assert found.step_down_at == 70


def test_a_caller_of_another_format_is_served_by_who_speaks_it() -> None:
    found = plan(dialect=MESSAGES)
    assert named(found) == ["local-c"]
    assert "anthropic.messages cannot be translated to that" in found.facts["rejected"][0]["reason"]


def test_a_model_that_only_embeds_is_listed_for_who_embeds_and_no_chat_reaches_it() -> None:
    assert named(plan("vectors", dialect=EMBEDDINGS)) == ["text-embedding-3-small"]
    with pytest.raises(Refused, match="it only embeds") as caught:
        plan("vectors")
    assert caught.value.code == "invalid_request"


def test_a_target_that_is_left_alone_is_passed_over_with_its_reason_unless_there_is_no_other() -> None:
    found = plan(circuits={("dear", "dear-a"): "its circuit is open"})
    assert named(found) == ["plain-b", "local-c"]
    assert {"model": "dear-a", "reason": "its circuit is open"} in found.facts["rejected"]
    every = {("dear", "dear-a"): "x", ("plain", "plain-b"): "x", ("local", "local-c"): "x"}
    assert named(plan(circuits=every)) == ["dear-a", "plain-b", "local-c"]


# The circuit breaker

TARGET = Target(
    provider="p", model="m", alias_of=None, prices=PriceHistory("m", [{"prices": {"input": 1}, "source": "s"}]),
    simulated=False,
)  # fmt: skip
PLACE = ("p", "m")


def test_a_circuit_opens_after_failures_in_a_row_and_one_call_at_a_time_finds_out_whether_it_is_over() -> None:
    breaker = Breaker()
    for _ in range(FAILURES - 1):
        breaker.note(TARGET, "http_503", 0.0)
    assert not breaker.open_at(0.0)
    breaker.note(TARGET, "timeout", 0.0)
    assert f"after {FAILURES} failures in a row" in breaker.open_at(1.0)[PLACE]
    assert not breaker.open_at(OPEN_SECONDS)
    assert not breaker.open_at(OPEN_SECONDS)  # who only looks, for another route, takes no try away
    breaker.begin(TARGET, OPEN_SECONDS)  # this call tries
    assert PLACE in breaker.open_at(OPEN_SECONDS + 1)  # the next one waits for what it finds
    assert PLACE not in breaker.open_at(OPEN_SECONDS + PROBE_SECONDS)
    breaker.note(TARGET, "answered", 0.0)
    assert not breaker.open_at(OPEN_SECONDS + PROBE_SECONDS + 1)


def test_an_answer_between_failures_begins_the_count_anew() -> None:
    breaker = Breaker()
    for _ in range(3 * FAILURES):
        breaker.note(TARGET, "cut", 0.0)
        breaker.note(TARGET, "answered", 0.0)
    assert not breaker.open_at(0.0)


@pytest.mark.parametrize("outcome", ["http_400", "http_404", "http_429", "cancelled", "no_credential"])
def test_what_the_target_is_not_to_blame_for_opens_no_circuit(outcome: str) -> None:
    breaker = Breaker()
    for _ in range(3 * FAILURES):
        breaker.note(TARGET, outcome, 0.0)
    assert not breaker.open_at(0.0)


def test_a_target_that_takes_no_more_is_left_alone_as_long_as_it_asked() -> None:
    breaker = Breaker()
    breaker.note(TARGET, "http_429", 10.0, wait=20.0)
    assert "takes no more for now; left alone for 20 s" in breaker.open_at(10.0)[PLACE]
    assert not breaker.open_at(30.0)


@given(st.lists(st.sampled_from(["http_500", "timeout", "answered"]), max_size=60), st.floats(0, 1000))
def test_no_circuit_is_open_for_longer_than_the_most(outcomes: list[str], step: float) -> None:
    breaker, now = Breaker(), 0.0
    for outcome in outcomes:
        now += step
        breaker.note(TARGET, outcome, now)
    breaker.open_at(now + MOST_SECONDS)
    assert PLACE not in breaker.open_at(now + MOST_SECONDS + PROBE_SECONDS)
