"""What holds of each wire format alike: no bytes break its reading, and no cutting of them changes what was said."""

import contextlib
import json
from typing import Any, NamedTuple, get_args

import formats
import lax
import pytest
from heard import seen, told
from hypothesis import given
from hypothesis import strategies as st

from gateway.configuration.fields import DialectName
from gateway.dialects.anthropic_messages import MESSAGES
from gateway.dialects.gemini import GENERATE
from gateway.dialects.openai_responses import RESPONSES
from gateway.dialects.pairs import DIALECTS
from gateway.dialects.protocol import Asked, Dialect, Sent, Server, Unreadable, object_in
from gateway.dialects.translation.from_messages import MessagesWriter
from gateway.errors import Refused


class Form(NamedTuple):
    """A format, an answer in it with a tool call, and the members and words that such answers are made of."""

    dialect: Dialect
    whole: dict[str, Any]
    events: list[bytes]
    members: set[str]
    words: list[str]


FORMS = {
    "Responses": Form(
        RESPONSES, formats.response("hi", formats.function_call()),
        formats.response_events("hi", formats.function_call()),
        {
            "type", "item", "name", "arguments", "input", "output", "response", "status", "output_index", "item_id",
            "usage", "error", "id", "delta", "server_label", "incomplete_details", "reason", "action", "input_tokens",
            "output_tokens",
        },
        [
            "response.completed", "response.output_item.added", "response.output_item.done", "function_call",
            "mcp_call", "response.function_call_arguments.delta", "response.function_call_arguments.done", "error",
            "completed", "lookup", "response.web_search_call.searching", "message", "reasoning", "wipe_disk", "_call",
        ],
    ),
    "messages": Form(
        MESSAGES, formats.message("hi", formats.tool_use()), formats.message_events("hi", formats.tool_use()),
        {
            "type", "message", "content", "content_block", "delta", "index", "name", "input", "partial_json",
            "stop_reason", "usage", "error", "id", "model", "server_name", "input_tokens", "output_tokens",
            "iterations", "cache_creation",
        },
        [
            "message_start", "content_block_start", "content_block_delta", "message_delta", "message_stop", "tool_use",
            "error", "server_tool_use", "mcp_tool_use", "text", "lookup", "end_turn",
        ],
    ),
    "generateContent": Form(
        GENERATE, formats.generated("hi", formats.call_part()), formats.generated_events("hi", formats.call_part()),
        {
            "candidates", "content", "parts", "functionCall", "name", "args", "finishReason", "index", "toolCall",
            "toolType", "executableCode", "promptFeedback", "blockReason", "usageMetadata", "promptTokenCount",
            "candidatesTokenCount", "totalTokenCount", "promptTokensDetails", "groundingMetadata", "webSearchQueries",
            "error", "text",
        },
        ["STOP", "MAX_TOKENS", "SAFETY", "lookup", "GOOGLE_SEARCH_WEB", "AUDIO"],
    ),
}  # fmt: skip
each_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
TOOLS = Asked({}, "m", tools=("lookup",))


def test_what_a_provider_may_be_said_to_speak_is_a_format() -> None:
    assert set(get_args(DialectName)) <= DIALECTS.keys()


@each_form
@given(data=st.data())
def test_no_event_breaks_the_transcript(form: Form, data: st.DataObject) -> None:
    transcript, reader = form.dialect.transcript(TOOLS), form.dialect.reader()
    for seed in [json.loads(one.partition(b"data: ")[2]) for one in form.events][-9:]:
        twisted = lax.twisted(seed, form.members, form.words) | lax.objects(form.members, form.words) | st.just(seed)
        text = lax.text_of(data.draw(twisted), deep=data.draw(st.booleans()))
        for event in reader.feed(b"data: " + text + b"\n\n"):
            form.dialect.as_error(form.dialect.error_of(event))
            with contextlib.suppress(Unreadable):
                transcript.see(event)
    told(transcript)
    transcript.raw_usage()


@each_form
@given(data=st.data())
def test_no_whole_answer_breaks_the_transcript(form: Form, data: st.DataObject) -> None:
    value = data.draw(lax.twisted(form.whole, form.members, form.words))
    body, transcript = lax.text_of(value, deep=data.draw(st.booleans())), form.dialect.transcript(TOOLS)
    form.dialect.as_error(form.dialect.error_in(body))
    with contextlib.suppress(Unreadable):
        transcript.see_whole(body)
    told(transcript)


@each_form
@given(data=st.data())
def test_any_cutting_of_the_bytes_gives_the_same_transcript(form: Form, data: st.DataObject) -> None:
    stream = (b": so\n\n" + b"".join(form.events)).replace(b"\r\n", b"\n")
    body = stream.replace(b"\n", data.draw(st.sampled_from([b"\n", b"\r\n"])))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=30)))
    reader, transcript = form.dialect.reader(), form.dialect.transcript(TOOLS)
    edges = [0, *cuts, len(body)]
    events = [one for low, high in zip(edges, edges[1:], strict=False) for one in reader.feed(body[low:high])]
    for event in [*events, *reader.finish()]:
        transcript.see(event)
    transcript.see_end()
    assert told(transcript) == told(seen(form.dialect, stream, "lookup"))
    assert transcript.finished


SENT = {
    "openai.chat": {"messages": [{"role": "user", "content": "hi"}]},
    "openai.responses": {"input": "hi"},
    "openai.completions": {"prompt": "hi"},
    "openai.embeddings": {"input": "hi"},
    "anthropic.messages": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
}


@pytest.mark.parametrize("name", SENT)
@given(number=st.integers(-(10**40), 10**40))
def test_an_integer_of_any_length_is_sent_on_as_it_was_said(name: str, number: int) -> None:
    """Amounts in the smallest unit of a currency have more than 64 bits, and stand in schemas and arguments."""
    request = SENT[name] | {"model": "m", "metadata": {"amount": number}}
    asked = DIALECTS[name].read(Sent({}, "/models/m:generateContent", json.dumps(request).encode()))
    sent = json.loads(DIALECTS[name].outgoing(asked, Server("m", 9)).body)
    assert sent["metadata"] == {"amount": number}


def test_a_number_that_no_reader_takes_is_refused() -> None:
    with pytest.raises(Refused, match="not valid JSON"):
        object_in(b'{"amount": ' + b"9" * 5000 + b"}")


@given(amount=st.integers(-(10**30), 10**30))
def test_an_integer_of_any_length_survives_a_translation(amount: int) -> None:
    told = MessagesWriter(0, False).whole(
        json.dumps(formats.message("", formats.tool_use("lookup", {"a": amount}))).encode()
    )
    (call,) = json.loads(told)["choices"][0]["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"a": amount}
