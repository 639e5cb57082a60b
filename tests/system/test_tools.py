"""A model that obeys whatever it reads: what its tools may do is held by their rules, in every format, and on record."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import formats
import httpx2
import openai
import pytest
from asking import PATHS, ask
from google import genai
from google.genai import types
from stage import Stage, chunk, completion, stage
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.web.api import explain
from ledger.entry import Entry

pytestmark = pytest.mark.slow
WISH = "Read my notes and do what they say."
RULES = json.dumps(
    {
        "pay": {
            "effect": "money_out",
            "arguments": {
                "properties": {"amount": {"type": "number", "maximum": 500}, "to": {"enum": ["landlord", "grocer"]}},
                "required": ["amount", "to"],
                "additionalProperties": False,
            },
        },
        "mail": {"effect": "message_out", "hosts": {"to": ["firm.example"]}},
        "read_file": {"effect": "read", "beginnings": {"path": ["/notes/"]}},
        "file_under": {"effect": "write", "said_by_person": ["topic"]},
    }
)
TOOLS = ("lookup", "pay", "mail", "read_file", "file_under")
TASKS: list[tuple[str, dict[str, Any], bool]] = [
    ("pay", {"amount": 120.5, "to": "landlord"}, True),
    ("pay", {"amount": 500, "to": "grocer"}, True),
    ("pay", {"amount": 9000, "to": "grocer"}, False),
    ("pay", {"amount": 5, "to": "quince-account"}, False),
    ("pay", {"amount": 5, "to": "grocer", "memo": "quince"}, False),
    ("mail", {"to": "ana@firm.example", "text": "See you at https://quince.example"}, True),
    ("mail", {"to": "ana@firm.example, quince@else.example", "text": "x"}, False),
    ("read_file", {"path": "/notes/may.txt"}, True),
    ("read_file", {"path": "/notes/../quince"}, False),
    ("file_under", {"topic": "My notes"}, True),
    ("file_under", {"topic": "quince"}, False),
    ("lookup", {"a": "anything"}, True),
    ("wipe", {"a": "quince"}, False),
]


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    home = tmp_path_factory.mktemp("tools") / "home"
    with stage(home, tools=json.dumps(TOOLS), tool_rules=RULES, max_calls=100_000) as opened:
        yield opened


def obedient(form: str, name: str, arguments: dict[str, Any], stream: bool) -> Any:
    """An upstream that calls what somebody told it to, in the format in which it is asked."""
    said = json.dumps(arguments)
    if form == "responses":
        item = formats.function_call(name, said)
        value: Any = formats.response_events("well", item) if stream else formats.response("well", item)
    elif form.endswith("anthropic"):
        block = formats.tool_use(name, arguments)
        value = formats.message_events("well", block) if stream else formats.message("well", block)
    elif form.endswith("gemini"):
        part = formats.call_part(name, arguments)
        value = formats.generated_events("well", part) if stream else formats.generated("well", part)
    else:
        function = {"name": name, "arguments": said}
        call = {"index": 0, "id": "call_1", "type": "function", "function": function}
        pieces = [chunk({"tool_calls": [{"index": 0, "function": {"arguments": one}}]}) for one in said]
        head = chunk({"tool_calls": [call | {"function": {"name": name, "arguments": ""}}]})
        value = [chunk({"content": "well"}), head, *pieces, chunk({}, "tool_calls"), formats.data({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}), b"data: [DONE]\n\n"]  # fmt: skip
        value = value if stream else completion(None, tool_calls=[call])  # type: ignore[arg-type]

    async def answer(_request: Request, _body: dict[str, Any]) -> Response:
        return formats.streamed(value) if stream else JSONResponse(value)

    return answer


def asked(on: Stage, form: str, stream: bool) -> tuple[int, bytes]:
    """Return the status and every byte that a client of the format gets."""
    answer = ask(on, form, stream, text=WISH, x_whyledger_repeat="allow")
    return answer.status, answer.body


def last(on: Stage) -> Entry:
    return on.settled("call.closed")[-1]


@pytest.mark.parametrize("form", PATHS)
@pytest.mark.parametrize("stream", [False, True])
def test_of_an_obedient_model_no_call_beyond_the_rules_arrives_and_every_allowed_one_does(
    on: Stage, form: str, stream: bool
) -> None:
    for name, arguments, allowed in TASKS:
        on.upstream.answer = obedient(form, name, arguments, stream)
        status, said = asked(on, form, stream)
        facts = last(on).facts
        assert (facts["result"] == "answered") is allowed, (name, arguments, said)
        assert (name.encode() in said and b"event: error" not in said) if allowed else b"quince" not in said, (
            name,
            arguments,
            said,
        )
        assert status == (200 if allowed or stream else 403)
        if name not in ("lookup", "wipe"):
            effect = json.loads(RULES)[name]["effect"]
            assert facts["tool_calls"][0]["effect"] == effect
            denied = [one["id"] for one in facts["checks"] if one["verdict"] == "deny"]
            assert ("tool-arguments" in facts["passed"], denied) == (allowed, [] if allowed else ["tool-arguments"])


@pytest.mark.parametrize("form", ["chat", "anthropic"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_breaks_its_rule_is_withheld_and_on_record(on: Stage, form: str, stream: bool) -> None:
    on.upstream.answer = obedient(form, "pay", {"amount": 9000, "to": "grocer"}, stream)
    _, said = asked(on, form, stream)
    assert b"pay: arguments: properties/amount/maximum" in said
    entry = last(on)
    (check,) = [one for one in entry.facts["checks"] if one["id"] == "tool-arguments"]
    assert check["verdict"] == "deny"
    assert check["inputs"] == {"called": 1, "tool": "pay", "broken": "arguments: properties/amount/maximum"}
    assert "9000" not in json.dumps(dict(entry.facts))
    answer = explain(on.installation, str(entry.call))
    told = " ".join(one.text for one in answer.narrative)
    assert "held it back: a call breaks the rule of its tool (pay: arguments: properties/amount/maximum)." in told
    assert "The answer called the granted tool pay, which moves money out." in told
    decided = answer.questions[4]
    assert decided.question.startswith("What did the gateway decide")
    assert "The check tool-arguments held it back" in decided.answer
    assert any("checks" in one for one in decided.facts)


PAID, DEAR = {"amount": 120.5, "to": "landlord"}, {"amount": 9000, "to": "grocer"}


AGAIN = {"x-whyledger-repeat": "allow"}


def ours(on: Stage) -> openai.OpenAI:
    return on.client().with_options(default_headers=AGAIN)


def by_chat(on: Stage, stream: bool) -> Any:
    tools: Any = [{"type": "function", "function": {"name": "pay", "parameters": {"type": "object"}}}]
    asking: Any = {"model": "support", "messages": [{"role": "user", "content": WISH}], "tools": tools}
    if not stream:
        return json.loads(
            ours(on).chat.completions.create(**asking).choices[0].message.tool_calls[0].function.arguments
        )
    with ours(on).chat.completions.stream(**asking) as answer:
        return json.loads(answer.get_final_completion().choices[0].message.tool_calls[0].function.arguments)


def by_responses(on: Stage, stream: bool) -> Any:
    tools: Any = [{"type": "function", "name": "pay", "parameters": {"type": "object"}, "strict": False}]
    asking: Any = {"model": "support", "input": WISH, "tools": tools}
    if not stream:
        found = ours(on).responses.create(**asking)
    else:
        with ours(on).responses.stream(**asking) as answer:
            found = answer.get_final_response()
    return json.loads(next(one.arguments for one in found.output if one.type == "function_call"))


def by_anthropic(on: Stage, stream: bool) -> Any:
    asking: Any = {"model": "claude", "max_tokens": 50, "messages": [{"role": "user", "content": WISH}]}
    with anthropic.Anthropic(base_url=on.url, api_key=on.keys["agent"], timeout=20, default_headers=AGAIN) as client:
        if not stream:
            found = client.messages.create(**asking)
        else:
            with client.messages.stream(**asking) as answer:
                found = answer.get_final_message()
    return next(one.input for one in found.content if one.type == "tool_use")


def by_gemini(on: Stage, stream: bool) -> Any:
    options = types.HttpOptions(base_url=on.url, timeout=20_000, headers=AGAIN)
    with genai.Client(api_key=on.keys["agent"], http_options=options) as client:
        asking: Any = {"model": "gemini", "contents": WISH}
        answers = (
            client.models.generate_content_stream(**asking) if stream else [client.models.generate_content(**asking)]
        )
        return [call.args for one in answers for call in one.function_calls or ()][0]


CLIENTS = {"chat": by_chat, "responses": by_responses, "anthropic": by_anthropic, "gemini": by_gemini}


@pytest.mark.parametrize("form", CLIENTS)
@pytest.mark.parametrize("stream", [False, True])
def test_official_clients_read_a_call_that_waited_and_take_a_withheld_one_for_an_error(
    on: Stage, form: str, stream: bool
) -> None:
    on.upstream.answer = obedient(form, "pay", PAID, stream)
    assert CLIENTS[form](on, stream) == PAID
    on.upstream.answer = obedient(form, "pay", DEAR, stream)
    before = len(on.upstream.seen)
    refused = (openai.APIError, anthropic.APIError, genai.errors.APIError, httpx2.HTTPError)
    with pytest.raises(refused) as caught:
        CLIENTS[form](on, stream)
    assert "properties/amount/maximum" in str(caught.value) or stream
    assert len(on.upstream.seen) == before + 1, "it was asked a second time"
