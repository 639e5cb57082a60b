"""What a task may come to: the laws of the counting, without a server."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.call import Call
from gateway.configuration.model import UNDESCRIBED, Workflow
from gateway.dialects.anthropic_messages import MESSAGES
from gateway.dialects.gemini import GENERATE
from gateway.dialects.openai_chat import CHAT
from gateway.dialects.openai_responses import RESPONSES
from gateway.dialects.protocol import Asked, Sent
from gateway.errors import Refused
from gateway.rules.tasks import circle_in, require_shape, require_within


def call(rounds: int = 1) -> Call:
    return Call("call_1", CHAT, Asked({}, "support", tool_rounds=rounds), b"{}", "t", "header", None, "full")


def refused(row: dict[str, Any], rounds: int = 1, **limits: Any) -> str:
    """Return by which code a call is refused; empty where it is not."""
    workflow = UNDESCRIBED.model_copy(update=limits)
    try:
        require_within({"calls": 1} | row, call(rounds), workflow, 100, "same")
    except Refused as refusal:
        return refusal.code
    return ""


def test_by_default_a_task_may_make_25_calls_and_the_third_identical_one_is_refused() -> None:
    assert (refused({"calls": 24}), refused({"calls": 25})) == ("", "task_calls_exceeded")
    assert (refused({"same": [["same", 1]]}), refused({"same": [["same", 2]]})) == ("", "identical_calls")
    assert refused({"same": [["another", 9]]}) == ""
    assert (refused({"retries": 25}), refused({"retries": 26})) == ("", "task_retries_exceeded")


@pytest.mark.parametrize(("spent", "code"), [(900_000_000, ""), (1_000_000_000, "task_budget_exceeded")])
def test_a_budget_of_a_task_counts_what_is_spent_what_is_reserved_and_what_may_come(spent: int, code: str) -> None:
    cap = Workflow.model_validate({"purpose": "p", "owner": "o", "max_budget_per_task": 1}).max_budget_per_task
    assert refused({"cost": spent}, max_budget_per_task=cap) == code
    assert refused({"cost": spent, "reserved": 100_000_000}, max_budget_per_task=cap) == "task_budget_exceeded"


def test_a_limit_of_none_is_none() -> None:
    assert refused({"same": [["same", 99]], "tools": ["a"] * 9}, max_identical_calls=0) == ""


def test_a_circle_counts_only_while_no_person_has_spoken() -> None:
    assert refused({"tools": ["a", "a", "a"]}) == "tool_cycle"
    assert refused({"tools": ["a", "a", "a"]}, rounds=0) == ""
    assert refused({"tools": ["a", "b", "a", "a"]}) == ""


@given(
    st.lists(st.sampled_from("abc"), max_size=4),
    st.lists(st.sampled_from("abc"), min_size=1, max_size=3),
    st.integers(2, 4),
)
def test_a_circle_gone_round_often_enough_is_found_whatever_was_before(
    before: list[str], circle: list[str], times: int
) -> None:
    found = circle_in([*before, *circle * times], times)
    assert 0 < found <= len(circle)
    assert ([*before, *circle * times][-found * times :]) == circle[-found:] * times


@given(st.lists(st.integers(), unique=True, max_size=12), st.integers(2, 4))
def test_calls_that_differ_are_no_circle(calls: list[int], times: int) -> None:
    assert circle_in([str(one) for one in calls], times) == 0


PERSON: dict[str, Any] = {
    "chat": {"role": "user", "content": "go on"},
    "messages": {"role": "user", "content": [{"type": "text", "text": "go on"}]},
    "responses": {"role": "user", "content": "go on"},
    "gemini": {"role": "user", "parts": [{"text": "go on"}]},
}
ROUND: dict[str, list[dict[str, Any]]] = {
    "chat": [
        {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "x"},
    ],
    "messages": [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "x"}]},
    ],
    "responses": [
        {"type": "reasoning", "summary": []},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "2", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "x"},
        {"type": "function_call_output", "call_id": "2", "output": "x"},
    ],
    "gemini": [
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]},
    ],
}


@pytest.mark.parametrize("form", PERSON)
@pytest.mark.parametrize("rounds", [0, 1, 4])
def test_each_format_tells_how_many_rounds_of_tools_stand_behind_the_last_word_of_a_person(
    form: str, rounds: int
) -> None:
    import json

    turns = [PERSON[form], *ROUND[form] * 2, PERSON[form], *ROUND[form] * rounds]
    dialect, member = {
        "chat": (CHAT, "messages"), "messages": (MESSAGES, "messages"), "responses": (RESPONSES, "input"),
        "gemini": (GENERATE, "contents"),
    }[form]  # fmt: skip
    body = json.dumps({"model": "m", member: turns}).encode()
    assert dialect.read(Sent({}, "/models/m:generateContent", body)).tool_rounds == rounds


def test_too_many_rounds_are_refused() -> None:
    require_shape(call(24), UNDESCRIBED)
    with pytest.raises(Refused, match="for 25 rounds"):
        require_shape(call(25), UNDESCRIBED)
