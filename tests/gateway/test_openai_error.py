"""What a provider says went wrong is read in every form in which it was seen, and never quoted beyond a limit."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.envelope import EMPTY
from gateway.dialects.openai_chat import CHAT
from gateway.dialects.openai_error import MAX_SAID, Said, said_by
from gateway.dialects.sse import read_event

QUOTA = "insufficient_quota"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"error": {"message": "too  many\n tokens", "code": "rate_limit"}}, Said("rate_limit", "too many tokens")),
        ({"error": {"message": "m", "type": "overloaded"}}, Said("overloaded", "m")),
        ({"error": {"message": "m", "code": 429, "status": "RESOURCE_EXHAUSTED"}}, Said("RESOURCE_EXHAUSTED", "m")),
        ({"error": {"message": "m", "code": "x", "type": QUOTA}}, Said("x", "m", True)),
        ([{"error": {"message": "m"}}], Said(None, "m")),
        ({"error": "m"}, Said(None, "m")),
        ({"message": "m", "code": "x"}, Said("x", "m")),
        ({"detail": "Not Found"}, Said(None, "Not Found")),
        ({"error": {"msg": "m", "code": ""}}, Said(None, "m")),
        ({"detail": [{"loc": ["body"]}]}, Said()),
        (7, Said()),
    ],
)
def test_the_forms_of_an_error(value: Any, expected: Said) -> None:
    assert said_by(json.dumps(value).encode()) == expected


def test_a_text_is_quoted_and_a_page_is_not() -> None:
    assert said_by(b"upstream connect error") == Said(None, "upstream connect error")
    assert said_by(b"  <html><body>502</body>") == Said()
    assert said_by(b"\xff broken").message.endswith("broken")


@given(
    st.text()
    | st.dictionaries(st.sampled_from(["error", "message", "code", "detail"]), st.text() | st.integers(0, 2**53))
)
def test_no_more_than_the_limit_is_ever_said(value: Any) -> None:
    said = said_by(json.dumps(value).encode())
    assert len(said.message) <= MAX_SAID
    assert len(said_by(CHAT.as_error(value) or b"{}").message) <= MAX_SAID


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error": {"message": "m"}}', {"message": "m"}),
        (b'{"error": {"message": "m"}, "choices": []}', None),  # it has choices: whoever reads it all judges it
        (b'{"choices": [1]}', None),
        (b'{"ok": true}', None),
        (b"not JSON", None),
        (b" \n", EMPTY),
    ],
)
def test_a_body_is_an_error_only_where_it_is_no_answer(body: bytes, expected: Any) -> None:
    assert CHAT.error_in(body) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'data: {"error": {"message": "m"}}\n\n', {"message": "m"}),
        (b'event: error\ndata: {"message": "m"}\n\n', {"message": "m"}),
        (b"event: error\ndata: \n\n", True),
        (b"data: [DONE]\n\n", EMPTY),
        (b'data: {"choices": [{"delta": {}}], "error": null}\n\n', None),
    ],
)
def test_a_first_event_is_an_error_or_the_end_or_an_answer(raw: bytes, expected: Any) -> None:
    assert CHAT.error_of(read_event(raw)) == expected
