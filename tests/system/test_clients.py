"""Requests and answers as real clients and providers send them, in front of the running gateway."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from stage import DONE, USAGE, Stage, chunk, completion, event, stage, streaming
from starlette.responses import JSONResponse, Response

pytestmark = pytest.mark.slow
CITY = {"type": "function", "function": {"name": "City", "parameters": {"type": "object"}}}
FORCED = {"type": "function", "function": {"name": "City"}}


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path / "home", retries=1) as made:
        yield made


def calling(name: str, arguments: str = '{"name": "Rome"}') -> Any:
    message = {"tool_calls": [{"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}]}

    async def answer(_request: Any, _body: Any) -> Response:
        return JSONResponse(completion(None, **message))  # type: ignore[arg-type]

    return answer


def test_a_function_that_the_request_forces_is_the_form_of_the_answer_and_no_tool(on: Stage) -> None:
    on.upstream.answer = calling("City")
    answer = on.ask(tools=[CITY], tool_choice=FORCED)
    assert answer.choices[0].message.tool_calls[0].function.name == "City"
    (opened,), (closed,) = on.settled("call.opened"), on.settled("call.closed")
    assert opened.facts["output_format"] == "City"
    assert closed.facts["tool_calls"][0] | {"c": ""} == {
        "granted": True,
        "name": "City",
        "output_format": True,
        "c": "",
    }
    with pytest.raises(openai.PermissionDeniedError, match="City"):
        on.ask(tools=[CITY])
    on.upstream.answer = calling("issue_refund")  # the form is allowed, another tool is not
    with pytest.raises(openai.PermissionDeniedError, match="not granted"):
        on.ask(tools=[CITY], tool_choice=FORCED)


def test_a_forced_form_is_streamed_in_pieces(on: Stage) -> None:
    def piece(**function: str) -> bytes:
        return chunk({"tool_calls": [{"index": 0, "id": "c", "function": function}]})  # type: ignore[dict-item]

    on.upstream.answer = streaming(
        piece(name="Ci", arguments=""), piece(name="ty", arguments="{}"), chunk({}, "tool_calls"), USAGE, DONE
    )
    parts = list(on.ask(tools=[CITY], tool_choice=FORCED, stream=True))
    assert (
        "".join(call.function.name or "" for one in parts for call in one.choices[0].delta.tool_calls or ()) == "City"
    )


def other(index: int, delta: dict[str, Any], finish: str | None = None) -> bytes:
    return event({"id": "r", "choices": [{"index": index, "delta": delta, "finish_reason": finish}]})


def test_one_choice_that_ends_early_does_not_hold_up_the_others(on: Stage) -> None:
    on.upstream.answer = streaming(
        other(0, {"content": "a"}), other(1, {"content": "b"}), other(0, {}, "stop"),
        *[other(1, {"content": "b"}) for _ in range(8)], other(1, {}, "stop"), USAGE, DONE, gap=0.1,
    )  # fmt: skip
    began, arrived = time.monotonic(), []
    for one in on.ask(n=2, stream=True):
        arrived.append((time.monotonic() - began, one.choices[0].index, one.choices[0].finish_reason))
    second = [at for at, index, _ in arrived if index == 1]
    assert max(after - before for before, after in zip(second, second[1:], strict=False)) < (second[-1] - second[0]) / 2
    assert [finish for _, _, finish in arrived if finish] == ["stop", "stop"]
    assert on.settled("call.closed")[0].facts["result"] == "answered"


def test_a_server_that_ignores_how_many_choices_were_asked_for_is_believed_when_it_ends_cleanly(on: Stage) -> None:
    on.upstream.answer = streaming(other(0, {"content": "a"}), other(0, {}, "stop"), USAGE, DONE)
    assert [one.choices[0].finish_reason for one in on.ask(n=2, stream=True)] == [None, "stop"]
    on.upstream.answer = streaming(other(0, {"content": "a"}), other(0, {}, "stop"), USAGE)
    assert [one.choices[0].finish_reason for one in on.ask(n=2, stream=True)] == [None, "stop"]
    assert [one.facts["result"] for one in on.settled("call.closed", 2)] == ["answered", "answered"]


def test_the_end_of_the_last_choice_seen_waits_for_the_close(on: Stage) -> None:
    """Nothing that a client could take for the end of the whole leaves before `call.closed` is durable."""
    log, seen = on.installation.log, []
    real = log.hand_over

    def noting(unit: Any, **more: Any) -> Any:
        seen.append(("handed over", len(arrived)))
        return real(unit, **more)

    arrived: list[Any] = []
    on.upstream.answer = streaming(
        other(0, {"content": "a"}),
        other(0, {}, "stop"),
        other(1, {"content": "b"}),
        other(1, {}, "stop"),
        DONE,
        gap=0.2,
    )
    for one in on.ask(n=2, stream=True):
        if not arrived:
            log.hand_over = noting  # type: ignore[method-assign]
        arrived.append(one.choices[0])
    assert [(one.index, one.finish_reason) for one in arrived] == [(0, None), (0, "stop"), (1, None), (1, "stop")]
    assert min(count for _, count in seen) == 3  # the last end had not arrived when the close was handed over
