"""Registered prompts: which version a call gets, and what becomes of its variables."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.call import Arrival, Call
from gateway.errors import Refused
from gateway.pipeline.parse import parse
from gateway.prompts import Prompt, PromptBook, PromptVersion, with_prompt

BOOK = PromptBook(
    {
        "reply": Prompt(
            (
                PromptVersion(1, "d1", "Answer {{ name }} in {{tone}} words."),
                PromptVersion(2, "d2", "You answer politely."),
            ),
            {"prod": 2, "dev": 1},
        ),
        "idle": Prompt((PromptVersion(1, "d3", "Nothing."),), {}),
    }
)


def call(prompt: Any = None, *messages: dict[str, Any]) -> Call:
    body = {"model": "m", "messages": list(messages)} | ({"prompt": prompt} if prompt is not None else {})
    return parse(Arrival(call="call_1", headers={}, body=json.dumps(body).encode()))


def test_the_promoted_version_of_the_environment_goes_before_the_messages_and_counts_in_the_bound() -> None:
    plain = call({"id": "reply"}, {"role": "user", "content": "hi"})
    found = with_prompt(plain, "prod", BOOK)
    assert found.asked.fields["messages"] == [
        {"role": "system", "content": "You answer politely."},
        {"role": "user", "content": "hi"},
    ]
    assert "prompt" not in found.asked.fields
    assert found.prompt is not None
    assert (found.prompt.label, found.prompt.by, found.prompt.digest) == ("reply@2", "promoted", "d2")
    assert found.asked.input_bound >= plain.asked.input_bound + len("You answer politely.")
    assert found.body == plain.body


@given(st.dictionaries(st.just("name"), st.text(), min_size=1), st.text())
def test_a_value_stands_in_the_text_as_it_is_and_is_never_looked_through_again(
    named: dict[str, str], tone: str
) -> None:
    asked = {"id": "reply", "version": "1", "variables": named | {"tone": tone}}
    found = with_prompt(call(asked), "prod", BOOK)
    assert found.asked.fields["messages"][0]["content"] == f"Answer {named['name']} in {tone} words."
    assert found.prompt is not None and found.prompt.by == "asked"


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ({"id": "other"}, "no registered prompt"),
        ({"id": 7}, "no registered prompt"),
        ({"id": "idle"}, "promoted in prod"),
        ({"id": "reply", "version": 3}, "1 to 2"),
        ({"id": "reply", "version": True}, "1 to 2"),
        ({"id": "reply", "version": 1}, "name, tone"),
        ({"id": "reply", "version": 1, "variables": {"name": "x"}}, "name, tone"),
        ({"id": "reply", "variables": {"name": "x"}}, "no variables"),
        ({"id": "reply", "version": 1, "variables": {"name": 1, "tone": "x"}}, "object of texts"),
        ({"id": "reply", "variables": []}, "object of texts"),
        ({"id": "reply", "variables": ""}, "object of texts"),
        ({"id": "reply", "model": "x"}, "id, version and variables"),
    ],
)
def test_what_cannot_be_resolved_is_refused_with_what_to_do(prompt: Any, said: str) -> None:
    with pytest.raises(Refused, match=said) as refused:
        with_prompt(call(prompt), "prod", BOOK)
    assert refused.value.code == "prompt_invalid"


@pytest.mark.parametrize("role", ["system", "developer"])
def test_a_text_that_a_version_has_is_known_for_it_however_it_is_written(role: str) -> None:
    parts = [{"type": "text", "text": "You answer politely."}]
    for content in ("You answer politely.", parts):
        found = with_prompt(call(None, {"role": role, "content": content}), "dev", BOOK)
        assert found.prompt is not None
        assert (found.prompt.label, found.prompt.by) == ("reply@2", "text")


def test_another_text_stays_what_it_is_and_a_text_in_prompt_is_no_prompt_of_ours() -> None:
    other = call(
        None, {"role": "system", "content": "You answer."}, {"role": "user", "content": "You answer politely."}
    )
    assert with_prompt(other, "prod", BOOK) is other
    assert other.asked.instructions == "You answer."
    completion = call("Once upon a time")
    assert with_prompt(completion, "prod", BOOK) is completion
