"""Chat requests put to providers of other formats and their answers written back: nothing breaks it, and what is kept
is kept."""

import json
from collections.abc import Callable
from typing import Any

import formats
import httpx2
import lax
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState

from gateway.dialects.openai_chat import CHAT
from gateway.dialects.pairs import TRANSLATED, Pair
from gateway.dialects.protocol import Asked, Sent, Server, Unreadable
from gateway.errors import Refused
from gateway.pipeline.judging import Judge, Room
from gateway.tools.grants import grants_of

PAIRS = {pair.server.name: pair for pair in TRANSLATED.values()}
WHOLE = {"anthropic.messages": formats.message, "gemini": formats.generated}
EVENTS = {"anthropic.messages": formats.message_events, "gemini": formats.generated_events}
CALL = {"anthropic.messages": formats.tool_use(), "gemini": formats.call_part()}
REQUEST = {
    "model": "m", "stream": True, "stop": ["x"], "temperature": 1, "seed": 7, "reasoning_effort": "low", "user": "u",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [
            {"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
            {"type": "file", "file": {"filename": "f", "file_data": "data:text/plain;base64,AA"}},
        ]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "lookup", "arguments": "{}"}},
        ]},
        {"role": "tool", "tool_call_id": "c", "content": "found"},
    ],
    "tools": [{"type": "function", "function": {"name": "lookup", "description": "d", "parameters": {}}}],
    "tool_choice": {"type": "function", "function": {"name": "lookup"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
}  # fmt: skip
MEMBERS = {
    "model", "messages", "role", "content", "type", "text", "image_url", "url", "file", "file_data", "tool_calls", "id",
    "function", "name", "arguments", "tools", "tool_choice", "n", "stop", "functions", "function_call", "thinking",
}  # fmt: skip
WORDS = ["user", "assistant", "tool", "system", "text", "image_url", "file", "function", "none", "required", "{"]


def asked_of(request: Any, **more: Any) -> Asked:
    return CHAT.read(Sent({}, "/chat/completions", json.dumps(request | more).encode()))


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
@given(request=lax.twisted(REQUEST, MEMBERS, WORDS), deep=st.booleans())
def test_no_request_breaks_the_translation(pair: Pair, request: Any, deep: bool) -> None:
    try:
        asked = CHAT.read(Sent({}, "/chat/completions", lax.text_of(request, deep=deep)))
    except Refused:
        return
    if not pair.objection(asked):
        sent = pair.outgoing(asked, Server("gemini-2", 9))
        assert isinstance(json.loads(sent.body), dict)


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
@pytest.mark.parametrize("content", ["text", [1], ["a"], [{"type": ["text"]}], [{"type": "file"}], [None]])
def test_content_that_is_none_is_objected_to_or_goes_on(pair: Pair, content: Any) -> None:
    asked = asked_of({"model": "m", "messages": [{"role": "user", "content": content}]})
    assert bool(pair.objection(asked)) == (content != "text")


SHARP = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA", "detail": "high"}}
STRICT = {"type": "function", "function": {"name": "f", "parameters": {}, "strict": True}}


@pytest.mark.parametrize(
    ("name", "more", "named"),
    [
        ("anthropic.messages", {"stop": ["\n", "x"]}, "stop (of blanks only)"),
        ("anthropic.messages", {"reasoning_effort": "none"}, "reasoning_effort"),
        ("gemini", {"tools": [STRICT]}, "tools.strict"),
        *((name, {"messages": [{"role": "user", "name": "ann", "content": "hi"}]}, "messages.name") for name in PAIRS),
        *((name, {"messages": [{"role": "user", "content": [SHARP]}]}, "image_url.detail") for name in PAIRS),
    ],
)
def test_what_the_other_format_has_no_place_for_is_named(name: str, more: dict[str, Any], named: str) -> None:
    asked = asked_of({"model": "m", "messages": [{"role": "user", "content": "hi"}]} | more)
    assert PAIRS[name].outgoing(asked, Server("m", 9)).dropped == (named,)


def test_what_the_other_format_has_is_not_named_as_dropped() -> None:
    asked = asked_of({"model": "m", "messages": [{"role": "user", "content": "hi"}]}, stop="x", reasoning_effort="low")
    assert [pair.outgoing(asked, Server("m", 9)).dropped for pair in PAIRS.values()] == [(), ()]


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_arguments_that_are_nested_too_deeply_go_on_as_text(pair: Pair) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":' + lax.DEEP + "}"}}
    asked = asked_of({"model": "m", "messages": [{"role": "assistant", "tool_calls": [call]}]})
    assert b'\\"a\\":[[[' in pair.outgoing(asked, Server("m", 9)).body


def judge(pair: Pair, asked: Asked, *grants: str) -> Judge:
    return Judge(asked, pair.server, pair.writer(asked, 1), grants_of(grants), 1000, "", "key", Room())


STREAMED = {"model": "m", "messages": [], "stream": True, "stream_options": {"include_usage": True}}
ANSWER_MEMBERS = {
    "type", "message", "content", "content_block", "delta", "index", "name", "input", "partial_json", "stop_reason",
    "usage", "candidates", "parts", "functionCall", "args", "finishReason", "promptFeedback", "usageMetadata", "text",
    "thinking", "signature", "id", "error", "thought", "modelVersion", "responseId", "groundingMetadata",
}  # fmt: skip
ANSWER_WORDS = [
    "message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta",
    "message_stop", "tool_use", "text", "text_delta", "input_json_delta", "thinking_delta", "signature_delta", "STOP",
    "lookup", "wipe_disk", "end_turn",
]  # fmt: skip


def seeds(name: str) -> list[Any]:
    return [json.loads(one.partition(b"data: ")[2]) for one in EVENTS[name]("hi", CALL[name])]


@pytest.mark.parametrize("name", PAIRS)
@given(data=st.data())
def test_no_event_breaks_what_writes_and_keeps_a_translated_stream(name: str, data: st.DataObject) -> None:
    pair, asked = PAIRS[name], asked_of(STREAMED)
    running, good = judge(pair, asked, "lookup"), seeds(name)
    given_out, result = b"", "answered"
    for seed in good:
        value = data.draw(lax.twisted(seed, ANSWER_MEMBERS, ANSWER_WORDS) | st.just(seed))
        raw = b"data: " + lax.text_of(value, deep=data.draw(st.integers(0, 9)) == 0) + b"\n\n"
        result, ready = running.events(pair.server.reader().feed(raw))
        given_out += ready
        if result != "answered":
            break
    result = running.end() if result == "answered" else result
    assert b'"name":"wipe_disk"' not in given_out
    running.outcome(result)
    if result == "answered":
        parsed(given_out + running.rest())


@pytest.mark.parametrize("name", PAIRS)
@given(data=st.data())
def test_no_whole_answer_breaks_what_writes_it(name: str, data: st.DataObject) -> None:
    pair, asked = PAIRS[name], asked_of(STREAMED, stream=False)
    value = data.draw(lax.twisted(WHOLE[name]("hi", CALL[name]), ANSWER_MEMBERS, ANSWER_WORDS))
    running = judge(pair, asked, "lookup")
    result = running.whole(lax.text_of(value, deep=data.draw(st.integers(0, 9)) == 0))
    running.outcome(result)
    if result == "answered":
        openai.types.chat.ChatCompletion.model_validate_json(b"".join(running.sent))


def parsed(raw: bytes) -> list[Any]:
    """Events as the parser of the openai SDK reads them, whose chunks are then checked against its types."""
    client = openai.OpenAI(api_key="x", base_url="http://nowhere")
    answer = httpx2.Response(200, content=raw, request=httpx2.Request("POST", "http://nowhere"))
    read = openai.Stream(cast_to=openai.types.chat.ChatCompletionChunk, response=answer, client=client)
    return [openai.types.chat.ChatCompletionChunk.model_validate(one.model_dump(exclude_unset=True)) for one in read]


@pytest.mark.parametrize("name", PAIRS)
@given(cuts=st.lists(st.integers(0, 2000), max_size=30).map(sorted))
def test_any_cutting_of_the_bytes_is_written_alike(name: str, cuts: list[int]) -> None:
    pair, asked = PAIRS[name], asked_of(STREAMED)
    body = b"".join(EVENTS[name]("hello you", CALL[name]))

    def written(places: list[int]) -> bytes:
        reader, running, said = pair.server.reader(), judge(pair, asked, "lookup"), b""
        edges = [0, *(one for one in places if one < len(body)), len(body)]
        for low, high in zip(edges, edges[1:], strict=False):
            said += running.events(reader.feed(body[low:high]))[1]
        said += running.events(reader.finish())[1]
        assert running.end() == "answered"
        return said + running.rest()

    assert written(cuts) == written([])


@pytest.mark.parametrize("name", PAIRS)
@given(text=st.text(max_size=12))
def test_the_whole_and_the_streamed_form_of_an_answer_are_written_alike(name: str, text: str) -> None:
    pair, asked = PAIRS[name], asked_of(STREAMED)
    streamed, whole = judge(pair, asked, "lookup"), judge(pair, asked, "lookup")
    _, ready = streamed.events(pair.server.reader().feed(b"".join(EVENTS[name](text, CALL[name]))))
    assert streamed.end() == "answered"
    assert whole.whole(json.dumps(WHOLE[name](text, CALL[name])).encode()) == "answered"
    state = ChatCompletionStreamState()
    for chunk in parsed(ready + streamed.rest()):
        state.handle_chunk(chunk)
    one, other = (
        state.get_final_completion(),
        openai.types.chat.ChatCompletion.model_validate_json(b"".join(whole.sent)),
    )
    for said in (one, other):
        assert said.choices[0].message.content == text
        (call,) = said.choices[0].message.tool_calls or []
        assert (call.function.name, json.loads(call.function.arguments)) == ("lookup", {"a": 1})
    assert (one.choices[0].finish_reason, one.usage) == (other.choices[0].finish_reason, other.usage)


def pieces(name: str) -> list[bytes]:
    return EVENTS[name]("hello", CALL[name])


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("mark", [b"data: [DONE]\n\n", b": so\ndata: [DONE]\n\n", b"data:  [DONE] \r\n\r\n"])
def test_an_end_in_the_middle_of_a_translated_stream_is_none_to_the_client(name: str, mark: bytes) -> None:
    pair, asked = PAIRS[name], asked_of(STREAMED)
    running = judge(pair, asked, "lookup")
    result, ready = running.events(pair.server.reader().feed(b"".join(pieces(name)[:4]) + mark))
    assert b"[DONE]" not in ready
    assert (result, running.outcome(result).complete) == ("upstream_cut", False)


@pytest.mark.parametrize("name", PAIRS)
def test_what_cannot_be_read_ends_a_translated_stream_and_is_kept_as_it_came(name: str) -> None:
    pair, asked = PAIRS[name], asked_of(STREAMED)
    running = judge(pair, asked, "lookup")
    result, ready = running.events(pair.server.reader().feed(b"".join(pieces(name)[:4]) + b"data: nonsense\n\n"))
    assert (result, b"nonsense" in ready) == ("unreadable", False)
    assert (running.outcome(result).answer or "").endswith("data: nonsense\n\n")


@pytest.mark.parametrize("name", PAIRS)
def test_a_byte_order_mark_before_a_whole_answer_is_no_part_of_it(name: str) -> None:
    running = judge(PAIRS[name], asked_of(STREAMED, stream=False), "lookup")
    assert running.whole(b"\xef\xbb\xbf" + json.dumps(WHOLE[name]("hi")).encode()) == "answered"
    assert json.loads(b"".join(running.sent))["choices"][0]["message"]["content"] == "hi"


def reading_back(name: str) -> Callable[[dict[str, Any]], list[dict[str, Any]]]:
    """How an answer in a format, given back as a turn of the assistant, stands in a request of it."""
    if name == "gemini":
        return lambda body: [part for turn in body["contents"] if turn["role"] == "model" for part in turn["parts"]]
    return lambda body: [block for turn in body["messages"] if turn["role"] == "assistant" for block in turn["content"]]


@pytest.mark.parametrize("name", PAIRS)
@given(text=st.text(min_size=1, max_size=8), arguments=st.dictionaries(st.text(max_size=4), st.integers(0, 9)))
def test_what_a_provider_said_comes_back_to_it_as_it_was(name: str, text: str, arguments: dict[str, Any]) -> None:
    pair, asked = PAIRS[name], asked_of(STREAMED, stream=False)
    if name == "gemini":
        call = formats.call_part("lookup", arguments)
        call["functionCall"]["id"] = "key_1"
        said = formats.generated(text, call)["candidates"][0]["content"]["parts"]
        answer = formats.generated(text, call)
    else:
        answer = formats.message(text, formats.tool_use("lookup", arguments))
        said = answer["content"]
    running = judge(pair, asked, "lookup")
    assert running.whole(json.dumps(answer).encode()) == "answered"
    turn = json.loads(b"".join(running.sent))["choices"][0]["message"]
    again = asked_of({"model": "m", "messages": [{"role": "user", "content": "hi"}, turn]})
    assert not pair.objection(again)
    assert reading_back(name)(json.loads(pair.outgoing(again, Server("m", 9)).body)) == said


def test_a_reader_that_cannot_be_judged_raises_what_the_judge_knows() -> None:
    for pair in PAIRS.values():
        with pytest.raises(Unreadable):
            pair.server.transcript(asked_of(STREAMED)).see_whole(b'{"a":' + lax.DEEP.encode() + b"}")
