"""Kept bytes are put into words; whatever does not parse is shown as it is."""

import json

from hypothesis import given
from hypothesis import strategies as st

from reports.why.transcript import asked, said, tools_before


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
    assert tools_before(json.dumps({"messages": messages})) == ("lookup", "search", "book")
    for body in ("{", "[]", '{"messages": 5}', '{"messages": [5]}', '{"messages": []}'):
        assert tools_before(body) == ()
