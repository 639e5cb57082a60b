"""The messages format: every answer is read and judged however it is written, its usage counted in each shape."""

import contextlib
import json
from typing import Any

import formats
import lax
import pytest
from heard import judged, seen, told
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.anthropic_answer import MessagesTranscript
from gateway.dialects.anthropic_messages import MESSAGES
from gateway.dialects.anthropic_usage import read_usage
from gateway.dialects.protocol import FILE_TOKENS, IMAGE_TOKENS, Asked, Sent, Server
from gateway.errors import Refused
from gateway.pricing.money import Usage

REQUEST = {
    "model": "m", "max_tokens": 9, "system": [{"type": "text", "text": "Be brief."}], "tool_choice": {"type": "any"},
    "messages": [{"role": "user", "content": [
        {"type": "text", "text": "hi"}, {"type": "image", "source": {"type": "base64", "data": "AA"}},
        {"type": "tool_result", "content": [{"type": "document", "source": {"type": "url"}}]},
    ]}],
    "tools": [{"name": "lookup", "input_schema": {}}, {"type": "mcp_toolset", "mcp_server_name": "s"}],
    "mcp_servers": [{"name": "s"}],
}  # fmt: skip
MEMBERS = {
    "model", "max_tokens", "system", "messages", "role", "content", "type", "text", "source", "data", "tools", "name",
    "tool_choice", "mcp_servers", "container", "service_tier", "speed", "inference_geo", "stream",
}  # fmt: skip
WORDS = ["user", "text", "image", "document", "base64", "any", "tool", "mcp_toolset", "standard"]
BLOCK = formats.tool_use()
COUNTED = {
    "input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation", "iterations", "type", "model",
}  # fmt: skip


def asked_of(request: Any) -> Asked:
    return MESSAGES.read(Sent({}, "/messages", json.dumps(request).encode()))


@given(request=lax.twisted(REQUEST, MEMBERS, WORDS), deep=st.booleans())
def test_no_request_breaks_the_reader(request: Any, deep: bool) -> None:
    with contextlib.suppress(Refused):
        asked = MESSAGES.read(Sent({}, "/messages", lax.text_of(request, deep=deep)))
        assert json.loads(MESSAGES.outgoing(asked, Server("m", 9)).body)["max_tokens"] == 9
        assert json.dumps(MESSAGES.with_instructions(asked.fields, "first")["system"]).startswith(('"first', '[{"ty'))


@given(text=st.text(max_size=8), names=st.lists(st.sampled_from(["lookup", "other"]), max_size=3))
def test_the_whole_and_the_streamed_form_say_the_same(text: str, names: list[str]) -> None:
    blocks = [formats.tool_use(name, {"a": 1}) for name in names]
    whole = MessagesTranscript()
    whole.see_whole(json.dumps(formats.message(text, *blocks)).encode())
    streamed = seen(MESSAGES, b"".join(formats.message_events(text, *blocks)))
    assert (*told(whole)[:3], told(whole)[4]) == (*told(streamed)[:3], told(streamed)[4])
    assert [(one.name, json.loads(one.arguments)) for one in whole.tool_calls()] == [(name, {"a": 1}) for name in names]
    assert [(one.name, json.loads(one.arguments)) for one in streamed.tool_calls()] == [
        (name, {"a": 1}) for name in names
    ]


WIPE = formats.tool_use("wipe_disk")


@pytest.mark.parametrize(
    "event",
    [
        {"type": "content_block_start", "index": 0, "content_block": WIPE},
        {"type": "content_block_changed", "index": 0, "content_block": WIPE},
        {"type": "ping", "content_block": WIPE},
        {"type": "message_start", "message": formats.message("", WIPE)},
        {"type": "message_stop", "message": formats.message("", WIPE)},
        {"type": "content_block_start", "index": 0, "content_block": formats.tool_use("wipe_disk", kind="x_tool_use")},
        {"type": "content_block_delta", "index": 7, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
    ],
)
def test_a_call_that_is_not_granted_is_found_wherever_it_stands(event: dict[str, Any]) -> None:
    raw = formats.typed(event)
    result, ready, _ = judged(
        MESSAGES, formats.message_events("")[0] + raw + b"".join(formats.message_events("")[-2:]), "lookup"
    )
    assert result == "refused_answer"
    assert raw not in ready


def test_two_blocks_of_one_number_are_two_calls_whose_names_are_judged_apart() -> None:
    """`look` may come to `lookup` where a format cuts names into pieces; here it is the name of another tool."""
    starts = [
        formats.typed({"type": "content_block_start", "index": 0, "content_block": formats.tool_use(name, {})})
        for name in ("look", "lookup")
    ]
    result, ready, names = judged(MESSAGES, b"".join([*starts, *formats.message_events("")[-2:]]), "lookup")
    assert (result, names) == ("refused_answer", ["look", "lookup"])
    assert starts[0] not in ready


@pytest.mark.parametrize("mark", [b"data: [DONE]\n\n", b": so\ndata: [DONE]\n\n"])
def test_a_mark_of_another_format_is_no_end(mark: bytes) -> None:
    result, ready, _ = judged(MESSAGES, b"".join(formats.message_events("hello")[:5]) + mark)
    assert (result, b"[DONE]" in ready) == ("upstream_cut", False)


@pytest.mark.parametrize(
    "event",
    [
        b'event: message_stop\ndata: {"type":"ping"}\n\n',
        b'data: {"type":"message_delta","delta":{"Stop_Reason":"end_turn"}}\n\n',
        b'data: {"type":"content_block_start","content_block":{"type":"tool_use"},"content_block":{"type":"text"}}\n\n',
        b'data: {"x":\ndata: {"type":"content_block_start","content_block":{"type":"tool_use","name":"x"}}\ndata: }\n\n',
        b'data: {"type":"content_block_start","contentBlock":{"type":"tool_use","name":"wipe_disk"}}\n\n',
        b'data: {"type":"content_block_start","content_block":{"type":["tool_use"],"name":"wipe_disk"}}\n\n',
    ],
)
def test_what_clients_read_differently_is_not_given_out(event: bytes) -> None:
    result, ready, _ = judged(MESSAGES, formats.message_events("")[0] + event, "lookup")
    assert result == "unreadable"
    assert event not in ready


def test_an_end_without_a_reason_is_none() -> None:
    stop = formats.typed({"type": "message_stop"})
    result, ready, _ = judged(MESSAGES, formats.message_events("hello")[0] + stop)
    assert (result, stop in ready) == ("unreadable", False)


@pytest.mark.parametrize(
    ("grant", "result"), [("browser:*", "answered"), ("browser:find", "answered"), ("find", "refused_answer")]
)
def test_a_tool_of_a_set_is_granted_by_the_name_of_the_set(grant: str, result: str) -> None:
    """Toolsets of anthropic 2.14.0: a definition has no name, a call has its own and that of the set."""
    block = formats.tool_use("find") | {"toolset_name": "browser"}
    assert judged(MESSAGES, b"".join(formats.message_events("", block)), grant)[0] == result
    asked = asked_of(
        REQUEST | {"tools": [{"type": "browser_toolset_20260801"}, {"type": "bash_20250124", "name": "bash"}]}
    )
    assert asked.tools[:2] == ("browser:*", "bash")


def test_the_last_counts_win_member_by_member() -> None:
    start = formats.MESSAGE_USAGE | {"input_tokens": 2039, "cache_read_input_tokens": 7}
    events = [
        {"type": "message_start", "message": formats.message() | {"content": [], "usage": start}},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"input_tokens": 10423, "output_tokens": 9},
        },
    ]
    reported = seen(MESSAGES, b"".join(map(formats.typed, events))).reported()
    assert reported is not None
    assert reported.usage == Usage(input=10423, cached=7, output=9)


def test_a_start_that_is_sent_twice_resets_no_count() -> None:
    events = formats.message_events("hello", usage=formats.MESSAGE_USAGE | {"output_tokens": 500})
    spliced = formats.typed({"type": "message_start", "message": formats.message(id="msg_2", model="other")})
    for place in (1, len(events) - 1, len(events)):
        found = seen(MESSAGES, b"".join([*events[:place], spliced, *events[place:]]))
        reported = found.reported()
        assert reported is not None
        assert (found.response_id, found.model, reported.usage.output) == ("msg_1", "claude-a", 500)


@pytest.mark.parametrize("usage", [None, {}, {"output_tokens": None}, {"input_tokens": 9}])
def test_a_stream_without_a_last_count_of_output_has_not_said_what_it_used(usage: Any) -> None:
    """What a start says of the output is how much there was at the start."""
    delta = formats.typed({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage})
    found = seen(MESSAGES, b"".join([*formats.message_events("hello")[:-2], delta, formats.message_events("")[-1]]))
    assert found.finished
    assert found.reported() is None


PASS = {"type": "message", "input_tokens": 100, "output_tokens": 10}


@pytest.mark.parametrize(
    ("usage", "expected", "others", "flagged"),
    [
        ({"iterations": [PASS, PASS | {"type": "compaction"}]}, Usage(input=200, output=20), 0, False),
        ({"iterations": [PASS, PASS | {"type": "advisor_message", "model": "b"}]}, Usage(input=100, output=10), 1, False),
        ({"iterations": [{}]}, Usage(input=10, output=5), 0, False),
        ({"iterations": [{"type": "message"}, None, 7]}, Usage(input=10, output=5), 0, False),
        ({"iterations": [PASS | {"input_tokens": 1, "output_tokens": 1}]}, Usage(input=10, output=5), 0, True),
        ({"cache_creation_input_tokens": 7}, Usage(input=10, output=5, others=(("cache_write_1h", 7),)), 0, True),
        (
            {"cache_creation_input_tokens": 0, "cache_creation": {"ephemeral_5m_input_tokens": 7}},
            Usage(input=10, cache_write=7, output=5), 0, True,
        ),
        (
            {"output_tokens_details": {"thinking_tokens": 3}, "server_tool_use": {"web_search_requests": 2}},
            Usage(input=10, output=5, reasoning=3, others=(("web_search", 2),)), 0, False,
        ),
    ],
)  # fmt: skip
def test_passes_are_summed_and_never_come_to_less_than_the_counts(
    usage: dict[str, Any], expected: Usage, others: int, flagged: bool
) -> None:
    reported = read_usage({"input_tokens": 10, "output_tokens": 5} | usage)
    assert reported is not None
    assert (reported.usage, len(reported.by_others), bool(reported.contradictions)) == (expected, others, flagged)


@given(value=lax.objects(COUNTED, ["text"]))
def test_no_usage_breaks_its_reader(value: dict[str, Any]) -> None:
    reported = read_usage({"input_tokens": 10, "output_tokens": 5} | value)
    if reported and {"input_tokens", "output_tokens"}.isdisjoint(value):
        assert reported.usage.input + reported.usage.output >= 15


@pytest.mark.parametrize(
    ("block", "tokens"),
    [
        ({"type": "text", "text": "hi"}, 0),
        ({"type": "image", "source": {"type": "url", "url": "u"}}, IMAGE_TOKENS),
        ({"type": "image", "source": {"type": "base64", "data": "AAAA"}}, IMAGE_TOKENS - 4),
        ({"type": "document", "source": {"type": "file", "file_id": "f"}}, FILE_TOKENS),
        ({"type": "tool_result", "content": [{"type": "image", "source": {"type": "file"}}]}, IMAGE_TOKENS),
    ],
)
def test_what_is_referred_to_is_bound_by_the_most_that_it_may_cost(block: Any, tokens: int) -> None:
    request = {"model": "m", "messages": [{"role": "user", "content": [block]}]}
    assert asked_of(request).input_bound - len(json.dumps(request)) == tokens
