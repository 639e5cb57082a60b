"""The messages format: every answer is read and judged however it is written, its usage counted in each shape."""

import contextlib
import json
from typing import Any

import formats
import lax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.anthropic_answer import MessagesTranscript
from gateway.dialects.anthropic_messages import MESSAGES
from gateway.dialects.anthropic_usage import read_usage
from gateway.dialects.protocol import FILE_TOKENS, IMAGE_TOKENS, Asked, Sent, Server, Unreadable
from gateway.errors import Refused
from gateway.pipeline.judging import Judge, Room
from gateway.pricing.money import Usage
from gateway.rules.grants import grants_of

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
SAID = {
    "type", "message", "content", "content_block", "delta", "index", "name", "input", "partial_json", "stop_reason",
    "usage", "error", "id", "model", "server_name", "input_tokens", "output_tokens", "iterations", "cache_creation",
}  # fmt: skip
SAID_WORDS = [
    "message_start", "content_block_start", "content_block_delta", "message_delta", "message_stop", "tool_use", "error",
    "server_tool_use", "mcp_tool_use", "text", "lookup", "end_turn",
]  # fmt: skip
BLOCK = formats.tool_use()


def asked_of(request: Any) -> Asked:
    return MESSAGES.read(Sent({}, "/messages", json.dumps(request).encode()))


def seen(raw: bytes) -> MessagesTranscript:
    transcript, reader = MessagesTranscript(), MESSAGES.reader()
    for event in [*reader.feed(raw), *reader.finish()]:
        transcript.see(event)
    transcript.see_end()
    return transcript


def judged(raw: bytes, *grants: str) -> tuple[str, bytes, list[str]]:
    judge = Judge(Asked({}, "m", stream=True), MESSAGES, None, grants_of(grants), 1000, "", "key", Room())
    reader = MESSAGES.reader()
    result, ready = judge.events([*reader.feed(raw), *reader.finish()])
    return (judge.end() if result == "answered" else result), ready, [one.name for one in judge.transcript.tool_calls()]


def told(transcript: Any) -> tuple[Any, ...]:
    return transcript.response_id, transcript.model, transcript.finish, transcript.tool_calls(), transcript.reported()


@given(request=lax.twisted(REQUEST, MEMBERS, WORDS), deep=st.booleans())
def test_no_request_breaks_the_reader(request: Any, deep: bool) -> None:
    with contextlib.suppress(Refused):
        asked = MESSAGES.read(Sent({}, "/messages", lax.text_of(request, deep=deep)))
        assert json.loads(MESSAGES.outgoing(asked, Server("m", 9)).body)["max_tokens"] == 9
        assert json.dumps(MESSAGES.with_instructions(asked.fields, "first")["system"]).startswith(('"first', '[{"ty'))


@given(data=st.data())
def test_no_event_breaks_the_transcript(data: st.DataObject) -> None:
    transcript, reader = MessagesTranscript(), MESSAGES.reader()
    for seed in [json.loads(one.partition(b"data: ")[2]) for one in formats.message_events("hi", BLOCK)]:
        value = data.draw(lax.twisted(seed, SAID, SAID_WORDS) | lax.objects(SAID, SAID_WORDS) | st.just(seed))
        for event in reader.feed(b"data: " + lax.text_of(value, deep=data.draw(st.booleans())) + b"\n\n"):
            MESSAGES.as_error(MESSAGES.error_of(event))
            with contextlib.suppress(Unreadable):
                transcript.see(event)
    told(transcript)
    transcript.raw_usage()


@given(value=lax.twisted(formats.message("hi", BLOCK), SAID, SAID_WORDS), deep=st.booleans())
def test_no_whole_answer_breaks_the_transcript(value: Any, deep: bool) -> None:
    body, transcript = lax.text_of(value, deep=deep), MessagesTranscript()
    MESSAGES.as_error(MESSAGES.error_in(body))
    with contextlib.suppress(Unreadable):
        transcript.see_whole(body)
    told(transcript)


STREAM = b": so\n\n" + b"".join(formats.message_events("hello", BLOCK))


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=30).map(sorted), line_end=st.sampled_from([b"\n", b"\r\n"]))
def test_any_cutting_of_the_bytes_gives_the_same_transcript(cuts: list[int], line_end: bytes) -> None:
    body, reader, transcript = STREAM.replace(b"\n", line_end), MESSAGES.reader(), MessagesTranscript()
    edges = [0, *cuts, len(body)]
    for low, high in zip(edges, edges[1:], strict=False):
        for event in reader.feed(body[low:high]):
            transcript.see(event)
    assert told(transcript) == told(seen(STREAM))
    assert transcript.finished


@given(text=st.text(max_size=8), names=st.lists(st.sampled_from(["lookup", "other"]), max_size=3))
def test_the_whole_and_the_streamed_form_say_the_same(text: str, names: list[str]) -> None:
    blocks = [formats.tool_use(name, {"a": 1}) for name in names]
    whole = MessagesTranscript()
    whole.see_whole(json.dumps(formats.message(text, *blocks)).encode())
    streamed = seen(b"".join(formats.message_events(text, *blocks)))
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
    result, ready, _ = judged(formats.message_events("")[0] + raw + b"".join(formats.message_events("")[-2:]), "lookup")
    assert result == "refused_answer"
    assert raw not in ready


def test_two_blocks_of_one_number_are_two_calls_whose_names_are_judged_apart() -> None:
    """`look` may come to `lookup` where a format cuts names into pieces; here it is the name of another tool."""
    starts = [
        formats.typed({"type": "content_block_start", "index": 0, "content_block": formats.tool_use(name, {})})
        for name in ("look", "lookup")
    ]
    result, ready, names = judged(b"".join([*starts, *formats.message_events("")[-2:]]), "lookup")
    assert (result, names) == ("refused_answer", ["look", "lookup"])
    assert starts[0] not in ready


@pytest.mark.parametrize("mark", [b"data: [DONE]\n\n", b": so\ndata: [DONE]\n\n"])
def test_a_mark_of_another_format_is_no_end(mark: bytes) -> None:
    result, ready, _ = judged(b"".join(formats.message_events("hello")[:5]) + mark)
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
    result, ready, _ = judged(formats.message_events("")[0] + event, "lookup")
    assert result == "unreadable"
    assert event not in ready


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
    reported = seen(b"".join(map(formats.typed, events))).reported()
    assert reported is not None
    assert reported.usage == Usage(input=10423, cached=7, output=9)


def test_a_start_that_is_sent_twice_resets_no_count() -> None:
    events = formats.message_events("hello", usage=formats.MESSAGE_USAGE | {"output_tokens": 500})
    spliced = formats.typed({"type": "message_start", "message": formats.message(id="msg_2", model="other")})
    for place in (1, len(events) - 1, len(events)):
        found = seen(b"".join([*events[:place], spliced, *events[place:]]))
        reported = found.reported()
        assert reported is not None
        assert (found.response_id, found.model, reported.usage.output) == ("msg_1", "claude-a", 500)


@pytest.mark.parametrize("usage", [None, {}, {"output_tokens": None}, {"input_tokens": 9}])
def test_a_stream_without_a_last_count_of_output_has_not_said_what_it_used(usage: Any) -> None:
    """What a start says of the output is how much there was at the start."""
    delta = formats.typed({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage})
    found = seen(b"".join([*formats.message_events("hello")[:-2], delta, formats.message_events("")[-1]]))
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


@given(value=lax.objects(SAID | {"cache_read_input_tokens"}, SAID_WORDS))
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
