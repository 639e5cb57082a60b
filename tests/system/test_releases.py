"""A release holds for what its person saw; why says what was asked for, what people did, and never guesses."""

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from stage import CONFIG, DEFAULTS, Stage, completion, stage
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.configuration.load import load
from gateway.configuration.releases import release_digest
from gateway.oversight import acts
from gateway.oversight.people import ActRefused
from gateway.web.api import explain
from reports.why.answer import WhyAnswer
from reports.why.text import as_text


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as made:
        yield made


def activate(on: Stage, old: str, new: str) -> None:
    port = on.installation.vault.text(acts.active_configuration(on.installation)[1]) or ""
    assert port.count(old) == 1
    acts.activate(on.installation, on.person("ada"), port.replace(old, new), "changed")


def told(on: Stage, kind: str) -> WhyAnswer:
    return explain(on.installation, str(on.settled(kind)[-1].call))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tools: [lookup]", "tools: [lookup, issue_refund]"),
        (
            "  - {intent: unpriced, primary: model-z}",
            "  - {intent: unpriced, primary: model-z}\n  - {intent: another, primary: model-a}",
        ),
        ("primary: model-a, fallback: model-b", "primary: model-a, fallback: model-a"),
        ("agent: {purpose: test", "agent: {purpose: decides on refunds"),
        ("tools: [lookup],", "tools: [lookup], content: none,"),
        ("tools: [lookup],", "tools: [lookup], forced_tool: required,"),
    ],
    ids=["a tool", "a route", "a model", "its purpose", "what is kept", "what is a form"],
)
def test_a_change_of_what_was_released_is_refused_in_prod_until_a_person_releases_again(
    on: Stage, old: str, new: str
) -> None:
    on.ask()
    activate(on, old, new)
    with pytest.raises(openai.PermissionDeniedError, match="changed after it was released"):
        on.ask()
    refused = on.entries("call.refused")[-1]
    assert (refused.facts["reason_ref"], refused.facts["stage"]) in (("release_stale", 3), ("release_stale", 7))
    acts.release(on.installation, on.person("ada"), "agent", "looked at the change")
    on.ask()
    opened = on.entries("call.opened")[-1]
    assert opened.refs["workflow"] == on.entries("workflow.released")[-1].refs["workflow"]


def test_a_change_of_caps_and_of_other_workflows_leaves_a_release_in_force(on: Stage) -> None:
    activate(on, "fresh: {purpose: never released", "fresh: {purpose: something else")
    activate(on, "max_calls_per_task: 100", "max_calls_per_task: 50")
    on.ask()


def test_an_approval_is_not_quoted_for_what_its_person_did_not_see(on: Stage) -> None:
    on.ask()
    before = told(on, "call.closed")
    activate(on, "tools: [lookup]", "tools: [lookup, issue_refund]")
    with pytest.raises(openai.PermissionDeniedError):
        on.ask()
    after = told(on, "call.refused")
    assert before.approvals["workflow_release"]["people"][0]["action"] == "released the workflow"
    assert after.approvals["workflow_release"]["people"] == []
    assert "changed after its last release" in after.approvals["workflow_release"]["said"]


def test_a_release_of_something_else_than_what_is_registered_is_refused(
    on: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acts, "release_digest", lambda *_args: "A" * 43)
    with pytest.raises(ActRefused, match="activate the configuration, then release"):
        acts.release(on.installation, on.person("ada"), "agent", "late")


def test_the_digest_of_a_release_is_of_its_parts_alone() -> None:
    configuration = load(CONFIG.format(port=1, **DEFAULTS))
    assert release_digest(configuration, "agent") != release_digest(configuration, "quiet")
    capped = load(CONFIG.format(port=1, **DEFAULTS | {"cap": 3, "timeout": 9, "workflow_cap": 1}))
    assert release_digest(configuration, "agent") == release_digest(capped, "agent")


def test_a_refusal_records_the_intent_that_was_asked_for_and_seals_any_other_name(on: Stage) -> None:
    tool = {"type": "function", "function": {"name": "delete_all", "parameters": {}}}
    with pytest.raises(openai.PermissionDeniedError):
        on.ask(tools=[tool])
    answer = told(on, "call.refused")
    assert on.entries("call.refused")[-1].facts["route"] == "support"
    assert answer.verdict.text.startswith("The call of agent to support was refused")
    assert "Not granted to its workflow: 1 of the 1 tool that it offered" in " ".join(
        one.text for one in answer.narrative
    )
    with pytest.raises(openai.NotFoundError):
        on.ask("my-secret-model")
    entry = on.entries("call.refused")[-1]
    assert "route" not in entry.facts
    assert "my-secret-model" not in str(entry)
    answer = told(on, "call.refused")
    assert answer.verdict.text.startswith("The call of agent was refused")
    assert "my-secret-model" in answer.narrative[0].text


def test_a_name_that_is_not_kept_is_not_guessed_at(on: Stage) -> None:
    with pytest.raises(openai.NotFoundError):
        on.ask("my-secret-model", key="quiet")
    text = as_text(told(on, "call.refused"))
    assert "asked for" not in text.partition("who approved it")[0].replace("it asked for a name that the", "")


def test_a_reversal_is_told_by_its_verb_and_is_no_approval(on: Stage) -> None:
    on.ask()
    call = str(on.settled("call.closed")[0].call)
    ada = on.person("ada")
    acts.override(
        on.installation,
        ada,
        call,
        action="reverse",
        reason_code="R07",
        reason="too much",
        presented="p",
        before="b",
        after="a",
    )
    answer = explain(on.installation, call)
    assert answer.approvals["this_call"]["people"] == []
    assert [one["action"] for one in answer.decisions] == ["reversed"]
    acts.override(
        on.installation,
        ada,
        call,
        action="approve",
        reason_code=None,
        reason="fine",
        presented="p",
        before=None,
        after=None,
    )
    answer = explain(on.installation, call)
    assert [one["action"] for one in answer.approvals["this_call"]["people"]] == ["approved"]
    with pytest.raises(ActRefused, match="takes no reason code"):
        acts.override(
            on.installation,
            ada,
            call,
            action="approve",
            reason_code="R01",
            reason="",
            presented="p",
            before=None,
            after=None,
        )


def test_a_call_is_found_by_the_provider_s_request_id_and_told_who_answered(on: Stage) -> None:
    async def answer(_request: Request, _body: object) -> Response:
        answered = completion() | {"model": "somebody-else-7b", "service_tier": "default"}
        return JSONResponse(answered, headers={"x-request-id": "req_4711"})

    on.upstream.answer = answer
    on.ask()
    on.settled("call.closed")
    answer_to = explain(on.installation, "req_4711")
    assert answer_to.kind == "request"
    text = " ".join(one.text for one in answer_to.narrative)
    assert "The answer names somebody-else-7b as its model." in text
    assert "The check reported-model raised a flag" in text
    assert "model somebody-else-7b, service tier default, request id req_4711" in answer_to.questions[5].answer


def test_a_limit_that_was_added_and_hit_is_told(on: Stage) -> None:
    async def cut(_request: Request, _body: object) -> Response:
        answer = completion()
        answer["choices"][0]["finish_reason"] = "length"
        return JSONResponse(answer)

    on.upstream.answer = cut
    on.ask()
    text = " ".join(one.text for one in told(on, "call.closed").narrative)
    assert "It asked for no limit of its answer; the route's was set, 4,096 tokens." in text
    assert "The answer was cut off by the limit of the route, because the call had set none." in text
