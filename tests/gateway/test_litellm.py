"""A LiteLLM proxy's configuration becomes one of ours that loads; what is not carried over is named, no key is copied."""

import json
import random
import string
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gateway.configuration.litellm import Translated, translate
from gateway.configuration.load import ConfigurationError, load, provider_of
from gateway.configuration.model import Configuration
from gateway.oversight.serving import findings
from gateway.pricing.catalogue import compile_rows
from gateway.pricing.prices import PriceList

COMPANY = """
model_list:
  - model_name: support
    litellm_params:
      model: azure/gpt-4o-eu
      api_base: https://acme-eu.openai.azure.com/
      api_key: os.environ/AZURE_API_KEY_EU
      api_version: "2024-10-21"
      order: 2
      rpm: 600
  - model_name: support
    litellm_params:
      model: openai/gpt-4o
      api_key: os.environ/OPENAI_API_KEY
      order: 1
      timeout: 120
      max_tokens: 2048
  - model_name: writer
    litellm_params: {model: anthropic/claude-sonnet-4-5, temperature: 0.2, max_budget: 10, budget_duration: 1d}
  - model_name: search
    litellm_params: {model: openai/text-embedding-3-small, api_key: os.environ/OPENAI_API_KEY}
  - model_name: local
    litellm_params: {model: ollama/llama3.1, api_base: "http://10.0.0.5:11434"}
  - model_name: fine-tuned
    litellm_params:
      model: hosted_vllm/acme-7b
      api_base: http://gpu.internal:8000/v1
      input_cost_per_token: 1e-7
      output_cost_per_token: 0.0000003
  - model_name: legal
    litellm_params: {model: bedrock/anthropic.claude-3-sonnet-20240229-v1:0, aws_region_name: eu-central-1}
  - model_name: "openai/*"
    litellm_params: {model: "openai/*", api_key: os.environ/OPENAI_API_KEY}
router_settings:
  routing_strategy: simple-shuffle
  num_retries: 3
  timeout: 300
  fallbacks: [{support: [writer, nowhere]}, {writer: [local]}]
  context_window_fallbacks: [{support: [writer]}]
  model_group_alias: {gpt-4: support}
litellm_settings:
  drop_params: true
  num_retries: 5
  max_budget: 55.86
  budget_duration: 1d
  cache: true
  cache_params: {type: redis, ttl: 600, host: redis.internal}
  success_callback: [langfuse]
general_settings:
  master_key: os.environ/LITELLM_MASTER_KEY
  database_url: os.environ/DATABASE_URL
"""


def made(text: str) -> tuple[Configuration, Translated]:
    translated = translate(text, name="litellm.yaml")
    return load(translated.text), translated


def places(translated: Translated) -> dict[str, str]:
    return {one.place: one.why for one in translated.notes}


def test_a_company_s_file_becomes_routes_with_their_order_fallbacks_retries_and_limits() -> None:
    configuration, translated = made(COMPANY)
    routes = {one.intent: one for one in configuration.routes}
    assert list(routes) == ["support", "writer", "search", "local", "fine-tuned", "gpt-4"]
    support = routes["support"]
    assert support.primary == ("gpt-4o", "gpt-4o-eu")
    assert support.fallback == ("claude-sonnet-4-5",)
    assert (support.max_retries, support.whole_answer, support.max_output_tokens, support.cache_ttl) == (
        3,
        120,
        2048,
        600,
    )
    assert routes["gpt-4"].models == support.models
    assert (routes["writer"].fallback, routes["writer"].whole_answer) == (("llama3.1",), 300)
    assert routes["writer"].max_budget_daily == Decimal("8.95")  # USD 10 at 1.1172, down to the cent
    assert configuration.environments["prod"].max_budget_daily == Decimal("50.00")
    assert translated.variables == ("ANTHROPIC_API_KEY", "AZURE_API_KEY_EU", "OPENAI_API_KEY")


def test_every_model_of_a_route_has_the_provider_and_the_key_that_the_file_said() -> None:
    configuration, _ = made(COMPANY)
    served = {model: provider_of(configuration, model) for route in configuration.routes for model in route.models}
    where = {model: (found[1].base_url, found[1].key) for model, found in served.items() if found}
    assert where == {
        "gpt-4o": ("https://api.openai.com/v1", "env:OPENAI_API_KEY"),
        "gpt-4o-eu": ("https://acme-eu.openai.azure.com/openai/v1", "env:AZURE_API_KEY_EU"),
        "claude-sonnet-4-5": ("https://api.anthropic.com/v1", "env:ANTHROPIC_API_KEY"),
        "text-embedding-3-small": ("https://api.openai.com/v1", "env:OPENAI_API_KEY"),
        "llama3.1": ("http://10.0.0.5:11434/v1", None),
        "acme-7b": ("http://gpu.internal:8000/v1", None),
    }
    price = configuration.providers["hosted_vllm"].prices["acme-7b"][0]
    assert (price.input, price.output) == (Decimal("0.1"), Decimal("0.3"))


def test_what_is_wrong_with_the_translation_is_a_price_that_nobody_gave() -> None:
    """The judge is `config check`: with every key at hand only a deployment without a price is refused."""
    configuration, translated = made(COMPANY)
    environment = dict.fromkeys(translated.variables, "x")
    found = findings(configuration, PriceList.parse(compile_rows(configuration)), environment)
    assert {one.text.partition(": add")[0] for one in found} == {
        "route support: gpt-4o-eu: no price known", "route gpt-4: gpt-4o-eu: no price known",
    }  # fmt: skip


def test_what_is_not_carried_over_is_named_with_its_reason_in_the_result_and_in_the_file() -> None:
    _, translated = made(COMPANY)
    said = places(translated)
    assert list(said) == [
        "model_list[0].litellm_params.api_version (support)", "model_list[0].litellm_params.rpm (support)",
        "model_list[2].litellm_params.temperature (writer)", "model_list[6] (legal)", "model_list[7]",
        "router_settings.routing_strategy", "router_settings.fallbacks[0].support[1]",
        "router_settings.context_window_fallbacks[0].support[0]", "litellm_settings.drop_params", "litellm_settings.num_retries",
        "litellm_settings.cache_params.type", "litellm_settings.cache_params.host", "litellm_settings.success_callback[0]",
        "general_settings.master_key", "general_settings.database_url",
    ]  # fmt: skip
    head = translated.text.partition("\nroutes:")[0]
    for place, why in said.items():
        assert f"#   {place}: {why}" in head
    assert "whyledger key create" in said["general_settings.master_key"]


def test_keys_that_stand_in_the_file_are_not_copied_and_each_gets_a_variable() -> None:
    text = (
        "model_list:\n"
        "  - {model_name: a, litellm_params: {model: openai/gpt-4o, api_key: sk-one}}\n"
        "  - {model_name: b, litellm_params: {model: openai/gpt-4o-mini, api_key: sk-two}}\n"
        "  - {model_name: c, litellm_params: {model: openai/gpt-4.1, api_key: sk-one}}\n"
    )
    configuration, translated = made(text)
    assert translated.variables == ("OPENAI_API_KEY", "OPENAI_API_KEY_2")
    keys = {
        model: (provider_of(configuration, model) or ("", configuration.providers["openai"]))[1].key
        for model in ("gpt-4o", "gpt-4o-mini", "gpt-4.1")
    }
    assert keys == {
        "gpt-4o": "env:OPENAI_API_KEY",
        "gpt-4o-mini": "env:OPENAI_API_KEY_2",
        "gpt-4.1": "env:OPENAI_API_KEY",
    }
    assert "sk-" not in translated.text
    assert "set OPENAI_API_KEY_2 to it" in places(translated)["model_list[1].litellm_params.api_key (b)"]


@pytest.mark.parametrize(
    ("given_settings", "place", "why"),
    [
        ("litellm_settings: {max_budget: 100, budget_duration: 30d}", "litellm_settings.max_budget", "USD 100 of 30d: caps here are of a day"),
        ("litellm_settings: {max_budget: 100}", "litellm_settings.max_budget", "USD 100 without a period of days"),
        ("router_settings: {num_retries: 40}", "router_settings.num_retries", "it became max_retries 10"),
        ("litellm_settings: {cache: true, cache_params: {type: redis-semantic}}", "litellm_settings.cache", "for similar questions write `similar:` of a route"),
        ("litellm_settings: {max_budget: 1e40, budget_duration: 1d, num_retries: '1e999999'}", "litellm_settings.num_retries", "became max_retries 10"),
        ("litellm_settings: {cache: 'yes'}", "litellm_settings.cache", "true switches an exact cache on"),
        ("litellm_settings: {cache: true, cache_params: {ttl: -5}}", "litellm_settings.cache_params.ttl", "became cache_ttl 0"),
        ("include: [more.yaml]", "include[0]", "put the files together"),
        ("router_settings: {model_group_alias: {b: nowhere}}", "router_settings.model_group_alias.b", "has no counterpart"),
    ],
)  # fmt: skip
def test_a_setting_that_does_not_fit_is_said(given_settings: str, place: str, why: str) -> None:
    _, translated = made(f"model_list: [{{model_name: a, litellm_params: {{model: gpt-4o}}}}]\n{given_settings}\n")
    assert why in places(translated)[place]


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("https://acme.openai.azure.com", "https://acme.openai.azure.com/openai/v1"),
        ("https://acme.openai.azure.com/openai/v1/", "https://acme.openai.azure.com/openai/v1"),
        (
            "https://acme.openai.azure.com/openai/deployments/x?api-version=2024-10-21",
            "https://acme.openai.azure.com/openai/v1",
        ),
        ("https://user:geheim@acme.openai.azure.com", "https://acme.openai.azure.com/openai/v1"),
        ("os.environ/AZURE_API_BASE", "https://azure-api-base.invalid/openai/v1"),
        ("nonsense here", "https://azure.invalid/v1"),
    ],
)
def test_an_address_is_written_as_it_is_needed_here(written: str, address: str) -> None:
    text = json.dumps(
        {"model_list": [{"model_name": "a", "litellm_params": {"model": "azure/d", "api_base": written}}]}
    )
    configuration, translated = made(text)
    assert configuration.providers["azure"].base_url == address
    assert "geheim" not in translated.text


@pytest.mark.parametrize(
    ("model", "mode", "why"),
    [
        ("openai/text-embedding-3-small", None, ""), ("mistral/mistral-embed", "embedding", ""),
        ("ollama/nomic-embed-text", None, ""), ("openai/gpt-4o", "chat", ""), ("gemini/gemini-2.5-flash", None, ""),
        ("gemini/gemini-embedding-001", None, "embeddings of gemini are served in its own format only"),
        ("openai/whisper-1", None, "models of this kind are not served"),
        ("openai/gpt-4o", "audio_speech", "models of this kind are not served"),
        ("bedrock/titan-embed", None, "its provider is not known here"),
    ],
)  # fmt: skip
def test_a_model_is_carried_over_if_its_kind_and_its_provider_are_served(
    model: str, mode: str | None, why: str
) -> None:
    more = f", model_info: {{mode: {mode}}}" if mode else ""
    row = f"{{model_name: b, litellm_params: {{model: {model}}}{more}}}"
    configuration, translated = made(f"model_list: [{{model_name: a, litellm_params: {{model: gpt-4o}}}}, {row}]\n")
    assert why in places(translated).get("model_list[1] (b)", "")
    assert ("b" in {one.intent for one in configuration.routes}) == (not why)


def test_one_model_at_two_addresses_is_served_at_the_first_and_the_other_is_named() -> None:
    one = "{{model_name: a, litellm_params: {{model: azure/d, api_base: 'https://{}.openai.azure.com', api_key: os.environ/K}}}}"
    _, translated = made(f"model_list:\n  - {one.format('eu')}\n  - {one.format('us')}\n")
    assert "the first one in the file is kept" in places(translated)["model_list[1] (a)"]
    assert "https://us" not in translated.text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("routes: []", "litellm.yaml:1: this is no configuration of a LiteLLM proxy: it has no `model_list:`"),
        ("- a", "litellm.yaml:1: this is no configuration"),
        ("model_list: [", "litellm.yaml:1: "),
        ("model_list: []", "litellm.yaml: no model of it could be carried over"),
        ("model_list: [{model_name: a, litellm_params: {model: bedrock/x}}]", "litellm.yaml: model_list[0] (a): bedrock/x: its provider"),
        ("model_list: [1, null, {model_name: a}]", "litellm.yaml: model_list[0]: "),
    ],
)  # fmt: skip
def test_a_file_of_which_nothing_can_be_served_is_refused_with_the_reasons(text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        translate(text, name="litellm.yaml")
    assert any(one.startswith(problem) for one in caught.value.problems), caught.value.problems


SCALARS = st.one_of(
    st.booleans(),
    st.integers(-5, 10**6),
    st.floats(allow_nan=False),
    st.none(),
    st.sampled_from(["1d", "x", "%SECRET%", "os.environ/A_B"]),
)
NAMES = st.sampled_from(
    ["model", "api_base", "api_key", "order", "weight", "rpm", "timeout", "num_retries", "max_retries", "max_tokens", "max_budget",
     "budget_duration", "temperature", "fallbacks", "default_fallbacks", "cache", "cache_params", "ttl", "type", "mode", "new_one",
     "model_group_alias", "input_cost_per_token", "output_cost_per_token", "custom_llm_provider", "extra_headers", "a", "b"]
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=6
)
MODELS = st.sampled_from(
    ["gpt-4o", "openai/gpt-4o-mini", "azure/d", "anthropic/claude-x", "ollama/l", "bedrock/y", "groq/z", "%SECRET%"]
)
DEPLOYMENTS = st.builds(
    lambda name, model, params, info: {"model_name": name, "litellm_params": params | {"model": model}, "model_info": info},
    st.sampled_from(["a", "b", "c c", "*"]), MODELS, st.dictionaries(NAMES, VALUES, max_size=5), st.dictionaries(NAMES, VALUES, max_size=3),
)  # fmt: skip
DOCUMENTS = st.builds(
    lambda models, rest: rest | {"model_list": [{"model_name": "sure", "litellm_params": {"model": "gpt-4o"}}, *models]},
    st.lists(DEPLOYMENTS, max_size=4),
    st.dictionaries(st.sampled_from(["router_settings", "litellm_settings", "general_settings", "other"]), st.dictionaries(NAMES, VALUES, max_size=6)),
)  # fmt: skip


def leaves(node: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from leaves(value, f"{place}.{key}" if place else key)
    elif isinstance(node, list) and node:
        for at, value in enumerate(node):
            yield from leaves(value, f"{place}[{at}]")
    else:
        yield place, node


@settings(max_examples=50)
@given(DOCUMENTS, st.randoms(use_true_random=False))
def test_whatever_the_file_says_the_result_loads_and_holds_no_value_that_may_be_a_secret(
    document: dict[str, Any], chance: random.Random
) -> None:
    secret = "sk-" + "".join(chance.choice(string.ascii_letters) for _ in range(30))
    text = json.dumps(document).replace('"model": "%SECRET%"', '"model": "gpt-4.1"').replace("%SECRET%", secret)
    configuration, translated = made(text)
    assert configuration.route("sure") is not None
    assert secret not in translated.text
    assert secret not in str(translated.notes)


@given(
    DOCUMENTS,
    st.sampled_from(["router_settings", "litellm_settings", "general_settings", "deployment"]),
    st.integers(1, 10**6),
)
def test_a_setting_that_nobody_knows_is_always_named(document: dict[str, Any], where: str, value: int) -> None:
    named = "zz_unheard_of"
    if where == "deployment":
        document["model_list"][0]["litellm_params"][named] = value
        place = f"model_list[0].litellm_params.{named} (sure)"
    else:
        document.setdefault(where, {})[named] = value
        place = f"{where}.{named}"
    assert place in places(translate(json.dumps(document), name="f"))


def test_each_value_of_the_company_s_file_is_carried_over_or_named() -> None:
    """Take any value out of the file: either the configuration changes, or the place had been named."""
    document = YAML(typ="safe", pure=True).load(COMPANY)
    whole = translate(COMPANY, name="f")
    named = [one.place.partition(" (")[0] for one in whole.notes]
    silent = []
    for place, _ in leaves(document):
        changed = json.loads(json.dumps(document))
        node, (*way, last) = (
            changed,
            [int(one) if one.isdigit() else one for one in place.replace("[", ".").replace("]", "").split(".")],
        )
        for key in (*way,):
            node = node[key]
        del node[last]
        try:
            same = load(translate(json.dumps(changed), name="f").text) == load(whole.text)
        except ConfigurationError:
            same = False
        if same and not any(place.startswith(one) for one in named):
            silent.append(place)
    assert silent == SAME_WITHOUT


SAME_WITHOUT = [
    "model_list[0].litellm_params.order",  # the other one alone still goes first
    "model_list[1].litellm_params.api_key",  # the variable is the usual one
    "model_list[3].litellm_params.api_key",
]
