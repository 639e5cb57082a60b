"""Routing as callers meet it: cheaper models at a share of the cap, targets that are left alone, and the dry run."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import openai
import pytest
from stage import Stage, completion, stage
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from typer.testing import CliRunner

from gateway.cli import app
from gateway.oversight import acts
from gateway.rules.breaker import FAILURES
from gateway.web.api import explain

pytestmark = pytest.mark.slow


@pytest.fixture
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("routing") / "home", cap=1, environment_cap=1000) as opened:
        yield opened


def activate(on: Stage, old: str, new: str) -> None:
    text = on.installation.vault.text(acts.active_configuration(on.installation)[1]) or ""
    assert old in text
    acts.activate(on.installation, on.person("ada"), text.replace(old, new), "for the test")
    acts.release(on.installation, on.person("ada"), "agent", "for the test")


def dear(cost: int) -> Any:
    """An upstream whose answers cost that many cents."""

    async def answer(_request: Request, body: dict[str, Any]) -> Response:
        output = int(Decimal(cost) / 100 * Decimal("1.1172") / 4 * 10**6) if body["model"] == "model-a" else 5
        return JSONResponse(completion(output=output) | {"model": body["model"]})

    return answer


def test_a_route_steps_down_at_the_share_of_its_cap_and_says_so_everywhere(on: Stage) -> None:
    activate(on, "primary: model-a, fallback: model-b,", "primary: model-a, step_down_at: 70, step_down_to: model-b,")
    on.upstream.answer = dear(80)
    first = on.client().chat.completions.with_raw_response.create(
        model="support", messages=[{"role": "user", "content": "first"}]
    )
    assert "x-whyledger-step-down" not in first.headers
    second = on.client().chat.completions.with_raw_response.create(
        model="support", messages=[{"role": "user", "content": "second"}], max_tokens=10
    )
    assert second.headers["x-whyledger-step-down"] == "true"
    assert [one["body"]["model"] for one in on.upstream.seen] == ["model-a", "model-b"]
    opened = on.entries("call.opened")[-1]
    assert opened.facts["step_down"] == {"percent": 70}
    assert [one["model"] for one in opened.facts["targets"]] == ["model-b", "model-a"]
    said = explain(on.installation, second.headers["x-request-id"])
    assert (
        "model-b (upstream) answered, put first because the route had used up 70 % of its cap"
        in said.questions[5].answer
    )
    assert "answered, the first choice" in explain(on.installation, first.headers["x-request-id"]).questions[5].answer


def test_before_that_share_is_used_up_nothing_steps_down(on: Stage) -> None:
    activate(on, "primary: model-a, fallback: model-b,", "primary: model-a, step_down_at: 70, step_down_to: model-b,")
    on.upstream.answer = dear(60)
    for number in range(2):
        on.ask(text=f"call {number}", max_tokens=10)
    assert [one["body"]["model"] for one in on.upstream.seen] == ["model-a", "model-a"]


def test_a_target_that_fails_again_and_again_is_left_alone_on_record(on: Stage) -> None:
    async def answer(_request: Request, body: dict[str, Any]) -> Response:
        return (
            JSONResponse({"error": {"message": "down"}}, 503)
            if body["model"] == "model-a"
            else JSONResponse(completion())
        )

    on.upstream.answer = answer
    for number in range(FAILURES + 2):
        on.ask(text=f"call {number}")
    asked = [one["body"]["model"] for one in on.upstream.seen]
    assert asked == ["model-a", "model-b"] * FAILURES + ["model-b"] * 2
    rejected = on.entries("call.opened")[-1].facts["rejected"]
    assert [one["model"] for one in rejected] == ["model-a"]
    why = f"its circuit is open after {FAILURES} failures in a row"
    assert why in rejected[0]["reason"]
    said = explain(on.installation, str(on.entries("call.closed")[-1].call)).questions[5].answer
    assert "model-b (upstream) answered, the first that was not passed over" in said
    assert f"model-a was passed over: {why}" in said


def test_one_target_that_fails_is_asked_all_the_same_where_there_is_no_other(on: Stage) -> None:
    activate(on, "primary: model-a, fallback: model-b,", "primary: model-a,")

    async def answer(_request: Request, _body: dict[str, Any]) -> Response:
        return JSONResponse({"error": {"message": "down"}}, 503)

    on.upstream.answer = answer
    for number in range(FAILURES + 2):
        with pytest.raises(openai.APIStatusError, match="answered 503"):
            on.ask(text=f"call {number}")
    assert len(on.upstream.seen) == FAILURES + 2


def run(on: Stage, *words: str, given: str | None = None) -> Any:
    return CliRunner().invoke(app, ["--home", str(on.settings.home), "route", "explain", *words], input=given)


def test_a_dry_run_says_who_would_serve_a_request_and_leaves_no_trace(on: Stage) -> None:
    before = len(on.entries())
    body = json.dumps({"messages": [{"role": "user", "content": "hi"}], "seed": 7})
    said = run(on, "claude", "--workflow", "agent", "--body", "-", given=body)
    assert said.exit_code == 0, said.output
    assert "1. claude-a at second (anthropic.messages); not carried over: seed" in said.output
    assert "EUR 0.00 spent, EUR 0.00 reserved of EUR 1000.00; fits" in said.output
    assert (len(on.entries()), on.upstream.seen) == (before, [])


def test_a_dry_run_agrees_with_what_happens(on: Stage) -> None:
    found = json.loads(run(on, "support", "--workflow", "agent", "--json").output)
    on.ask(text="hi")
    opened = on.entries("call.opened")[-1].facts
    assert [one["model"] for one in found["targets"]] == [one["model"] for one in opened["targets"]]
    assert {one["row"] for one in found["budgets"]} == {
        one["row"] for one in opened["budgets"] if not one["row"].startswith("budget:key:")
    }


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("nosuch", "--workflow", "agent"), "route_unknown", "not defined"),
        (("support", "--workflow", "fresh"), "workflow_not_released", "release"),
        (
            ("support", "--workflow", "agent", "--dialect", "anthropic.messages"),
            "invalid_request",
            "cannot be translated",
        ),
    ],
)
def test_a_dry_run_of_what_would_be_refused_says_why(on: Stage, words: tuple[str, ...], code: str, why: str) -> None:
    said = run(on, *words)
    assert (said.exit_code, said.output.startswith(f"refused: {code}: ")) == (1, True)
    assert why in said.output


@pytest.mark.parametrize("words", [("support", "--dialect", "smoke.signals"), ("support", "--body", "-")])
def test_a_dry_run_that_is_asked_wrongly_says_how_to_ask(on: Stage, words: tuple[str, ...]) -> None:
    said = run(on, *words, given="no json")
    assert said.exit_code == 2
