"""Kept bytes are put into words; whatever does not parse is shown as it is."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.why.transcript import asked, said, tools_before, turns
from tests import formats

_WHOLE = [formats.response, formats.message, formats.generated]
_STREAMED = [formats.response_events, formats.message_events, formats.generated_events]
_CALLS = [formats.function_call(), formats.tool_use(), formats.call_part()]


def test_a_request_and_an_answer_in_words() -> None:
    request = json.dumps(
        {"model": "m", "messages": [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}]}
    )
    assert asked(request) == 'system: be kind | user: hi ({"model": "m"})'
    answer = json.dumps({"choices": [{"message": {"content": "hello"}}, {"message": {"content": None}}]})
    assert said(answer) == "hello | (no text)"
    stream = "".join(f"data: {json.dumps({'choices': [{'delta': {'content': piece}}]})}\n\n" for piece in ("he", "llo"))
    assert said(stream + "data: [DONE]\n\n") == "hello"


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    assert isinstance(asked(text), str)
    assert isinstance(said(text), str)
    assert isinstance(said("data: " + text), str)


@given(st.text().filter(lambda text: not text.lstrip().startswith(("{", "[", "data:", ":", "event:"))))
def test_what_does_not_parse_is_shown_as_it_is(text: str) -> None:
    assert asked(text) == text


def test_the_tools_of_a_turn_are_those_called_since_the_last_message_of_a_user() -> None:
    def called(*names: str) -> dict[str, object]:
        return {"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": one}} for one in names]}

    messages = [
        {"role": "user"}, called("before"), {"role": "tool"}, {"role": "user"}, called("lookup", "search"), {"role": "tool"},
        {"role": "assistant", "tool_calls": [{"type": "custom", "custom": {"name": "other"}}]}, called("book"),
    ]  # fmt: skip
    assert tools_before(json.dumps({"messages": messages})) == ("lookup", "search", "other", "book")
    for body in ("{", "[]", '{"messages": 5}', '{"messages": [5]}', '{"messages": []}'):
        assert tools_before(body) == ()


@pytest.mark.parametrize("build", _WHOLE)
def test_an_answer_of_each_format_is_its_text(build: Any) -> None:
    assert said(json.dumps(build("hello there"))) == "hello there"


@pytest.mark.parametrize("build", _STREAMED)
def test_a_stream_of_each_format_is_its_text(build: Any) -> None:
    assert said(b"".join(build("hello there")).decode()) == "hello there"


@pytest.mark.parametrize(("build", "call"), [*zip(_WHOLE, _CALLS, strict=True), *zip(_STREAMED, _CALLS, strict=True)])
def test_an_answer_that_only_calls_a_tool_says_that_it_has_no_text(build: Any, call: Any) -> None:
    built = build("", call)
    assert said(b"".join(built).decode() if isinstance(built, list) else json.dumps(built)) == "(no text)"


def test_a_stream_of_gemini_that_is_a_list_is_its_text() -> None:
    assert said(json.dumps([formats.generated("he"), formats.generated("llo")])) == "hello"


def test_completions_are_their_texts() -> None:
    assert said(json.dumps(formats.TEXT)) == said(b"".join(formats.text_events()).decode()) == "hello"


@pytest.mark.parametrize(
    "answer", [json.dumps(formats.VECTORS), 'data: {"pieces": ["unknown"]}\n\n', '{"type": "other"}']
)
def test_an_answer_in_no_known_format_is_shown_as_it_is(answer: str) -> None:
    assert said(answer) == answer


def test_thoughts_are_not_what_was_said() -> None:
    thought = {"text": "let me see", "thought": True}
    assert said(json.dumps(formats.generated("yes", thought))) == "yes"


_RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "42"}
_CONVERSATIONS = [
    {
        "instructions": "be kind",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
            formats.function_call(),
            {"type": "function_call_output", "call_id": "call_fc_1", "output": "42"},
        ],
    },
    {
        "system": [{"type": "text", "text": "be kind"}],
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [formats.tool_use()]},
            {"role": "user", "content": [_RESULT]},
        ],
    },
    {
        "systemInstruction": {"parts": [{"text": "be kind"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "hi"}]},
            {"role": "model", "parts": [formats.call_part()]},
            {"role": "user", "parts": [{"functionResponse": {"name": "lookup", "response": {"value": "42"}}}]},
        ],
    },
]


@pytest.mark.parametrize("request_", _CONVERSATIONS)
def test_the_turns_of_each_format_are_who_said_what(request_: dict[str, Any]) -> None:
    found = turns(json.dumps(request_ | {"temperature": 0}))
    assert found[:2] == [("system", "be kind"), ("user", "hi")]
    assert found[2][1].startswith("lookup(a = 1)")
    assert "42" in found[3][1]
    assert found[4:] == [("settings", "temperature = 0")]


@pytest.mark.parametrize("request_", _CONVERSATIONS)
def test_the_results_of_tools_begin_no_turn_of_their_own(request_: dict[str, Any]) -> None:
    assert tools_before(json.dumps(request_)) == ("lookup",)


@pytest.mark.parametrize(
    "body", [{"input": "hi"}, {"messages": [{"role": "user", "content": "hi"}]}, {"contents": {"parts": [{"text": "hi"}]}},
             {"prompt": "hi"}, {"input": ["hi"]}, {"content": {"parts": [{"text": "hi"}]}},
             {"requests": [{"content": {"parts": [{"text": "hi"}]}}]}]
)  # fmt: skip
def test_one_text_alone_is_what_the_caller_said(body: dict[str, Any]) -> None:
    assert turns(json.dumps(body)) == [("user", "hi")]
