"""Results of tools through the running gateway: in a task they answer calls that were given out, or that shows."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from asking import PATHS
from stage import Stage, stage
from test_policies import asked
from test_tools import obedient

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("released") / "home", tools='["lookup"]') as opened:
        yield opened


def flags(on: Stage) -> list[dict[str, Any]]:
    facts = on.settled("call.opened")[-1].facts
    return [one for one in facts["checks"] if one["id"] == "released-calls"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("form", PATHS)
def test_results_of_a_call_that_was_given_out_pass_and_others_show(on: Stage, form: str, stream: bool) -> None:
    task = {"x_whyledger_task": f"{form} {stream}"}
    on.upstream.answer = None
    assert asked(on, form, "a note", **task).status_code == 200
    (flag,) = flags(on)
    assert flag["inputs"] == {"rule": "released-calls", "results": 1, "strange": 1}
    on.upstream.answer = obedient(form, "lookup", {}, stream)
    words = "Look it up."
    path = PATHS[form] + (
        ("streamGenerateContent?alt=sse" if stream else "generateContent") if form == "gemini" else ""
    )
    body: dict[str, Any] = {"stream": stream, "max_tokens": 9, "messages": [{"role": "user", "content": words}]}
    body |= {"model": {"chat to gemini": "gemini", "chat": "support"}.get(form, "claude")}
    body = {"model": "support", "input": words, "stream": stream} if form == "responses" else body
    body = {"contents": [{"role": "user", "parts": [{"text": words}]}]} if form == "gemini" else body
    auth = {"x-goog-api-key": on.keys["agent"]} if form == "gemini" else {"authorization": f"Bearer {on.keys['agent']}"}
    given = httpx2.post(on.url + path, json=body, headers=auth | {"x-whyledger-task": f"{form} {stream}"})
    assert given.status_code == 200 and "lookup" in given.text
    on.upstream.answer = None
    assert asked(on, form, "a note", **task).status_code == 200
    assert flags(on) == [] and "released-calls" in on.settled("call.opened")[-1].facts["passed"]


def test_a_workflow_may_refuse_them_and_calls_without_a_task_say_nothing(on: Stage) -> None:
    on.upstream.answer = None
    before, text = len(on.upstream.seen), on.text()
    asked(on, "chat", "a note")
    assert flags(on) == [] and "released-calls" not in on.settled("call.opened")[-1].facts["passed"]
    try:
        on.put_into_force(text.replace("agent: {", "agent: {unreleased_results: deny, "))
        refused = asked(on, "chat", "a note", x_whyledger_task="other")
        assert refused.status_code == 403 and "no answer in this task gave out" in refused.json()["error"]["message"]
        assert json.loads(json.dumps(dict(on.entries("call.refused")[-1].facts["inputs"])))["strange"] == 1
        assert len(on.upstream.seen) == before + 1, "nothing was bought"
    finally:
        on.put_into_force(text)
