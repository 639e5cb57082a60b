"""Values of people planted wherever a text can stand: none arrives where it was not meant for.

Each place has a value of its own, so that what is found says where it came from. What is kept is redacted, and what a
provider gets has placeholders. An answer's own values reach the caller and nobody else.
"""

import contextlib
import json
import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx2
import pytest
from stage import DONE, USAGE, Stage, chunk, completion, event, stage, streaming
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.packing import PackRequest, export
from gateway.store.evidence import LiveEvidence

pytestmark = pytest.mark.slow
POLICY = """
policies:
  stays-here: {replaces: {credentials: true, personal_data: any}, effect: redact}
  odd: {when: {input_above: 3000}, effect: deny}
"""


def canary(place: str) -> str:
    """Return the value of a place."""
    return f"{place.replace('_', '.')}@bird.example"


ASKED = [
    "system", "turn", "part", "earlier", "said_by_model", "arguments", "result", "nested_result", "user", "metadata",
    "name", "task", "subject", "instructions", "input", "item", "output", "system_block", "tool_result", "user_id",
    "system_instruction", "function_response", "gemini_part", "refused_turn", "refused_task", "embedded", "completed",
]  # fmt: skip
ANSWERED = ["answer", "answer_arguments", "streamed", "upstream_error", "stream_error"]


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("canaries") / "home", tools='["mail"]') as opened:
        opened.put_into_force(opened.text() + POLICY)
        yield opened


def said(place: str) -> str:
    return f"It says {canary(place)} there."


CHAT = {
    "model": "support", "user": said("user"), "metadata": {"from": canary("metadata")},
    "messages": [
        {"role": "system", "content": said("system")}, {"role": "user", "content": said("earlier"), "name": canary("name")},
        {"role": "assistant", "content": said("said_by_model"), "tool_calls": [{"id": "c", "type": "function", "function": {"name": "mail", "arguments": json.dumps({"to": canary("arguments")})}}]},
        {"role": "tool", "tool_call_id": "c", "content": said("result") + json.dumps({"a": [canary("nested_result")]})},
        {"role": "user", "content": [{"type": "text", "text": said("part")}]}, {"role": "user", "content": said("turn")},
    ],
}  # fmt: skip
RESPONSES = {
    "model": "support", "instructions": said("instructions"),
    "input": [
        {"role": "user", "content": said("input")}, {"role": "user", "content": [{"type": "input_text", "text": said("item")}]},
        {"type": "function_call", "call_id": "c", "name": "mail", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": said("output")},
    ],
}  # fmt: skip
ANTHROPIC = {
    "model": "claude", "max_tokens": 9, "system": [{"type": "text", "text": said("system_block")}],
    "metadata": {"user_id": canary("user_id")},
    "messages": [
        {"role": "user", "content": "look"}, {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "mail", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": said("tool_result")}]},
    ],
}  # fmt: skip
GEMINI = {
    "systemInstruction": {"parts": [{"text": said("system_instruction")}]},
    "contents": [
        {"role": "user", "parts": [{"text": said("gemini_part")}]}, {"role": "model", "parts": [{"functionCall": {"name": "mail", "args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "mail", "response": {"a": said("function_response")}}}]},
    ],
}  # fmt: skip


def send(on: Stage, path: str, body: Any, said: list[str], **headers: str) -> tuple[int, str]:
    """Return the status and all that a client gets; what was sent is added to `said`."""
    auth = {"authorization": f"Bearer {on.keys['agent']}", "x-goog-api-key": on.keys["agent"]}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    given = {"x-whyledger-repeat": "allow", "user-agent": canary("agent")}
    text = b""
    said.append(json.dumps([body, given | named]))
    with httpx2.stream("POST", on.url + path, json=body, headers=auth | given | named, timeout=20) as answer:
        with contextlib.suppress(httpx2.RemoteProtocolError):  # a stream is broken off after its error event
            for part in answer.iter_bytes():
                text += part
        return answer.status_code, text.decode()


def plant(on: Stage) -> tuple[list[str], str]:
    """Send a value through every place; return what callers got, and all that was sent."""
    sent: list[str] = []
    on.upstream.answer = None
    named = {"x_whyledger_task": f"case {canary('task')}", "x_whyledger_subject": canary("subject")}
    got = [
        send(on, "/v1/chat/completions", CHAT, sent, **named), send(on, "/v1/responses", RESPONSES, sent),
        send(on, "/v1/messages", ANTHROPIC, sent), send(on, "/v1beta/models/gemini:generateContent", GEMINI, sent),
        send(on, "/v1/embeddings", {"model": "vectors", "input": [said("embedded")]}, sent),
        send(on, "/v1/completions", {"model": "support", "prompt": said("completed")}, sent),
    ]  # fmt: skip
    assert [status for status, _ in got] == [200] * len(got), got
    long = {"model": "support", "messages": [{"role": "user", "content": said("refused_turn") + " x" * 2000}]}
    assert send(on, "/v1/chat/completions", long, sent, x_whyledger_task=canary("refused_task"))[0] == 403
    hello = {"model": "support", "messages": [{"role": "user", "content": "hello"}]}
    call = {"id": "c", "type": "function", "function": {"name": "mail", "arguments": json.dumps({"to": canary("answer_arguments")})}}  # fmt: skip

    async def whole(_request: Request, _body: dict[str, Any]) -> Response:
        return JSONResponse(completion(said("answer"), tool_calls=[call]))

    async def failing(_request: Request, _body: dict[str, Any]) -> Response:
        return JSONResponse({"error": {"message": said("upstream_error"), "type": "x"}}, 400)

    pieces = [chunk({"content": one}) for one in said("streamed")]
    for answer, stream in (
        (whole, False), (failing, False), (streaming(*pieces, chunk({}, "stop"), USAGE, DONE), True),
        (streaming(chunk({"content": "a"}), event({"error": {"message": said("stream_error")}})), True),
    ):  # fmt: skip
        on.upstream.answer = answer
        got.append(send(on, "/v1/chat/completions", hello | {"stream": stream}, sent))
    return [text for _, text in got], "".join(sent)


def test_values_of_people_arrive_nowhere_where_they_were_not_meant_for(on: Stage) -> None:
    begun = len(on.upstream.seen)
    got, sent = plant(on)
    planted = [one for one in (*ASKED, "agent") if canary(one) in sent]
    assert len(planted) == len(ASKED) + 1 and len(planted) + len(ANSWERED) >= 30
    outside = json.dumps([one["body"] for one in on.upstream.seen[begun:]])
    assert not [one for one in ASKED if canary(one) in outside], "a provider got it"
    assert all(outside.count(f"[EMAIL_ADDRESS_{number}]") for number in range(1, 9)), "and all of them came along"
    entries, evidence = on.entries(), LiveEvidence(on.installation)
    on_record = "".join(json.dumps([dict(one.facts), dict(one.refs), one.task, one.sub]) for one in entries)
    every = [*ASKED, *ANSWERED, "agent"]
    assert not [one for one in every if canary(one) in on_record], "an entry has it"
    kept = json.dumps(
        [[str(evidence.content(one, name).value) for name in one.c] for one in entries if one.kind.startswith("call.")]
    )
    assert not [one for one in every if canary(one) in kept], "it is kept"
    assert "EMAIL_ADDRESS" in kept
    metrics = httpx2.get(on.url + "/metrics").text
    assert not [one for one in every if canary(one) in metrics]
    auth = {"authorization": f"Bearer {on.tokens['ada']}"}
    for one in on.entries("call.opened"):
        page = httpx2.get(f"{on.url}/why/{one.call}", headers=auth).text + httpx2.get(f"{on.url}/api/v1/why/{one.call}", headers=auth).text  # fmt: skip
        assert not [place for place in every if canary(place) in page], "a page tells it"
    made = export(on.installation, PackRequest(start="2020-01-01", end="2100-01-01", contents=True, person="ada"))
    with zipfile.ZipFile(BytesIO(made.bundle)) as bundle:
        inside = b"".join(bundle.read(name) for name in bundle.namelist()).decode("utf-8", "replace")
    assert not [one for one in every if canary(one) in inside], "a pack opens it"
    for place in ("answer", "answer_arguments", "upstream_error", "stream_error"):
        assert canary(place) in "".join(got), "what the answer says is for the caller"
    told = "".join(json.loads(line[6:])["choices"][0]["delta"].get("content", "") for line in got[-2].splitlines() if line.startswith("data: {") and '"choices": [{' in line)  # fmt: skip
    assert told == said("streamed")
