"""What cannot be served is said when a configuration is checked, in the words in which a caller would be refused."""

import pytest

from gateway.configuration.load import load
from gateway.oversight.serving import findings
from gateway.pricing.catalogue import compile_rows
from gateway.pricing.prices import PriceList

LOCAL = 'providers: {local: {base_url: "http://127.0.0.1:1/v1", models: ["m*"], price: 0}}\n'


def found(text: str, **environment: str) -> list[tuple[bool, str]]:
    configuration = load(text)
    prices = PriceList.parse(compile_rows(configuration))
    every = list(findings(configuration, prices, environment))
    assert all(one.dead == ("can serve nothing" in one.text or "no route" in one.text) for one in every)
    return [(one.wrong, one.text) for one in every]


@pytest.mark.parametrize(
    ("text", "environment", "expected"),
    [
        ("routes: [{intent: a, primary: gpt-4o}]", {"OPENAI_API_KEY": "sk-x"}, []),
        (LOCAL + "routes: [{intent: a, primary: mine}]", {}, []),
        (
            "routes: [{intent: a, primary: gpt-4o}]", {},
            [(False, "gpt-4o: provider openai has no key: set env:OPENAI_API_KEY"), (False, "can serve nothing")],
        ),
        (
            LOCAL + "routes: [{intent: a, primary: ours, fallback: mine}, {intent: b, primary: mine}]", {},
            [(True, "ours: no provider takes this model name")],
        ),
        (
            "routes: [{intent: a, primary: gemini-3.0-flsh}]", {},  # wrong whether or not the key is here
            [(True, "no price known"), (True, "can serve nothing")],
        ),
        (
            LOCAL + "routes: [{intent: a, primary: gimi-3.1-pro}, {intent: b, primary: mine}]", {},
            [(True, "(did you mean gemini-3.1-pro?)"), (True, "route a can serve nothing")],
        ),
        (
            'providers: {local: {base_url: "http://127.0.0.1:1/v1", models: ["m*"]}}\nroutes: [{intent: a, primary: mine}]',
            {}, [(True, "no price known"), (True, "can serve nothing")],
        ),
        ("routes: [{intent: vectors, primary: text-embedding-3-small}]", {"OPENAI_API_KEY": "k"}, []),
        ("organisation: {name: X}", {}, [(False, "there is no route")]),
    ],
)  # fmt: skip
def test_each_route_that_cannot_be_served_is_named_with_what_to_do(
    text: str, environment: dict[str, str], expected: list[tuple[bool, str]]
) -> None:
    said = found(text, **environment)
    assert len(said) == len(expected), said
    for (wrong, words), (as_wrong, part) in zip(said, expected, strict=True):
        assert wrong is as_wrong
        assert part in words
