"""The Responses format: every answer is read and judged however it is written, and nothing in it breaks the reader."""

import contextlib
import json
from typing import Any, get_args

import formats
import lax
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ResponseOutputItem, ResponseStreamEvent

from gateway.dialects.openai_responses import RESPONSES
from gateway.dialects.openai_responses_answer import ResponsesTranscript
from gateway.dialects.protocol import FILE_TOKENS, IMAGE_TOKENS, Asked, Sent, Server, Unreadable
from gateway.dialects.sse import Event
from gateway.errors import Refused
from gateway.pipeline.judging import Judge, Room
from gateway.rules.grants import grants_of

REQUEST = {
    "model": "m", "instructions": "Be brief.", "stream": True, "max_output_tokens": 9, "tool_choice": "auto",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "hi"}, {"type": "input_image", "image_url": "u"}]},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_file", "file_id": "f"}]},
    ],
    "tools": [{"type": "function", "name": "lookup"}, {"type": "namespace", "tools": [{"type": "mcp"}]}],
}  # fmt: skip
MEMBERS = {
    "model", "input", "role", "content", "type", "text", "image_url", "file_data", "file_id", "tools", "name",
    "tool_choice", "instructions", "output", "server_label", "background", "store", "service_tier", "prompt",
}  # fmt: skip
WORDS = ["user", "system", "input_text", "input_image", "function", "namespace", "mcp", "item_reference"]
ITEM = formats.function_call()
SAID = {
    "type", "item", "name", "arguments", "input", "output", "response", "status", "output_index", "item_id", "usage",
    "error", "id", "delta", "server_label", "incomplete_details", "reason", "action", "input_tokens", "output_tokens",
}  # fmt: skip
SAID_WORDS = [
    "response.completed", "response.output_item.added", "response.output_item.done", "function_call", "mcp_call",
    "response.function_call_arguments.delta", "response.function_call_arguments.done", "error", "completed", "lookup",
    "response.web_search_call.searching", "message", "reasoning", "wipe_disk", "_call",
]  # fmt: skip


def asked_of(request: Any) -> Asked:
    return RESPONSES.read(Sent({}, "/responses", json.dumps(request).encode()))


def bound(*content: Any, **more: Any) -> int:
    request = {"model": "m", "input": [{"role": "user", "content": list(content)}]} | more
    return asked_of(request).input_bound - len(json.dumps(request))


def seen(raw: bytes, *tools: str) -> ResponsesTranscript:
    transcript, reader = ResponsesTranscript(tools), RESPONSES.reader()
    for event in [*reader.feed(raw), *reader.finish()]:
        transcript.see(event)
    return transcript


def judged(raw: bytes, *grants: str) -> tuple[str, bytes]:
    asked = Asked({}, "m", stream=True, tools=grants)
    judge = Judge(asked, RESPONSES, None, grants_of(grants), 1000, "", "key", Room())
    reader = RESPONSES.reader()
    result, ready = judge.events([*reader.feed(raw), *reader.finish()])
    return (judge.end() if result == "answered" else result), ready


def told(transcript: Any) -> tuple[Any, ...]:
    return transcript.response_id, transcript.model, transcript.finish, transcript.tool_calls(), transcript.reported()


@given(request=lax.twisted(REQUEST, MEMBERS, WORDS), deep=st.booleans())
def test_no_request_breaks_the_reader(request: Any, deep: bool) -> None:
    with contextlib.suppress(Refused):
        asked = RESPONSES.read(Sent({}, "/responses", lax.text_of(request, deep=deep)))
        assert json.loads(RESPONSES.outgoing(asked, Server("m", 9)).body)["max_output_tokens"] == 9
        assert RESPONSES.with_instructions(asked.fields, "first")["instructions"].startswith("first")


@given(data=st.data())
def test_no_event_breaks_the_transcript(data: st.DataObject) -> None:
    transcript, reader = ResponsesTranscript(("lookup",)), RESPONSES.reader()
    for seed in [json.loads(one.partition(b"data: ")[2]) for one in formats.response_events("hi", ITEM)][-8:]:
        value = data.draw(lax.twisted(seed, SAID, SAID_WORDS) | lax.objects(SAID, SAID_WORDS))
        for event in reader.feed(b"data: " + lax.text_of(value, deep=data.draw(st.booleans())) + b"\n\n"):
            RESPONSES.as_error(RESPONSES.error_of(event))
            with contextlib.suppress(Unreadable):
                transcript.see(event)
    told(transcript)
    transcript.raw_usage()


@given(value=lax.twisted(formats.response("hi", ITEM), SAID, SAID_WORDS), deep=st.booleans())
def test_no_whole_answer_breaks_the_transcript(value: Any, deep: bool) -> None:
    body, transcript = lax.text_of(value, deep=deep), ResponsesTranscript()
    RESPONSES.as_error(RESPONSES.error_in(body))
    with contextlib.suppress(Unreadable):
        transcript.see_whole(body)
    told(transcript)


STREAM = b": so\n\n" + b"".join(formats.response_events("hello", ITEM))


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=30).map(sorted), line_end=st.sampled_from([b"\n", b"\r\n"]))
def test_any_cutting_of_the_bytes_gives_the_same_transcript(cuts: list[int], line_end: bytes) -> None:
    body, reader, transcript = STREAM.replace(b"\n", line_end), RESPONSES.reader(), ResponsesTranscript()
    edges = [0, *cuts, len(body)]
    for low, high in zip(edges, edges[1:], strict=False):
        for event in reader.feed(body[low:high]):
            transcript.see(event)
    assert told(transcript) == told(seen(STREAM))
    assert transcript.finished


@given(text=st.text(max_size=8), names=st.lists(st.sampled_from(["lookup", "other"]), max_size=3))
def test_the_whole_and_the_streamed_form_say_the_same(text: str, names: list[str]) -> None:
    items = [formats.function_call(name, key=f"fc_{number}") for number, name in enumerate(names)]
    whole = ResponsesTranscript()
    whole.see_whole(json.dumps(formats.response(text, *items)).encode())
    assert told(whole) == told(seen(b"".join(formats.response_events(text, *items))))
    assert [one.name for one in whole.tool_calls()] == names


def response_event(kind: str, **more: Any) -> bytes:
    return formats.typed({"type": kind, "sequence_number": 1} | more)


WIPE = formats.function_call("wipe_disk")


@pytest.mark.parametrize(
    "event",
    [
        response_event("response.output_item.added", output_index=0, item=WIPE),
        response_event("response.output_item.changed", output_index=0, item=WIPE),
        response_event("response.in_progress", response=formats.response("", WIPE, status="in_progress")),
        response_event("response.function_call_arguments.done", output_index=0, name="wipe_disk", arguments="{}"),
        response_event("response.function_call_arguments.done", output_index=3, name="wipe_disk", arguments="{}"),
        response_event("response.web_search_call.searching", output_index=0, item_id="ws_1"),
        response_event("response.mcp_call.in_progress", output_index=0, item_id="mc_1"),
        response_event("response.output_item.added", output_index=0, item={"id": "x", "type": "tool", "name": "wipe"}),
        response_event("response.output_item.added", output_index=0, item={"id": "x", "type": "_call"}),
        response_event("response.output_item.added", output_index=0, item={"id": "x", "type": "look_call"}),
        response_event("response.output_item.added", output_index=0, item={"id": "x", "type": "program", "code": "x"}),
    ],
)
def test_a_call_that_is_not_granted_is_found_wherever_it_stands(event: bytes) -> None:
    begun = b"".join(formats.response_events("")[:2])
    item = response_event("response.output_item.added", output_index=0, item=formats.function_call("lookup", ""))
    for before in (begun, begun + item):
        if b"web_search" in event or b"mcp_call" in event:
            before = begun
        result, ready = judged(before + event + formats.response_events("")[-1], "lookup")
        assert result == "refused_answer"
        assert event not in ready


def test_a_function_does_not_grant_a_tool_of_the_provider_with_the_beginning_of_its_name() -> None:
    item = {"id": "x", "type": "file_search_call", "status": "completed", "queries": []}
    result, _ = judged(b"".join(formats.response_events("", item)), "file_search_of_ours")
    assert result == "refused_answer"


@pytest.mark.parametrize(
    ("kind", "tool"),
    [
        ("web_search_call", "web_search_preview_2025_03_11"), ("web_search_call", "web_search_2025_08_26"),
        ("computer_call", "computer_use_preview"), ("code_interpreter_call", "code_interpreter"),
        ("image_generation_call", "image_generation"), ("x_search_call", "x_search"),
    ],
)  # fmt: skip
def test_a_tool_of_the_provider_has_the_name_under_which_it_is_defined(kind: str, tool: str) -> None:
    found = seen(b"".join(formats.response_events("", {"id": "x", "type": kind})), "lookup", tool)
    assert [one.name for one in found.tool_calls()] == [tool]


def test_every_item_that_the_sdk_knows_is_judged_or_calls_nothing() -> None:
    union, _ = get_args(ResponseOutputItem)
    kinds = {get_args(one.model_fields["type"].annotation)[0] for one in get_args(union)}
    judged_not = set()
    for kind in kinds:
        transcript = ResponsesTranscript()
        transcript.see_whole(json.dumps(formats.response("", {"id": "x", "type": kind, "name": "n"})).encode())
        judged_not |= {kind} if not transcript.tool_calls() else set()
    assert {one for one in kinds if one.endswith("_call")} & judged_not == set()
    assert judged_not == {
        "message", "reasoning", "compaction", "additional_tools", "mcp_list_tools", "mcp_approval_response",
        "program_output", "tool_search_output", *(one for one in kinds if one.endswith("_call_output")),
    }  # fmt: skip


def test_every_event_of_a_call_that_the_sdk_knows_is_judged_without_its_item() -> None:
    union, _ = get_args(ResponseStreamEvent)
    kinds = {get_args(one.model_fields["type"].annotation)[0] for one in get_args(union)}
    of_calls = sorted(one for one in kinds if "_call" in one)
    assert len(of_calls) > 15
    for kind in of_calls:
        assert seen(response_event(kind, output_index=0, item_id="x")).tool_calls(), kind


@pytest.mark.parametrize("mark", [b"data: [DONE]\n\n", b": so\ndata: [DONE]\n\n", b"event: x\ndata: [DONE]\n\n"])
def test_a_mark_at_which_the_sdk_stops_is_no_end_before_the_last_event(mark: bytes) -> None:
    result, ready = judged(b"".join(formats.response_events("hello")[:6]) + mark)
    assert (result, b"[DONE]" in ready) == ("upstream_cut", False)


def test_an_end_that_only_the_name_of_an_event_tells_is_not_given_out() -> None:
    event = b'event: response.completed\ndata: {"type":"response.output_text.delta","delta":"x","output_index":0}\n\n'
    assert judged(formats.response_events("")[0] + event)[0] == "unreadable"


def test_an_event_may_have_its_type_in_its_name_alone() -> None:
    keepalive = b'event: keepalive\ndata: {"sequence_number":3}\n\n'
    result, ready = judged(b"".join(formats.response_events("hi")[:3]) + keepalive + formats.response_events("hi")[-1])
    assert (result, keepalive in ready) == ("answered", True)


@pytest.mark.parametrize(
    "body",
    [
        b'{"type":"response.output_item.added","item":{"type":"function_call","name":"wipe"},"item":{"type":"message"}}',
        b'{"type":"response.output_item.added","Item":{"type":"function_call","name":"wipe"}}',
        b'{"type":"response.output_item.added","item":{"type":"function_call","Name":"wipe"}}',
        b'{"type":"ping","x":\ndata: {"type":"response.output_item.added","item":{"type":"function_call"}}\ndata: }',
    ],
)
def test_what_clients_read_differently_is_not_given_out(body: bytes) -> None:
    assert judged(formats.response_events("")[0] + b"data: " + body + b"\n\n", "lookup")[0] == "unreadable"


def test_arguments_before_their_item_wait_for_it() -> None:
    item = formats.function_call()
    event = response_event("response.function_call_arguments.delta", output_index=0, item_id="fc_1", delta='{"a":')
    result, ready = judged(event + response_event("response.output_item.added", output_index=0, item=item), "lookup")
    assert (result, event in ready) == ("upstream_cut", True)
    assert event not in judged(event, "lookup")[1]


@pytest.mark.parametrize(
    ("part", "tokens"),
    [
        ({"type": "input_text", "text": "hi"}, 0),
        ({"type": "input_image", "image_url": "https://x"}, IMAGE_TOKENS),
        ({"type": "input_image", "image_url": "data:image/png;base64,AAAA"}, IMAGE_TOKENS - 26),
        ({"type": "input_image", "file_id": "f"}, IMAGE_TOKENS),
        ({"type": "input_file", "file_url": "https://x"}, FILE_TOKENS),
        ({"type": "input_file", "file_data": "data:x;base64,AA"}, FILE_TOKENS - 16),
        ({"type": "input_video", "file_id": "f"}, FILE_TOKENS),
    ],
)
def test_what_is_referred_to_is_bound_by_the_most_that_it_may_cost(part: Any, tokens: int) -> None:
    assert bound(part) == tokens


@pytest.mark.parametrize(
    "more",
    [
        {"previous_response_id": "r"}, {"conversation": "c"}, {"input": [{"type": "item_reference", "id": "m"}]},
        {"input": [{"id": "m"}]}, {"input": [{"type": None, "id": "m"}]},
    ],
)  # fmt: skip
def test_what_the_provider_holds_is_bound_by_the_largest_window(more: dict[str, Any]) -> None:
    assert bound(**more) == FILE_TOKENS
    assert asked_of({"model": "m"} | more).held


@pytest.mark.parametrize(("action", "searches"), [("search", 1), ("open_page", 0), (None, 1)])
def test_searches_are_counted_by_their_items_where_no_count_says_so(action: str | None, searches: int) -> None:
    item = {"id": "x", "type": "web_search_call", "action": {"type": action, "query": "x"}}
    reported = seen(b"".join(formats.response_events("", item)), "web_search").reported()
    assert reported is not None
    assert dict(reported.usage.others).get("web_search", 0) == searches


def test_an_event_of_bytes_without_a_value_is_no_end() -> None:
    assert ResponsesTranscript().see(Event(b": so\n\n")) is False
