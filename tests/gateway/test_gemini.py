"""The generateContent format: every answer is read and judged however it is written, its usage counted in each shape."""

import contextlib
import json
from typing import Any

import formats
import lax
import pytest
from google.genai import types
from heard import judged, seen, told
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.gemini import GEMINI_COUNT, GEMINI_EMBED, GENERATE
from gateway.dialects.gemini_answer import GenerateTranscript
from gateway.dialects.protocol import FILE_TOKENS, IMAGE_TOKENS, Asked, Sent, Server
from gateway.errors import Refused
from gateway.pricing.money import Usage

PATH = "/models/m:generateContent"
REQUEST = {
    "contents": [{"role": "user", "parts": [
        {"text": "hi"}, {"inlineData": {"mimeType": "image/png", "data": "AA"}}, {"fileData": {"fileUri": "u"}},
        {"functionResponse": {"name": "n", "response": {}, "parts": [{"fileData": {"fileUri": "u"}}]}},
    ]}],
    "systemInstruction": {"parts": [{"text": "Be brief."}]}, "cachedContent": "c", "serviceTier": "flex",
    "tools": [{"functionDeclarations": [{"name": "lookup"}]}, {"googleSearch": {}}],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["lookup"]}},
    "generationConfig": {"maxOutputTokens": 9, "candidateCount": 1, "responseModalities": ["TEXT"]},
}  # fmt: skip
MEMBERS = {
    "contents", "role", "parts", "text", "inlineData", "inline_data", "mimeType", "data", "fileData", "tools", "mode",
    "functionDeclarations", "name", "toolConfig", "functionCallingConfig", "allowedFunctionNames", "generationConfig",
    "generation_config", "maxOutputTokens", "candidateCount", "systemInstruction", "system_instruction", "requests",
    "content", "generateContentRequest",
}  # fmt: skip
WORDS = ["user", "model", "image/png", "ANY", "TEXT", "flex", "lookup"]
CALL = formats.call_part()


def asked_of(request: Any, path: str = PATH) -> Asked:
    return GENERATE.read(Sent({}, path, json.dumps(request).encode()))


@given(request=lax.twisted(REQUEST, MEMBERS, WORDS), deep=st.booleans())
def test_no_request_breaks_the_reader(request: Any, deep: bool) -> None:
    for dialect in (GENERATE, GEMINI_COUNT, GEMINI_EMBED):
        with contextlib.suppress(Refused):
            asked = dialect.read(Sent({}, PATH, lax.text_of(request, deep=deep)))
            assert isinstance(json.loads(dialect.outgoing(asked, Server("m", 9)).body), dict)
            first = GENERATE.with_instructions(asked.fields, "first")["systemInstruction"]["parts"][0]
            assert first == {"text": "first"}


@given(text=st.text(min_size=1, max_size=8), names=st.lists(st.sampled_from(["lookup", "other"]), max_size=3))
def test_the_whole_and_the_streamed_form_say_the_same(text: str, names: list[str]) -> None:
    parts = [formats.call_part(name) for name in names]
    whole = GenerateTranscript()
    whole.see_whole(json.dumps(formats.generated(text, *parts)).encode())
    assert told(whole) == told(seen(GENERATE, b"".join(formats.generated_events(text, *parts))))
    assert [one.name for one in whole.tool_calls()] == names


def events_of(*parts: dict[str, Any]) -> bytes:
    return b"".join(formats.generated_events("", *parts))


@pytest.mark.parametrize(
    "part",
    [
        formats.call_part("wipe_disk"),
        {"toolCall": {"toolType": "GOOGLE_SEARCH_WEB", "args": {}}},
        {"executableCode": {"language": "PYTHON", "code": "x"}},
    ],
)
def test_a_call_that_is_not_granted_is_found_in_each_part_and_each_candidate(part: dict[str, Any]) -> None:
    for value in (
        {"candidates": [{"content": {"parts": [{"text": "a"}, part]}}]},
        {"candidates": [{"content": {"parts": []}}, {"index": 1, "content": {"parts": [part]}}]},
        {"candidates": [{"finishReason": "STOP", "content": {"parts": [part]}}]},
    ):
        raw = formats.data(value)
        result, ready, _ = judged(GENERATE, raw + formats.generated_events("a")[-1], "lookup", "go")
        assert result == "refused_answer"
        assert raw not in ready


@pytest.mark.parametrize(
    "part",
    [
        {"function_call": {"name": "wipe_disk", "args": {}}}, {"FunctionCall": {"name": "wipe_disk"}},
        {"tool_call": {"tool_type": "x"}}, {"executable_code": {"code": "x"}}, {"functionCall": "wipe_disk"},
        {"functionCall": {"Name": "wipe_disk", "name": "lookup"}}, {"toolCall": ["x"]},
    ],
)  # fmt: skip
def test_what_clients_read_differently_is_not_given_out(part: dict[str, Any]) -> None:
    raw = formats.data({"candidates": [{"content": {"parts": [part]}}]})
    result, ready, _ = judged(GENERATE, raw, "lookup")
    assert result == "unreadable"
    assert raw not in ready


def test_the_sdk_reads_the_other_spelling_of_a_call() -> None:
    """The reason why such an answer is withheld."""
    part = types.Part.model_validate({"function_call": {"name": "wipe_disk"}})
    assert part.function_call is not None
    assert part.function_call.name == "wipe_disk"


def test_a_reason_in_another_spelling_ends_nothing_and_is_not_given_out() -> None:
    assert judged(GENERATE, formats.data({"candidates": [{"finish_reason": "STOP", "content": {}}]}))[0] == "unreadable"


@pytest.mark.parametrize("kind", types.ToolType)
def test_a_tool_of_the_provider_has_the_name_under_which_it_is_defined(kind: types.ToolType) -> None:
    part = {"toolCall": {"toolType": kind.value}}
    longer = {"GOOGLE_SEARCH_WEB": "google_search", "GOOGLE_SEARCH_IMAGE": "google_search"}
    (found,) = seen(GENERATE, events_of(part), "go", "f", "google_search", "url_context").tool_calls()
    assert (found.name, found.provider_run) == (longer.get(kind.value, kind.value.lower()), True)


def test_a_function_without_a_name_waits_for_what_never_comes() -> None:
    raw = formats.data({"candidates": [{"content": {"parts": [{"functionCall": {"args": {}}}]}}]})
    assert judged(GENERATE, raw + formats.generated_events("a")[-1], "lookup")[:2] == ("refused_answer", b"")


def test_what_comes_after_a_finish_waits_with_it() -> None:
    last = formats.generated_events("a")[-1]
    more = formats.data({"candidates": [{"content": {"parts": [{"text": "b"}]}}]})
    result, ready, _ = judged(GENERATE, last + more)
    assert (result, ready) == ("answered", b"")


@pytest.mark.parametrize("mark", [b"data: [DONE]\n\n", b": so\ndata: [DONE]\r\n\r\n"])
def test_a_mark_of_another_format_is_no_end(mark: bytes) -> None:
    first = formats.generated_events("hello")[0]
    assert judged(GENERATE, first + mark)[:2] == ("upstream_cut", first)


def usages(*counts: dict[str, int]) -> Any:
    events = [
        {"candidates": [{"content": {"parts": [{"text": "a"}]}}], "usageMetadata": one} for one in counts
    ]  # fmt: skip
    events[-1]["candidates"][0]["finishReason"] = "STOP"
    return seen(GENERATE, b"".join(map(formats.data, events))).reported()


@pytest.mark.parametrize(
    ("counts", "expected", "flagged"),
    [
        ([{"promptTokenCount": 15}, {"promptTokenCount": 13, "candidatesTokenCount": 4}], Usage(input=13, output=4), False),
        ([{"promptTokenCount": 59, "candidatesTokenCount": 40}, {"promptTokenCount": 128, "candidatesTokenCount": 7}],
         Usage(input=128, output=7), False),
        ([{"promptTokenCount": 9, "candidatesTokenCount": 36}, {"promptTokenCount": 9}], Usage(input=9, output=36), True),
        ([{"promptTokenCount": 9, "candidatesTokenCount": 36}, {}], Usage(input=9, output=36), True),
        ([{"promptTokenCount": 9, "candidatesTokenCount": 4, "toolUsePromptTokenCount": 5, "thoughtsTokenCount": 3,
           "cachedContentTokenCount": 2, "totalTokenCount": 21}], Usage(input=12, cached=2, output=7, reasoning=3), False),
        ([{"promptTokenCount": 9, "totalTokenCount": 21}], Usage(input=9, output=12), True),
        ([{"candidatesTokenCount": 4}], None, False),
        ([{"promptTokenCount": 9}], None, False),
        ([{"promptTokenCount": 9, "totalTokenCount": 9}], None, False),
    ],
)  # fmt: skip
def test_the_last_count_is_taken_and_what_it_lost_is_not(counts: Any, expected: Usage | None, flagged: bool) -> None:
    reported = usages(*counts)
    assert (reported.usage if reported else None) == expected
    assert bool(reported and reported.contradictions) == flagged


def test_a_blocked_prompt_has_used_no_output() -> None:
    transcript = GenerateTranscript()
    value = {
        "promptFeedback": {"blockReason": "SAFETY"},
        "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9},
    }
    transcript.see_whole(json.dumps(value).encode())
    reported = transcript.reported()
    assert reported is not None
    assert (reported.usage, transcript.finish) == (Usage(input=9), "content_filter")


@pytest.mark.parametrize(
    "more",
    [
        {"generationConfig": "text"}, {"generationConfig": [1]}, {"generation_config": 7},
        {"generationConfig": {"candidateCount": 1, "candidate_count": 8}},
        {"generationConfig": {}, "generation_config": {"maxOutputTokens": 10**6}},
        {"generationConfig": {"maxOutputTokens": 1, "max_output_tokens": 10**6}},
        {"generationConfig": {"responseModalities": ["IMAGE"]}}, {"generationConfig": {"response_modalities": ["AUDIO"]}},
        {"serviceTier": "priority"}, {"service_tier": "priority"}, {"cachedContent": None, "cached_content": "c"},
    ],
)  # fmt: skip
def test_settings_that_may_be_read_in_two_ways_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        asked_of({"contents": []} | more)


@pytest.mark.parametrize("own", ["Be brief.", {"parts": {"text": "Be brief."}}, {"parts": [{"text": "Be brief."}]}])
@pytest.mark.parametrize("name", ["systemInstruction", "system_instruction"])
def test_a_text_of_the_caller_stays_behind_a_registered_prompt(own: Any, name: str) -> None:
    fields = GENERATE.with_instructions({"contents": [], name: own}, "first")
    assert fields == {"contents": [], "systemInstruction": {"parts": [{"text": "first"}, {"text": "Be brief."}]}}


@pytest.mark.parametrize("query", ["key=x", "k%65y=x", "access_token=x", "%24fields=x", "beta=true"])
def test_of_the_query_only_the_form_goes_on(query: str) -> None:
    asked = asked_of({"contents": []}, f"/models/m:streamGenerateContent?{query}&alt=sse&{query}")
    assert GENERATE.outgoing(asked, Server("n", 9)).path == "/models/n:streamGenerateContent?alt=sse"


INLINE = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
FILE = {"file_data": {"file_uri": "u"}}


@pytest.mark.parametrize(
    ("part", "tokens"),
    [
        ({"text": "hi"}, 0), (INLINE, IMAGE_TOKENS - 4), (FILE, FILE_TOKENS), (INLINE | FILE, IMAGE_TOKENS - 4 + FILE_TOKENS),
        ({"inline_data": {"mime_type": "video/mp4", "data": "AAAA"}}, FILE_TOKENS - 4),
        ({"functionResponse": {"name": "n", "parts": [FILE, INLINE]}}, FILE_TOKENS + IMAGE_TOKENS - 4),
    ],
)  # fmt: skip
def test_what_is_referred_to_is_bound_by_the_most_that_it_may_cost(part: Any, tokens: int) -> None:
    for request in (
        {"contents": [{"parts": [part]}]}, {"contents": [{"parts": part}]},
        {"contents": [], "systemInstruction": {"parts": [part]}},
    ):  # fmt: skip
        assert asked_of(request).input_bound - len(json.dumps(request)) == tokens
    for embedded in ({"content": {"parts": [part]}}, {"requests": [{"content": {"parts": [part]}}]}):
        body = json.dumps(embedded).encode()
        assert GEMINI_EMBED.read(Sent({}, "/models/m:embedContent", body)).input_bound - len(body) == tokens


def test_a_call_that_comes_in_pieces_is_one_call() -> None:
    """As with `streamFunctionCallArguments`: the types of google-genai, read 2026-11-29."""
    pieces = [
        {"name": "lookup", "willContinue": True},
        {"partialArgs": [{"jsonPath": "$.city", "stringValue": "Ly", "willContinue": True}], "willContinue": True},
        {"partialArgs": [{"jsonPath": "$.city", "stringValue": "on"}], "willContinue": True},
        {},
    ]
    events = formats.generated_events("", *[{"functionCall": one} for one in pieces])
    assert judged(GENERATE, b"".join(events), "lookup")[::2] == ("answered", ["lookup"])
    (call,) = seen(GENERATE, b"".join(events)).tool_calls()
    assert json.loads(call.arguments) == [one for piece in pieces for one in piece.get("partialArgs", ())]


def test_a_call_without_a_name_that_nothing_began_is_not_granted() -> None:
    events = formats.generated_events("", {"functionCall": {"name": "lookup"}}, {"functionCall": {"args": {}}})
    assert judged(GENERATE, b"".join(events), "lookup")[0] == "refused_answer"
