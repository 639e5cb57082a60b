"""Every format through the running gateway, by the official SDKs: bytes pass, usage and tools are on record, the end
waits for the close, and what is not granted stays with us."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import formats
import httpx2
import openai
import pytest
from google import genai
from google.genai import types
from stage import Stage, stage
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.oversight import acts
from gateway.web.api import explain
from ledger.entry import Entry
from ledger.errors import LedgerUnavailable
from ledger.unit import Unit

pytestmark = pytest.mark.slow
TOOL = {"type": "object", "properties": {"a": {"type": "integer"}}}
USED = {"input_tokens": 6, "cached_tokens": 4, "output_tokens": 5, "reasoning_tokens": 2}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("dialects") / "home", max_calls=100_000) as opened:
        yield opened


@pytest.fixture
def on(running: Stage) -> Iterator[Stage]:
    running.upstream.answer = None
    running.upstream.seen.clear()
    yield running
    running.upstream.answer = None


@pytest.fixture(scope="module")
def claude(running: Stage) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=running.url, api_key=running.keys["agent"], max_retries=2, timeout=20) as made:
        yield made


@pytest.fixture(scope="module", params=["v1", "v1beta"])
def gemini(running: Stage, request: pytest.FixtureRequest) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=running.url, api_version=request.param, timeout=20_000)
    with genai.Client(api_key=running.keys["agent"], http_options=options) as made:
        yield made


def giving(value: Any, *, status: int = 200) -> Callable[[Request, dict[str, Any]], Any]:
    """An upstream that answers so: a body, or the events of a stream."""

    async def answer(_request: Request, _body: dict[str, Any]) -> Response:
        await asyncio.sleep(0)
        return formats.streamed(value) if isinstance(value, list) else JSONResponse(value, status)

    return answer


def last(on: Stage, kind: str = "call.closed") -> Entry:
    return on.entries(kind)[-1]


def closed(on: Stage, call: str | None) -> Entry:
    """Return the close of a call; it is on record before the caller has the end."""
    return next(one for one in on.entries("call.closed") if one.call == call)


# OpenAI Responses


def test_a_response_passes_as_it_is_and_is_on_record(on: Stage) -> None:
    raw = on.client().responses.with_raw_response.create(model="support", input="hi", instructions="Be brief.")
    assert json.loads(raw.content) == formats.response()
    assert raw.parse().output_text == "hello"
    entry = closed(on, raw.headers["x-request-id"])
    assert entry.facts["result"] == "answered"
    assert {name: entry.facts["usage"][name] for name in USED} == USED
    assert last(on, "call.opened").facts["dialect"] == "openai.responses"
    assert last(on, "call.opened").facts["provider_stores"] is True
    sent = on.upstream.seen[-1]
    assert sent["path"] == "/v1/responses"
    assert sent["body"] == {
        "model": "model-a", "input": "hi", "instructions": "Be brief.", "max_output_tokens": 4096,
    }  # fmt: skip


def test_a_streamed_response_passes_and_its_end_waits_for_the_close(on: Stage) -> None:
    kinds, text, call = [], "", None
    with on.client().responses.with_streaming_response.create(model="support", input="hi", stream=True) as raw:
        call = raw.headers["x-request-id"]
        for event in raw.parse():
            kinds.append(event.type)
            text += event.delta if event.type == "response.output_text.delta" else ""
            if event.type == "response.completed":
                assert closed(on, call).facts["result"] == "answered"
    assert (text, kinds[0], kinds[-1]) == ("hello", "response.created", "response.completed")
    assert closed(on, call).facts["usage"]["output_tokens"] == 5


@pytest.mark.parametrize("stream", [False, True])
def test_a_function_of_a_response_that_is_granted_arrives(on: Stage, stream: bool) -> None:
    item = formats.function_call()
    on.upstream.answer = giving(formats.response_events("", item) if stream else formats.response("", item))
    tools: Any = [{"type": "function", "name": "lookup", "parameters": TOOL, "strict": False}]
    answer = on.client().responses.create(model="support", input="hi", tools=tools, stream=stream)
    if stream:
        with answer:
            answer = next(one.response for one in answer if one.type == "response.completed")
    assert [one.arguments for one in answer.output if one.type == "function_call"] == ['{"a":1}']
    assert last(on).facts["finish"] == "tool_calls"
    assert last(on).facts["tool_calls"][0]["name"] == "lookup"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "item",
    [
        formats.function_call("wipe_disk"),
        {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "x"}},
        {"id": "ls_1", "type": "local_shell_call", "call_id": "c", "status": "completed", "action": {"type": "exec"}},
        {"id": "mc_1", "type": "mcp_call", "server_label": "elsewhere", "name": "lookup", "arguments": "{}"},
    ],
    ids=lambda item: str(item["type"]),
)
def test_a_tool_of_a_response_that_is_not_granted_never_arrives(on: Stage, item: dict[str, Any], stream: bool) -> None:
    on.upstream.answer = giving(formats.response_events("", item) if stream else formats.response("", item))
    headers = {"authorization": f"Bearer {on.keys['agent']}", "x-whyledger-repeat": "allow"}
    body, said = {"model": "support", "input": "hi", "stream": stream}, b""
    broken = pytest.raises(httpx2.RemoteProtocolError) if stream else contextlib.nullcontext()
    with httpx2.stream("POST", f"{on.url}/v1/responses", json=body, headers=headers) as answer, broken:
        for piece in answer.iter_bytes():
            said += piece
    assert (answer.status_code, b"response.failed" in said) == ((200, True) if stream else (403, False))
    assert b"wipe_disk" not in said
    assert item["id"].encode() not in said
    assert b"is not granted" in said
    assert last(on).facts["result"] == "refused_answer"
    assert last(on).facts["checks"][0]["verdict"] == "deny"


def test_tools_that_the_provider_runs_are_told_from_those_of_the_caller(on: Stage) -> None:
    item = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "x"}}
    on.upstream.answer = giving(formats.response("", item))
    body: Any = {"model": "support", "input": "hi", "tools": [{"type": "web_search_preview"}]}
    with pytest.raises(openai.PermissionDeniedError, match="web_search_preview"):
        on.client().responses.create(**body)
    assert not on.upstream.seen


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"background": True}, "background"), ({"input": [1]}, "input"), ({"tools": [{}]}, "each tool"),
        ({"max_output_tokens": 0}, "max_output_tokens"), ({"service_tier": "priority"}, "service_tier"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_response_s_request_is_said(on: Stage, more: dict[str, Any], why: str) -> None:
    with pytest.raises(openai.BadRequestError, match=why):
        on.client().responses.create(**({"model": "support", "input": "hi"} | more))
    assert not on.upstream.seen


def test_a_history_that_the_provider_holds_is_refused_and_where_it_is_allowed_reserved_for_and_flagged(
    on: Stage,
) -> None:
    before = len(on.upstream.seen)
    with pytest.raises(openai.PermissionDeniedError, match="nobody here can read it"):
        on.client().responses.create(model="support", input="hi", previous_response_id="resp_0")
    assert len(on.upstream.seen) == before
    assert last(on, "call.refused").facts["inputs"] == {"rule": "whole-input"}
    text = on.installation.vault.text(acts.active_configuration(on.installation)[1]) or ""
    changed = text.replace("agent: {purpose: test", "agent: {held_input: flag, purpose: test")
    acts.activate(on.installation, on.person("ada"), changed, "for agents that go on from an answer")
    acts.release(on.installation, on.person("ada"), "agent", "the same")
    httpx2.get(on.url + "/readyz")  # it reads the rules again
    on.client().responses.create(model="support", input="hi", previous_response_id="resp_0")
    entry = last(on, "call.opened")
    assert entry.facts["input_bound_tokens"] > 1_000_000
    assert [one["id"] for one in entry.facts["checks"]] == ["whole-input"]


def test_a_quota_that_is_gone_is_told_by_a_stream_that_had_begun(on: Stage) -> None:
    """Created, in progress, then the error: it is no answer, and another target could have served the call."""
    wrong = {"type": "insufficient_quota", "code": "insufficient_quota", "message": "You exceeded your quota."}
    failed = formats.response(status="failed", usage=None) | {"error": wrong, "output": []}
    on.upstream.answer = giving(
        formats.response_events()[:2]
        + [formats.typed({"type": "error", "error": wrong, "sequence_number": 2})]
        + [formats.typed({"type": "response.failed", "response": failed, "sequence_number": 3})]
    )
    with pytest.raises(openai.APIStatusError, match="You exceeded your quota"):
        on.client().responses.create(model="support", input="no quota", stream=True)
    assert [one["outcome"] for one in last(on).facts["attempts"]] == ["error", "error"]
    assert last(on).facts["cost_nano_eur"] == 0


ENDS: dict[str, tuple[str, dict[str, Any], tuple[bytes, ...]]] = {
    "responses": ("/v1/responses", {"model": "support", "input": "an end", "stream": True}, (b"response.completed",)),
    "completions": (
        "/v1/completions",
        {"model": "support", "prompt": "an end", "stream": True},
        (b"[DONE]", b'"stop"'),
    ),
    "messages": (
        "/v1/messages",
        {"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": "an end"}], "stream": True},
        (b"message_delta", b"message_stop"),
    ),
    "gemini": (
        "/v1beta/models/gemini:streamGenerateContent?alt=sse",
        {"contents": [{"role": "user", "parts": [{"text": "an end"}]}]},
        (b'"STOP"',),
    ),
    "chat to claude": (
        "/v1/chat/completions",
        {"model": "claude", "messages": [{"role": "user", "content": "an end"}], "stream": True},
        (b"[DONE]", b'"finish_reason":"stop"'),
    ),
    "chat to gemini": (
        "/v1/chat/completions",
        {"model": "gemini", "messages": [{"role": "user", "content": "an end"}], "stream": True},
        (b"[DONE]", b'"finish_reason":"stop"'),
    ),
}


@pytest.mark.parametrize("form", ENDS)
def test_the_end_of_a_stream_is_not_given_out_while_its_close_is_not_durable(
    on: Stage, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, body, ends = ENDS[form]
    headers, said = {"authorization": f"Bearer {on.keys['agent']}", "x-whyledger-repeat": "allow"}, b""
    with httpx2.Client(timeout=20) as client:
        whole = client.post(on.url + path, json=body, headers=headers).content
        assert all(end in whole for end in ends)

        def unrecorded(*_given: Any) -> Unit:
            def run(_state: Any, _at: Any) -> Any:
                raise LedgerUnavailable("the disk is full")

            return Unit(keys=lambda _at: (), run=run)

        monkeypatch.setattr("gateway.pipeline.relay.close_unit", unrecorded)
        with (
            pytest.raises(httpx2.RemoteProtocolError),
            client.stream("POST", on.url + path, json=body, headers=headers) as answer,
        ):
            for piece in answer.iter_bytes():
                said += piece
    assert b"the outcome could not be recorded" in said
    assert not [end for end in ends if end in said]


# Embeddings and completions


@pytest.mark.parametrize("given", ["a text", ["two", "texts"], [1, 2, 3], [[1, 2], [3]]])
def test_vectors_arrive_and_are_charged_for_their_input(on: Stage, given: Any) -> None:
    answer = on.client().embeddings.create(model="vectors", input=given, encoding_format="float")
    assert answer.data[0].embedding == [0.25, -0.5]
    assert on.upstream.seen[-1]["body"] == {"model": "model-e", "input": given, "encoding_format": "float"}
    entry = last(on)
    assert (entry.facts["usage"]["input_tokens"], entry.facts["usage"]["output_tokens"]) == (10, 0)
    assert entry.facts["cost_state"] == "provider_reported"
    assert "answer" not in entry.c


@pytest.mark.parametrize("given", [None, [], [1.5], ["a", 1], {"a": 1}])
def test_inputs_that_are_none_are_refused(on: Stage, given: Any) -> None:
    with pytest.raises(openai.BadRequestError, match="`input` must be"):
        on.client().embeddings.create(model="vectors", input=given, encoding_format="float")


@pytest.mark.parametrize("stream", [False, True])
def test_a_completion_of_old_arrives(on: Stage, stream: bool) -> None:
    answer: Any = on.client().completions.create(model="support", prompt="hi", max_tokens=7, stream=stream)
    if stream:
        with answer:
            parts = list(answer)
        assert "".join(one.choices[0].text for one in parts) == "hello"
    else:
        assert answer.choices[0].text == "hello"
    sent = on.upstream.seen[-1]["body"]
    assert (sent["max_tokens"], sent["model"]) == (7, "model-a")
    assert last(on).facts["usage"]["output_tokens"] == 5


# Anthropic


def test_a_message_passes_as_it_is_and_is_on_record(on: Stage, claude: anthropic.Anthropic) -> None:
    raw = claude.messages.with_raw_response.create(
        model="claude", max_tokens=100, messages=[{"role": "user", "content": "hi"}], system="Be brief."
    )
    assert json.loads(raw.http_response.content) == formats.message()
    entry = closed(on, raw.headers["request-id"])
    assert {name: entry.facts["usage"][name] for name in ("input_tokens", "cached_tokens", "output_tokens")} == {
        "input_tokens": 10, "cached_tokens": 4, "output_tokens": 5,
    }  # fmt: skip
    sent = on.upstream.seen[-1]
    assert sent["path"] == "/v1/messages"
    assert sent["headers"]["anthropic-version"] == "2026-10-21"
    assert "wl_" not in json.dumps(sent["headers"])


def test_betas_and_the_query_go_on_to_the_provider(on: Stage, claude: anthropic.Anthropic) -> None:
    claude.beta.messages.create(
        model="claude", max_tokens=9, messages=[{"role": "user", "content": "hi"}], betas=["context-1m-2025-08-07"],
        extra_query={"beta": "true"},  # as Claude Code asks
    )  # fmt: skip
    assert on.upstream.seen[-1]["path"] == "/v1/messages?beta=true"
    assert on.upstream.seen[-1]["headers"]["anthropic-beta"] == "context-1m-2025-08-07"


def test_a_streamed_message_passes_and_its_end_waits_for_the_close(on: Stage, claude: anthropic.Anthropic) -> None:
    with claude.messages.stream(model="claude", max_tokens=100, messages=[{"role": "user", "content": "hi"}]) as answer:
        kinds = []
        for event in answer:
            kinds.append(event.type)
            if event.type in ("message_delta", "message_stop"):
                assert closed(on, answer.response.headers["request-id"]).facts["finish"] == "stop"
        assert answer.get_final_text() == "hello"
    assert kinds[-1] == "message_stop"


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_of_a_message_arrives_if_it_is_granted(on: Stage, claude: anthropic.Anthropic, stream: bool) -> None:
    block = formats.tool_use()
    on.upstream.answer = giving(formats.message_events("", block) if stream else formats.message("", block))
    asked: Any = {
        "model": "claude", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"name": "lookup", "input_schema": TOOL}],
    }  # fmt: skip
    if stream:
        with claude.messages.stream(**asked) as answer:
            said = answer.get_final_message()
    else:
        said = claude.messages.create(**asked)
    assert [one.input for one in said.content if one.type == "tool_use"] == [{"a": 1}]
    entry = last(on)
    assert (entry.facts["finish"], entry.facts["tool_calls"][0]["name"]) == ("tool_calls", "lookup")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "block", [formats.tool_use("wipe_disk"), formats.tool_use("web_search", kind="server_tool_use")]
)
def test_a_tool_of_a_message_that_is_not_granted_never_arrives(
    on: Stage, claude: anthropic.Anthropic, block: dict[str, Any], stream: bool
) -> None:
    on.upstream.answer = giving(formats.message_events("", block) if stream else formats.message("", block))
    text = f"not granted {block['name']} {stream}"
    with pytest.raises(anthropic.APIError, match="is not granted"):
        answer: Any = claude.messages.create(
            model="claude", max_tokens=100, messages=[{"role": "user", "content": text}], stream=stream
        )
        for event in answer:
            assert "wipe_disk" not in str(event)
            assert "web_search" not in str(event)
    assert last(on).facts["result"] == "refused_answer"
    assert len(on.upstream.seen) == 1


def test_an_answer_that_was_greeted_and_never_came_is_charged(on: Stage, claude: anthropic.Anthropic) -> None:
    """The provider had read the prompt, and says so: that may be billed."""
    on.upstream.answer = giving(formats.message_events()[:2])
    with pytest.raises(anthropic.APIStatusError, match="empty answer"):
        claude.with_options(max_retries=0).messages.create(
            model="claude", max_tokens=9, messages=[{"role": "user", "content": "greeted"}], stream=True
        )
    entry = last(on)
    assert {one["outcome"] for one in entry.facts["attempts"]} == {"empty"}
    assert (entry.facts["cost_state"], entry.facts["cost_nano_eur"] > 0) == ("upper_bound", True)


def test_a_repetition_of_a_message_is_a_412_as_claude_code_leaves_something_out_at_a_400(
    on: Stage, claude: anthropic.Anthropic
) -> None:
    on.upstream.answer = giving(formats.message_events("", formats.tool_use("wipe_disk")))
    asked: Any = {"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": "repeat"}]}
    with pytest.raises(anthropic.APIError, match="is not granted"):
        list(claude.messages.create(**asked, stream=True))
    with pytest.raises(anthropic.APIStatusError, match="was made before as call_") as caught:
        claude.messages.create(**asked)
    assert caught.value.status_code == 412
    assert len(on.upstream.seen) == 1


def test_counting_tokens_is_on_record_and_costs_nothing(on: Stage, claude: anthropic.Anthropic) -> None:
    found = claude.messages.count_tokens(model="claude", messages=[{"role": "user", "content": "hi"}])
    assert found.input_tokens == 10
    assert "max_tokens" not in on.upstream.seen[-1]["body"]
    assert (last(on, "call.opened").facts["reserved_nano_eur"], last(on).facts["cost_nano_eur"]) == (0, 0)


def test_an_error_of_ours_has_the_envelope_of_the_format(on: Stage, claude: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError, match="not defined in the active configuration") as caught:
        claude.messages.create(model="nosuch", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
    body: Any = caught.value.body
    assert (body["type"], body["error"]["type"]) == ("error", "not_found_error")
    assert caught.value.request_id == body["request_id"]


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/v1/chat/completions", {"model": "support", "messages": []}, "Lower max_completion_tokens,"),
        ("/v1/responses", {"model": "support", "input": "hi"}, "Lower max_output_tokens,"),
        ("/v1/completions", {"model": "support", "prompt": "hi"}, "Lower max_tokens,"),
        ("/v1/embeddings", {"model": "vectors", "input": "hi"}, "Send less,"),
        ("/v1/messages", {"model": "claude", "messages": []}, "Lower max_tokens,"),
        ("/v1beta/models/gemini:generateContent", {"contents": []}, "Lower maxOutputTokens,"),
        ("/v1beta/models/gemini:embedContent", {"content": {"parts": []}}, "Send less,"),
    ],
)
def test_what_costs_too_much_is_told_with_the_member_that_the_format_has(
    on: Stage, path: str, body: dict[str, Any], said: str
) -> None:
    on.keys["poor"] = on.keys.get("poor") or acts.issue_key(on.installation, on.person("ada"), "prod", "agent", 1)
    answer = httpx2.post(f"{on.url}{path}", json=body, headers={"authorization": f"Bearer {on.keys['poor']}"})
    assert answer.status_code == 402
    assert said in answer.json()["error"]["message"]
    assert not on.upstream.seen


def test_an_error_of_the_provider_arrives_as_it_is(on: Stage, claude: anthropic.Anthropic) -> None:
    wrong = {"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: too large"}}
    on.upstream.answer = giving(wrong, status=400)
    with pytest.raises(anthropic.BadRequestError, match="max_tokens: too large") as caught:
        claude.messages.create(model="claude", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
    assert caught.value.body == wrong


def test_a_message_cannot_be_put_to_a_provider_of_another_format(on: Stage, claude: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.APIStatusError, match=r"speaks openai\.chat, .* cannot be translated") as caught:
        claude.messages.create(model="support", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
    assert caught.value.status_code == 400
    assert not on.upstream.seen


def test_the_lifetime_of_a_cache_has_its_price(on: Stage, claude: anthropic.Anthropic) -> None:
    usage = formats.MESSAGE_USAGE | {
        "cache_creation_input_tokens": 100,
        "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 50},
    }
    on.upstream.answer = giving(formats.message(usage=usage))
    claude.messages.create(model="claude", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
    said = last(on).facts["usage"]
    assert (said["cache_write_tokens"], said["cache_write_1h_tokens"]) == (30, 70)
    assert "usage-consistent" in [one["id"] for one in last(on).facts["checks"]]


# Gemini


def test_generated_content_passes_as_it_is_and_is_on_record(on: Stage, gemini: genai.Client) -> None:
    answer = gemini.models.generate_content(model="gemini", contents="hi", config={"system_instruction": "Be brief."})
    assert answer.text == "hello"
    entry = last(on)
    assert {name: entry.facts["usage"][name] for name in USED} == USED
    sent = on.upstream.seen[-1]
    assert sent["path"] == "/v1beta/models/gem-a:generateContent"
    assert sent["body"]["generationConfig"] == {"maxOutputTokens": 4096}
    assert "wl_" not in json.dumps(sent["headers"])


def test_a_stream_of_generated_content_passes_and_its_end_waits_for_the_close(on: Stage, gemini: genai.Client) -> None:
    before = len(on.entries("call.closed"))
    text = ""
    for part in gemini.models.generate_content_stream(model="gemini", contents="hi"):
        text += part.text or ""
        if part.candidates and part.candidates[0].finish_reason:
            assert len(on.entries("call.closed")) == before + 1
    assert text == "hello"
    assert on.upstream.seen[-1]["path"] == "/v1beta/models/gem-a:streamGenerateContent?alt=sse"
    assert {name: last(on).facts["usage"][name] for name in USED} == USED


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ["lookup", "wipe_disk"])
def test_functions_of_generated_content(on: Stage, gemini: genai.Client, name: str, stream: bool) -> None:
    part = formats.call_part(name)
    on.upstream.answer = giving(formats.generated_events("a", part) if stream else formats.generated("a", part))
    declared = types.Tool(function_declarations=[types.FunctionDeclaration(name="lookup", parameters_json_schema=TOOL)])
    config = types.GenerateContentConfig(tools=[declared])
    call = gemini.models.generate_content_stream if stream else gemini.models.generate_content
    asked: Any = {"model": "gemini", "contents": f"{name} {stream} {id(gemini)}", "config": config}
    if name == "lookup":
        answers: Any = list(call(**asked)) if stream else [call(**asked)]
        called = [one for answer in answers for one in answer.function_calls or ()]
        assert [(one.name, one.args) for one in called] == [("lookup", {"a": 1})]
        assert last(on).facts["finish"] == "tool_calls"
        return
    with pytest.raises(Exception, match="is not granted"):
        list(call(**asked))  # type: ignore[arg-type]
    assert last(on).facts["result"] == "refused_answer"


def test_a_repetition_is_one_of_the_same_model_which_stands_in_the_path(on: Stage) -> None:
    """And counting the tokens of what was withheld is no repetition of it."""
    on.upstream.answer = giving(formats.generated("a", formats.call_part("wipe_disk")))
    url, headers = f"{on.url}/v1beta/models/", {"x-goog-api-key": on.keys["agent"]}
    body = {"contents": [{"role": "user", "parts": [{"text": "again"}]}]}

    def ask(path: str) -> httpx2.Response:
        return httpx2.post(url + path, json=body, headers=headers)

    assert "is not granted" in ask("gemini:generateContent").text
    for path in ("gemini:generateContent", "gemini:streamGenerateContent?alt=sse"):
        assert "was made before as call_" in ask(path).text
    assert "is not granted" in ask("vectors:generateContent").text
    on.upstream.answer = None
    assert ask("gemini:countTokens").json() == {"totalTokens": 10}


def test_a_cached_answer_serves_the_same_model_and_form_alone_although_the_body_names_neither(on: Stage) -> None:
    text = on.installation.vault.text(acts.active_configuration(on.installation)[1]) or ""
    for name in ("one", "other"):
        text = text.replace("routes:", f"routes:\n  - {{intent: {name}, primary: gem-a, cache_ttl: 60}}")
    acts.activate(on.installation, on.person("ada"), text, "two routes with a cache")
    acts.release(on.installation, on.person("ada"), "agent", "two routes with a cache")
    assert httpx2.get(f"{on.url}/readyz").status_code == 200  # reads the rules anew
    url, headers = f"{on.url}/v1beta/models/", {"x-goog-api-key": on.keys["agent"]}
    body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    seen = []
    for path in ("one:generateContent", "other:generateContent", "one:streamGenerateContent?alt=sse") * 2:
        answer = httpx2.post(url + path, json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.text.startswith("data:" if "stream" in path else "{")
        seen.append(answer.headers["x-whyledger-cache"])
    assert seen == ["miss"] * 3 + ["hit"] * 3


def test_tokens_are_counted_and_vectors_made(on: Stage, gemini: genai.Client) -> None:
    assert gemini.models.count_tokens(model="gemini", contents="hi").total_tokens == 10
    assert last(on).facts["cost_nano_eur"] == 0
    vectors = gemini.models.embed_content(model="gemini", contents=["a", "b"])
    assert vectors.embeddings is not None
    assert vectors.embeddings[0].values == [0.25]
    assert last(on).facts["usage"]["input_tokens"] == 10


def test_an_error_of_ours_is_one_of_the_format(on: Stage, gemini: genai.Client) -> None:
    with pytest.raises(genai.errors.ClientError, match="not defined in the active configuration") as caught:
        gemini.models.generate_content(model="nosuch", contents="hi")
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")


# Chat clients before providers of other formats

FORMS = {
    "claude": (formats.message, formats.message_events, formats.tool_use()),
    "gemini": (formats.generated, formats.generated_events, formats.call_part()),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("route", FORMS)
def test_a_chat_client_is_served_by_a_provider_of_another_format(on: Stage, route: str, stream: bool) -> None:
    whole, events, call = FORMS[route]
    on.upstream.answer = giving(events("hello", call) if stream else whole("hello", call))
    tools: Any = [{"type": "function", "function": {"name": "lookup", "parameters": TOOL}}]
    asked: Any = {
        "model": route, "tools": tools, "seed": 7, "logprobs": True,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
    }  # fmt: skip
    if stream:
        with on.client().chat.completions.stream(**asked, stream_options={"include_usage": True}) as answer:
            said: Any = answer.get_final_completion()
    else:
        said = on.client().chat.completions.create(**asked)
    (choice,) = said.choices
    assert (choice.message.content, choice.finish_reason) == ("hello", "tool_calls")
    (made,) = choice.message.tool_calls
    assert (made.function.name, json.loads(made.function.arguments)) == ("lookup", {"a": 1})
    prompt = {"claude": 14, "gemini": 10}[route]
    assert (said.usage.prompt_tokens, said.usage.completion_tokens) == (prompt, 5)
    assert said.usage.prompt_tokens_details.cached_tokens == 4
    entry = last(on)
    assert entry.facts["usage"]["cached_tokens"] == 4
    assert "logprobs" in entry.facts["attempts"][0]["dropped"]
    assert {
        "tool_calls": len(entry.facts["tool_calls"]), "finish": entry.facts["finish"],
    } == {"tool_calls": 1, "finish": "tool_calls"}  # fmt: skip


def test_what_was_dropped_is_named_in_a_header(on: Stage) -> None:
    raw = on.client().chat.completions.with_raw_response.create(
        model="claude", messages=[{"role": "user", "content": "hi"}], seed=7, temperature=1.5
    )
    assert raw.headers["x-whyledger-dropped"] == "seed, temperature (1 is the most there)"
    said = explain(on.installation, raw.headers["x-request-id"])
    assert "has no place for seed, temperature (1 is the most there)" in said.questions[5].answer


def test_a_request_that_cannot_be_translated_is_refused_before_it_costs(on: Stage) -> None:
    with pytest.raises(openai.BadRequestError, match="`n` is more than 1"):
        on.client().chat.completions.create(model="claude", messages=[{"role": "user", "content": "hi"}], n=2)
    assert not on.upstream.seen
    assert last(on, "call.refused").facts["reason_ref"] == "invalid_request"


@pytest.mark.parametrize("route", FORMS)
def test_a_translated_stream_that_breaks_off_has_no_clean_end(on: Stage, route: str) -> None:
    _, events, _ = FORMS[route]

    async def answer(_request: Request, _body: dict[str, Any]) -> Response:
        return formats.streamed(events("hello")[:3], cut=True)

    on.upstream.answer = answer
    with (
        pytest.raises(openai.APIError),
        on.client().chat.completions.create(
            model=route, messages=[{"role": "user", "content": f"cut {route}"}], stream=True
        ) as parts,
    ):
        list(parts)
    assert on.settled("call.closed")[-1].facts["result"] == "upstream_cut"


# In words


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses", {"model": "support", "input": "how much is it?", "instructions": "be brief"}),
        ("/v1/messages", {"model": "claude", "max_tokens": 9, "system": "be brief",
                          "messages": [{"role": "user", "content": "how much is it?"}]}),
        ("/v1beta/models/gemini:", {"systemInstruction": {"parts": [{"text": "be brief"}]},
                                    "contents": [{"role": "user", "parts": [{"text": "how much is it?"}]}]}),
    ],
    ids=["responses", "messages", "generateContent"],
)  # fmt: skip
def test_why_tells_in_words_what_was_asked_and_said(
    on: Stage, path: str, body: dict[str, Any], stream: bool
) -> None:  # a native stream once had an empty answer, and the rest was raw JSON
    if path.endswith(":"):
        path += "streamGenerateContent?alt=sse" if stream else "generateContent"
    else:
        body |= {"stream": stream}
    answer = httpx2.post(on.url + path, json=body, headers={"authorization": f"Bearer {on.keys['agent']}"})
    call = answer.headers.get("x-request-id") or answer.headers["request-id"]
    assert closed(on, call)
    quotes = [(one["role"], one["text"]) for one in explain(on.installation, call).told[0]["quotes"]]
    assert quotes[:2] == [("system", "be brief"), ("user", "how much is it?")]
    assert quotes[-1] == ("answer", "hello")
