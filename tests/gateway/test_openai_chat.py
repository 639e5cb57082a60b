"""The wire format is read without changing it, however the bytes are cut."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.openai_answer import ChatTranscript
from gateway.dialects.openai_chat import CHAT
from gateway.dialects.openai_usage import read_usage
from gateway.dialects.protocol import Asked, Server, Unreadable
from gateway.dialects.sse import read_event
from gateway.pricing.money import Usage

STREAM = (
    b": keep-alive\n\n"
    b'data: {"id":"r1","choices":[{"index":0,"delta":{"role":"assistant","content":"gr\xc3\xbc\xc3\x9f"}}]}\r\n\r\n'
    b"event: message\ndata: {\"choices\":\ndata: []}\n\n"
    b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"loo","arguments":""}}]}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"name":"kup","arguments":"{\\"a\\":1}"}}]}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":5}}}\n\n'
    b"data: [DONE]"
)  # fmt: skip


@given(st.lists(st.integers(0, len(STREAM)), max_size=30).map(sorted))
def test_any_cutting_of_the_bytes_gives_the_same_events_and_loses_none(cuts: list[int]) -> None:
    reader = CHAT.reader()
    edges = [0, *cuts, len(STREAM)]
    events = [event for low, high in zip(edges, edges[1:], strict=False) for event in reader.feed(STREAM[low:high])]
    events += list(reader.finish())
    assert b"".join(event.raw for event in events) == STREAM
    assert len(events) == 8
    transcript = ChatTranscript()
    for event in events:
        transcript.see(event)
    assert [one[:2] for one in transcript.tool_calls()] == [("lookup", '{"a":1}')]
    assert (transcript.response_id, transcript.finish, transcript.finished) == ("r1", "tool_calls", True)
    reported = transcript.reported()
    assert reported is not None
    assert (reported.usage, reported.contradictions) == (Usage(input=4, cached=5, output=4), ())


FORMS = (
    b'data: {"id":"r","choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":null}],"usage":null}\n\n',
    b'data: {"id":"r","choices":[{"delta":{"role":"assistant","content":"%s"}}],"obfuscation":"%s"}\n\n',
    b'event: x\ndata: {"choices":[{"index":1,"delta":{"content":"%s"},"finish_reason":null}]}\n\n',
)
TEXTS = st.one_of(
    st.text(max_size=8).map(str.encode),
    st.sampled_from(
        [b'"', b"\\", b'","tool_calls":[{}],"x":"', b'"},"finish_reason":"stop","y":{"z":"', b"a\n", b"\x00"]
    ),
)


def without_texts(value: Any) -> Any:
    delta = {**value["choices"][0]["delta"], "content": ""}
    return {**value, "choices": [{**value["choices"][0], "delta": delta}], "obfuscation": ""}


@given(st.sampled_from(FORMS), st.lists(st.tuples(TEXTS, TEXTS), min_size=2, max_size=5), st.data())
def test_an_event_known_again_says_what_the_first_said_but_for_its_text(
    form: bytes, texts: list[tuple[bytes, bytes]], data: st.DataObject
) -> None:
    """Whatever stands in the place of the text: when it is known again, an independent reader reads it alike."""
    reader = CHAT.reader()
    fields = form.count(b"%s")
    [_, first] = reader.feed(b": a comment\n\n" + form.replace(b"%s", b"plain"))
    expected = without_texts(first.value)
    for pair in texts:
        raw = form % pair[:fields]
        if data.draw(st.booleans()):
            place = data.draw(st.integers(0, len(raw) - 3))
            raw = raw[:place] + raw[place + data.draw(st.integers(0, 2)) :]
        for event in reader.feed(raw):
            for one in event.raw.split(b"\n\n")[:-1] if event.again else ():
                assert without_texts(json.loads(one.partition(b"data: ")[2])) == expected
        reader.finish()


def test_one_quotation_mark_does_not_open_and_close_a_text() -> None:
    reader = CHAT.reader()
    reader.feed(FORMS[0] % b"plain")
    [event] = reader.feed(FORMS[0].replace(b'"%s"', b'"'))
    assert event.unreadable


@pytest.mark.parametrize("form", FORMS)
def test_most_events_of_a_stream_are_known_again(form: bytes) -> None:
    reader, fields = CHAT.reader(), form.count(b"%s")
    events = reader.feed(b": a comment\n\n" + b"".join(form % ((b"a word",) * fields) for _ in range(20)))
    assert [one.again for one in events] == [False, False, True]
    assert events[2].raw.count(b"a word") == 19 * fields


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_no_bytes_break_the_reader_or_get_lost(one: bytes, other: bytes) -> None:
    reader, transcript = CHAT.reader(), ChatTranscript()
    events = [*reader.feed(one), *reader.feed(other), *reader.finish()]
    for event in events:
        with contextlib.suppress(Unreadable):
            transcript.see(event)
    assert b"".join(event.raw for event in events) == one + other


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "choices",
                        "delta",
                        "message",
                        "tool_calls",
                        "function",
                        "name",
                        "arguments",
                        "index",
                        "usage",
                        "id",
                        "finish_reason",
                        "error",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_no_json_value_breaks_the_transcript(value: object) -> None:
    body = json.dumps(value).encode()
    transcript = ChatTranscript()
    with contextlib.suppress(Unreadable):
        transcript.see(read_event(b"data: " + body + b"\n\n"))
    with contextlib.suppress(Unreadable):
        transcript.see_whole(body)
    transcript.tool_calls()
    transcript.reported()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 3}, Usage(input=10, output=3)),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 3,
                "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
            },
            Usage(input=4, cached=4, cache_write=2, output=3),
        ),
        (
            {"prompt_tokens": 10, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 99}},
            Usage(input=10, cached=99, output=3),
        ),
        ({"prompt_tokens": 0, "completion_tokens": 0}, Usage()),
        ({"prompt_tokens": True, "completion_tokens": 3}, None),
        ({"prompt_tokens": 1.5, "completion_tokens": 3}, None),
        ({"prompt_tokens": 12.0, "completion_tokens": 3}, Usage(input=12, output=3)),
        ({"completion_tokens": 3}, None),
        (None, None),
    ],
)
def test_usage_is_disjoint_never_negative_and_missing_is_not_zero(value: object, expected: Usage | None) -> None:
    reported = read_usage(value, {})
    assert (reported.usage if reported else None) == expected


def test_the_body_sent_upstream_differs_only_where_it_must() -> None:
    request = {
        "model": "intent",
        "messages": [],
        "x": {"y": 1},
        "stream": True,
        "stream_options": {"include_obfuscation": False},
    }
    sent = json.loads(CHAT.outgoing(Asked(request, "x"), Server("m", 9, "max_tokens")).body)
    assert sent == request | {
        "model": "m",
        "max_tokens": 9,
        "stream_options": {"include_obfuscation": False, "include_usage": True},
    }
