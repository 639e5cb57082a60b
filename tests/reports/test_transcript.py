"""Kept bytes are put into words; whatever does not parse is shown as it is."""

import json

from hypothesis import given
from hypothesis import strategies as st

from reports.why.transcript import asked, said


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
