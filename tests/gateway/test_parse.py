"""Stage 1: ids come from the headers people already send, and the input bound is a bound."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.call import Arrival
from gateway.dialects.protocol import FILE_TOKENS, IMAGE_TOKENS
from gateway.errors import Refused
from gateway.pipeline.parse import parse

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def arrival(body: Any = None, **headers: str) -> Arrival:
    request = {"model": "m", "messages": []} | (body or {})
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Arrival(call="call_1", headers=named, body=json.dumps(request).encode())


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"x_whyledger_task": " ticket:1 "}, {"metadata": {"task_id": "other"}}, ("ticket:1", "header")),
        ({}, {"metadata": {"task_id": "ticket:2"}}, ("ticket:2", "metadata")),
        ({"helicone_property_task": "ticket:3"}, {}, ("ticket:3", "helicone")),
        ({"helicone_session_id": "s"}, {}, ("s", "helicone")),
        ({"x_litellm_trace_id": "t"}, {}, ("t", "litellm")),
        ({"x_claude_code_session_id": "c"}, {}, ("c", "agent")),
        ({"session_id": "s", "thread_id": "t"}, {}, ("s", "agent")),
        ({"x_session_id": "o", "traceparent": TRACE}, {}, ("o", "agent")),
        ({"traceparent": TRACE}, {}, ("0af7651916cd43dd8448eb211c80319c", "trace")),
        ({"traceparent": "nonsense"}, {}, ("call_1", "call")),
        ({}, {"metadata": {"task_id": 7}}, ("call_1", "call")),
        ({}, {}, ("call_1", "call")),
    ],
)
def test_the_task_is_found_by_the_first_rule_that_finds_one(
    headers: dict[str, str], body: dict[str, Any], expected: tuple[str, str]
) -> None:
    call = parse(arrival(body, **headers))
    assert (call.task_id, call.task_source) == expected


@pytest.mark.parametrize("name", ["x_whyledger_subject", "helicone_user_id", "x_litellm_end_user_id"])
def test_the_subject_is_read_from_the_headers_of_neighbours_too(name: str) -> None:
    assert parse(arrival(**{name: "customer-7"})).subject_id == "customer-7"


def test_contents_can_only_be_asked_to_be_kept_less() -> None:
    assert parse(arrival(x_whyledger_content="none")).content == "none"
    assert parse(arrival(x_whyledger_content="full")).content == "full"
    assert parse(arrival(x_whyledger_content="redacted")).content == "redacted"
    for wish in ("hash", "no", "off"):
        with pytest.raises(Refused, match="x-whyledger-content is"):
            parse(arrival(x_whyledger_content=wish))


@given(st.lists(st.sampled_from(["text", "image_url", "file", "input_audio", "video_url", "refusal"]), max_size=6))
def test_the_input_bound_counts_the_body_s_bytes_and_everything_it_only_refers_to(kinds: list[str]) -> None:
    sent = arrival({"messages": [{"role": "user", "content": [{"type": kind} for kind in kinds]}]})
    prices = {"image_url": IMAGE_TOKENS, "file": FILE_TOKENS, "video_url": FILE_TOKENS}
    assert parse(sent).asked.input_bound == len(sent.body) + sum(prices.get(kind, 0) for kind in kinds)


@pytest.mark.parametrize(
    ("part", "constant"),
    [
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,DATA"}}, IMAGE_TOKENS),
        ({"type": "image_url", "image_url": "data:image/png;base64,DATA"}, IMAGE_TOKENS),
        ({"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,DATA"}}, FILE_TOKENS),
    ],
)
def test_an_inline_image_or_file_costs_its_constant_and_not_a_token_for_each_byte(part: Any, constant: int) -> None:
    sent = arrival(
        {"messages": [{"role": "user", "content": [json.loads(json.dumps(part).replace("DATA", "A" * 10**6))]}]}
    )
    assert constant < parse(sent).asked.input_bound < constant + 1000


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "text": "data:image/png;base64,DATA", "image_url": {"url": "data:image/png;base64,DATA"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/DATA"}, "file": {"file_data": "data:x,DATA"}},
        {"type": "input_audio", "input_audio": {"data": "DATA"}, "file": {"file_data": "data:x,DATA"}},
        {"type": ["file"], "file": {"file_data": "data:x,DATA"}},
    ],
)
def test_what_a_provider_may_read_as_text_counts_by_its_bytes(part: Any) -> None:
    sent = arrival(
        {"messages": [{"role": "user", "content": [json.loads(json.dumps(part).replace("DATA", "A" * 10**4))]}]}
    )
    assert parse(sent).asked.input_bound >= len(sent.body)


def test_tools_of_every_form_are_named() -> None:
    tools = [
        {"type": "function", "function": {"name": "a"}},
        {"type": "custom", "custom": {"name": "b"}},
        {"type": "web_search"},
    ]
    call = parse(arrival({"tools": tools, "functions": [{"name": "c"}], "web_search_options": {}}))
    assert call.asked.tools == ("a", "b", "web_search", "c")


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "n",
                "max_tokens",
                "stream",
                "tools",
                "metadata",
                "messages",
                "model",
                "functions",
                "service_tier",
                "modalities",
            ]
        ),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(max_size=3)
        | st.lists(st.integers(), max_size=2),
    )
)
def test_any_combination_of_wrong_types_is_a_call_or_a_refusal(fields: dict[str, Any]) -> None:
    try:
        parse(arrival(fields))
    except Refused as refusal:
        assert refusal.code == "invalid_request"
