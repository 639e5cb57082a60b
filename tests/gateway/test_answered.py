"""Which calls of tools a request brings results of, in every format, and which calls are the same."""

from typing import Any

import pytest

from gateway.tools.answered import answered_calls, released_check, same_call

ASKED = {"role": "user", "content": "look"}
CALLED = [("lookup", '{"a": 1}'), ("read", "{}")]
FORMATS: dict[str, dict[str, Any]] = {
    "chat": {
        "messages": [
            ASKED,
            {"role": "assistant", "tool_calls": [{"id": str(at), "function": {"name": name, "arguments": said}} for at, (name, said) in enumerate(CALLED)]},
            *({"role": "tool", "tool_call_id": str(at), "content": "x"} for at in range(2)),
        ]
    },
    "responses": {
        "input": [
            ASKED, *({"type": "function_call", "call_id": name, "name": name, "arguments": said} for name, said in CALLED),
            *({"type": "function_call_output", "call_id": name, "output": "x"} for name, _ in CALLED),
        ]
    },
    "anthropic": {
        "messages": [
            ASKED,
            {"role": "assistant", "content": [{"type": "text", "text": "well"}, {"type": "tool_use", "id": "1", "name": "lookup", "input": {"a": 1}}, {"type": "tool_use", "id": "2", "name": "read", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "x"}, {"type": "tool_result", "tool_use_id": "2", "content": "x"}]},
        ]
    },
    "gemini": {
        "contents": [
            {"role": "user", "parts": [{"text": "look"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "lookup", "args": {"a": 1}}}, {"functionCall": {"name": "read"}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "lookup", "response": {"x": 1}}}]},
        ]
    },
}  # fmt: skip


@pytest.mark.parametrize("form", FORMATS)
def test_the_calls_of_the_last_turn_are_read_in_every_format(form: str) -> None:
    found = answered_calls(FORMATS[form])
    assert [same_call(*one) for one in found] == [same_call(*one) for one in CALLED]
    (name,) = FORMATS[form]
    assert answered_calls({name: FORMATS[form][name][:1]}) == []
    assert answered_calls({name: FORMATS[form][name][:2]}) == [], "calls without results are none that are answered"
    twice = {name: [*FORMATS[form][name], *FORMATS[form][name][1:]]}
    assert len(answered_calls(twice)) == 2, "an earlier round was judged when it was the last"


def test_arguments_are_the_same_however_they_are_written() -> None:
    assert same_call("f", '{"b": 2, "a": [1, 2]}') == same_call("f", '{"a":[1,2],"b":2}')
    assert (
        len({same_call("f", one) for one in ('{"a":1}', '{"a":2}', '{"a":1', "", '{"a":123456789012345678901}')}) == 5
    )
    assert same_call("f", "{}") != same_call("g", "{}")


def test_what_a_task_has_not_given_out_is_strange() -> None:
    digests = ["abcdefghijklmnopqrstuv", "zyxwvutsrqponmlkjihgfe"]
    assert released_check(digests, {"released": ["abcdefgh", "zyxwvuts"]}).verdict == "pass"
    check = released_check(digests, {"released": ["abcdefgh"]})
    assert (check.verdict, check.inputs["strange"], check.inputs["results"]) == ("flag", 1, 2)
    assert released_check(digests, None).inputs["strange"] == 2
