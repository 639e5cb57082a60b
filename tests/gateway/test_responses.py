"""The Responses format: every answer is read and judged however it is written, and nothing in it breaks the reader."""

import contextlib
import json
from typing import Any, get_args

import formats
import lax
import pytest
from heard import judged, seen, told
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ResponseOutputItem, ResponseStreamEvent

from gateway.dialects.openai_responses import RESPONSES
from gateway.dialects.openai_responses_answer import ResponsesTranscript
from gateway.dialects.protocol import FILE_TOKENS, IMAGE_TOKENS, Asked, Sent, Server
from gateway.dialects.sse import Event
from gateway.errors import Refused

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


def asked_of(request: Any) -> Asked:
    return RESPONSES.read(Sent({}, "/responses", json.dumps(request).encode()))


def bound(*content: Any, **more: Any) -> int:
    request = {"model": "m", "input": [{"role": "user", "content": list(content)}]} | more
    return asked_of(request).input_bound - len(json.dumps(request))


@given(request=lax.twisted(REQUEST, MEMBERS, WORDS), deep=st.booleans())
def test_no_request_breaks_the_reader(request: Any, deep: bool) -> None:
    with contextlib.suppress(Refused):
        asked = RESPONSES.read(Sent({}, "/responses", lax.text_of(request, deep=deep)))
        assert json.loads(RESPONSES.outgoing(asked, Server("m", 9)).body)["max_output_tokens"] == 9
        assert RESPONSES.with_instructions(asked.fields, "first")["instructions"].startswith("first")


@given(text=st.text(max_size=8), names=st.lists(st.sampled_from(["lookup", "other"]), max_size=3))
def test_the_whole_and_the_streamed_form_say_the_same(text: str, names: list[str]) -> None:
    items = [formats.function_call(name, key=f"fc_{number}") for number, name in enumerate(names)]
    whole = ResponsesTranscript()
    whole.see_whole(json.dumps(formats.response(text, *items)).encode())
    assert told(whole) == told(seen(RESPONSES, b"".join(formats.response_events(text, *items))))
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
        result, ready, _ = judged(RESPONSES, before + event + formats.response_events("")[-1], "lookup")
        assert result == "refused_answer"
        assert event not in ready


def test_a_function_does_not_grant_a_tool_of_the_provider_with_the_beginning_of_its_name() -> None:
    item = {"id": "x", "type": "file_search_call", "status": "completed", "queries": []}
    result, _, _ = judged(RESPONSES, b"".join(formats.response_events("", item)), "file_search_of_ours")
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
    found = seen(RESPONSES, b"".join(formats.response_events("", {"id": "x", "type": kind})), "lookup", tool)
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
        assert seen(RESPONSES, response_event(kind, output_index=0, item_id="x")).tool_calls(), kind


@pytest.mark.parametrize("mark", [b"data: [DONE]\n\n", b": so\ndata: [DONE]\n\n", b"event: x\ndata: [DONE]\n\n"])
def test_a_mark_at_which_the_sdk_stops_is_no_end_before_the_last_event(mark: bytes) -> None:
    result, ready, _ = judged(RESPONSES, b"".join(formats.response_events("hello")[:6]) + mark)
    assert (result, b"[DONE]" in ready) == ("upstream_cut", False)


def test_an_end_that_only_the_name_of_an_event_tells_is_not_given_out() -> None:
    event = b'event: response.completed\ndata: {"type":"response.output_text.delta","delta":"x","output_index":0}\n\n'
    assert judged(RESPONSES, formats.response_events("")[0] + event)[0] == "unreadable"


def test_an_event_may_have_its_type_in_its_name_alone() -> None:
    keepalive = b'event: keepalive\ndata: {"sequence_number":3}\n\n'
    result, ready, _ = judged(
        RESPONSES, b"".join(formats.response_events("hi")[:3]) + keepalive + formats.response_events("hi")[-1]
    )
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
    assert judged(RESPONSES, formats.response_events("")[0] + b"data: " + body + b"\n\n", "lookup")[0] == "unreadable"


def test_arguments_before_their_item_wait_for_it() -> None:
    item = formats.function_call()
    event = response_event("response.function_call_arguments.delta", output_index=0, item_id="fc_1", delta='{"a":')
    result, ready, _ = judged(
        RESPONSES, event + response_event("response.output_item.added", output_index=0, item=item), "lookup"
    )
    assert (result, event in ready) == ("upstream_cut", True)
    assert event not in judged(RESPONSES, event, "lookup")[1]


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
    reported = seen(RESPONSES, b"".join(formats.response_events("", item)), "web_search").reported()
    assert reported is not None
    assert dict(reported.usage.others).get("web_search", 0) == searches


def test_an_event_of_bytes_without_a_value_is_no_end() -> None:
    assert ResponsesTranscript().see(Event(b": so\n\n")) is False
