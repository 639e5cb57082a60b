"""An agent that nobody watches over a bank holiday: it is stopped by what its task may come to, on record and explained."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import formats
import openai
import pytest
from stage import Stage, chunk, completion, stage, streaming
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.web.api import explain

pytestmark = pytest.mark.slow
TOOLS: Any = [{"type": "function", "function": {"name": "lookup", "parameters": {"type": "object"}}}]
MOST = 500
"""Rounds after which a test gives an agent up that nothing stops."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("fan-out") / "home", max_calls=40, cap=1000, environment_cap=1000) as opened:
        yield opened


@pytest.fixture
def on(running: Stage) -> Iterator[Stage]:
    running.upstream.seen.clear()
    yield running
    running.upstream.answer = None


def calling(*arguments: str) -> Any:
    """An upstream whose model calls the same tool again and again, with these arguments in turn."""
    turns = itertools.cycle(arguments)

    async def answer(_request: Request, _body: dict[str, Any]) -> Response:
        function = {"name": "lookup", "arguments": next(turns)}
        return JSONResponse(completion("", tool_calls=[{"id": "c1", "type": "function", "function": function}]))

    return answer


def agent(on: Stage, task: str) -> openai.APIStatusError:
    """Do what the model says until the gateway says no."""
    messages: list[Any] = [{"role": "user", "content": "Book every open invoice."}]
    client = on.client("agent", x_whyledger_task=task)
    for _ in range(MOST):
        try:
            said = client.chat.completions.create(model="support", messages=messages, tools=TOOLS).choices[0].message
        except openai.APIStatusError as error:
            return error
        messages.append(said.to_dict())
        messages.append({"role": "tool", "tool_call_id": "c1", "content": f"page {len(messages)} of many"})
    raise AssertionError("nothing stopped the agent")


def code(error: openai.APIStatusError) -> str:
    body: Any = error.body
    return str(body["code"])


def test_an_agent_that_asks_one_tool_the_same_again_is_stopped_after_three_times(on: Stage) -> None:
    on.upstream.answer = calling('{"page": 1}')
    assert code(agent(on, "agent:same")) == "tool_cycle"
    assert len(on.upstream.seen) == 3


def test_an_agent_that_goes_round_in_a_circle_is_stopped(on: Stage) -> None:
    on.upstream.answer = calling('{"page": 1}', '{"page": 2}')
    assert code(agent(on, "agent:circle")) == "tool_cycle"
    assert len(on.upstream.seen) == 6


def test_an_agent_that_always_finds_something_new_is_stopped_by_its_rounds(on: Stage) -> None:
    on.upstream.answer = calling(*(json.dumps({"page": number}) for number in range(MOST)))
    assert code(agent(on, "agent:rounds")) == "tool_rounds_exceeded"
    assert len(on.upstream.seen) == 25


def test_one_that_begins_anew_each_time_is_stopped_by_its_calls_and_why_says_what_was_not_spent(on: Stage) -> None:
    """The bank holiday: from Friday evening on, with a fresh conversation each time, so that no round is seen."""
    for number in range(MOST):
        try:
            on.ask(text=f"invoice, try {number}", task="agent:bank-holiday")
        except openai.APIStatusError as error:
            refused = error
            break
    assert (number, code(refused), refused.response.headers["x-should-retry"]) == (40, "task_calls_exceeded", "false")
    cost = sum(one.facts["cost_nano_eur"] for one in on.entries("call.closed") if one.task == on.entries()[-1].task)
    inputs = on.entries("call.refused")[-1].facts["inputs"]
    assert inputs == {"calls": 40, "cost_nano_eur": cost, "limit": 40}
    said = explain(on.installation, refused.response.headers["x-whyledger-call"])
    assert "Not spent, as an estimate" in repr(said)


def test_the_third_identical_call_of_a_task_is_refused_and_one_that_got_no_answer_does_not_count(on: Stage) -> None:
    on.upstream.answer = failing
    for _ in range(3):
        with pytest.raises(openai.APIError):
            on.ask(text="the same", task="agent:identical")
    on.upstream.answer = None
    assert [on.ask(text="the same", task="agent:identical").choices[0].message.content for _ in range(2)]
    with pytest.raises(openai.PermissionDeniedError, match="the very same call the third time") as caught:
        on.ask(text="the same", task="agent:identical")
    assert code(caught.value) == "identical_calls"
    assert on.ask(text="the same", task="agent:other").choices[0].message.content == "hello"


def test_the_same_call_in_another_order_of_its_members_is_the_same(on: Stage) -> None:
    ways: list[dict[str, Any]] = [
        {"extra_body": {"temperature": 0, "user": "u"}}, {"extra_body": {"user": "u", "temperature": 0}},
    ]  # fmt: skip
    for more in ways:
        on.ask(text="one thing", task="agent:orders", **more)
    with pytest.raises(openai.PermissionDeniedError) as caught:
        on.ask(text="one thing", task="agent:orders", **ways[0])
    assert code(caught.value) == "identical_calls"


def test_the_form_of_an_answer_is_no_tool_that_goes_round_in_a_circle(on: Stage) -> None:
    on.upstream.answer = calling('{"page": 1}')
    messages: list[Any] = [{"role": "user", "content": "Which page?"}]
    forced: Any = {"type": "function", "function": {"name": "lookup"}}
    client = on.client("agent", x_whyledger_task="agent:form")
    for turn in range(5):
        said = client.chat.completions.create(model="support", messages=messages, tools=TOOLS, tool_choice=forced)
        messages += [said.choices[0].message.to_dict(), {"role": "tool", "tool_call_id": "c1", "content": f"{turn}?"}]
    assert len(on.upstream.seen) == 5


def test_a_tool_that_the_provider_runs_is_none_of_the_callers_circles(on: Stage) -> None:
    on.upstream.answer = json_of(formats.message("found", formats.tool_use(kind="server_tool_use")))
    with anthropic.Anthropic(
        base_url=on.url, api_key=on.keys["agent"], default_headers={"x-whyledger-task": "agent:search"}
    ) as client:
        messages: list[Any] = [{"role": "user", "content": "Look it up."}]
        for turn in range(5):
            tools: Any = [{"name": "lookup", "input_schema": {"type": "object"}}]
            client.messages.create(model="claude", max_tokens=100, messages=messages, tools=tools)
            results = [{"type": "tool_result", "tool_use_id": "toolu_1", "content": f"{turn}"}]
            used = {"role": "assistant", "content": [formats.tool_use()]}
            messages += [used, {"role": "user", "content": results}]
    assert len(on.upstream.seen) == 5


async def failing(_request: Request, _body: dict[str, Any]) -> Response:
    return JSONResponse({"error": {"message": "overloaded"}}, 500)


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_calls_too_many_tools_at_once_is_withheld(on: Stage, stream: bool) -> None:
    calls = [
        {"index": number, "id": f"c{number}", "type": "function", "function": {"name": "lookup", "arguments": "{}"}}
        for number in range(33)
    ]
    parts = [chunk({"tool_calls": [one]}) for one in calls]
    on.upstream.answer = (
        streaming(*parts, chunk({}, "tool_calls")) if stream else json_of(completion("", tool_calls=calls))
    )
    with pytest.raises(openai.APIError, match="more than 32 at once"):
        answer = on.ask(text=f"broad {stream}", tools=TOOLS, stream=stream)
        list(answer)
    closed = on.settled("call.closed")[-1]
    assert (closed.facts["result"], closed.facts["checks"][0]["verdict"]) == ("refused_answer", "deny")


def json_of(body: dict[str, Any]) -> Any:
    async def answer(_request: Request, _body: dict[str, Any]) -> Response:
        return JSONResponse(body)

    return answer
