"""The prompt registry in front of a real upstream: promoted, taken back, told by why, counted by version."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import openai
import pytest
from stage import Stage, completion, stage
from starlette.responses import JSONResponse, Response

from gateway.economics.costs import grouped
from gateway.economics.reading import Period, sums_of
from gateway.economics.scorecard import scorecard
from gateway.oversight import acts, prompts
from gateway.oversight.people import ActRefused
from gateway.store.rebuild import replay
from gateway.web.api import explain

pytestmark = pytest.mark.slow
ALWAYS = Period(date(2020, 1, 1), date(2100, 1, 1), "Europe/Berlin")
EVALUATION = """
evaluation:
  rate: 1
  evaluators:
    - {name: no-promises, workflow: agent, component: policy, kind: forbidden_words, words: [guarantee]}
    - {name: tools, workflow: agent, component: tool_selection, kind: expected_tools, tools: [lookup]}
"""


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path / "home") as made:
        made.upstream.answer = parrot
        yield made


async def parrot(_request: Any, body: dict[str, Any]) -> Response:
    return JSONResponse(completion(f"said: {body['messages'][0]['content']}"))


def ask(on: Stage, **prompt: Any) -> Any:
    return on.ask(extra_body={"prompt": {"id": "reply"} | prompt}).choices[0].message.content


def test_a_promotion_decides_what_is_sent_and_taking_it_back_does_too(on: Stage) -> None:
    ada = on.person("ada")
    assert prompts.register(on.installation, ada, "reply", "Be kind to {{name}}.", "first") == 1
    with pytest.raises(openai.BadRequestError, match="promoted in prod"):
        ask(on, variables={"name": "Bo"})
    prompts.promote(on.installation, ada, "reply", 1, "prod", "reviewed with legal")
    assert ask(on, variables={"name": "Bo"}) == "said: Be kind to Bo."
    assert prompts.register(on.installation, ada, "reply", "We guarantee it.", "shorter") == 2
    assert ask(on, version=2) == "said: We guarantee it."
    prompts.promote(on.installation, ada, "reply", 2, "prod", "shorter answers")
    assert ask(on) == "said: We guarantee it."
    prompts.promote(on.installation, ada, "reply", 1, "prod", "it promises too much")
    assert ask(on, variables={"name": "Cy"}) == "said: Be kind to Cy."
    opened = on.settled("call.opened", 4)
    assert [(one.facts["prompt"], one.facts["prompt_by"]) for one in opened] == [
        ("reply@1", "promoted"), ("reply@2", "asked"), ("reply@2", "promoted"), ("reply@1", "promoted")
    ]  # fmt: skip
    registered = {one.facts["version"]: one.refs["prompt"] for one in on.entries("prompt.registered")}
    assert [one.refs["prompt"] for one in opened] == [registered[number] for number in (1, 2, 2, 1)]

    told = " ".join(one.text for one in explain(on.installation, str(opened[2].call)).narrative)
    assert "It used version 2 of the prompt reply, the one that was promoted in its environment." in told
    assert "Version 2 of the prompt reply was promoted in prod" in told and "shorter answers" in told
    back = " ".join(one.text for one in explain(on.installation, str(opened[3].call)).narrative)
    assert "it promises too much" in back and "shorter answers" not in back

    by = {one.name[0]: one for one in grouped(sums_of(on.installation.reader, ALWAYS), ["prompt"])}
    closed = on.settled("call.closed", 4)
    for label in ("reply@1", "reply@2"):
        mine = [one.facts["cost_nano_eur"] for one in closed if one.facts["prompt"] == label]
        assert (by[label].ended, by[label].sums["cost"]) == (2, sum(mine))
    states = on.installation.reader.states("")
    rebuilt, _ = replay(on.installation.reader)
    assert {row: value for row, value in rebuilt.items() if row.startswith(("prompt:", "sum:"))} == {
        row: value for row, value in states.items() if row.startswith(("prompt:", "sum:"))
    }


def test_a_promotion_holds_for_the_very_next_call(on: Stage) -> None:
    ada = on.person("ada")
    for text in ("Be kind.", "Be brief."):
        prompts.register(on.installation, ada, "reply", text, "a version")
    for number in range(8):
        version = number % 2 + 1
        prompts.promote(on.installation, ada, "reply", version, "prod", f"change {number}")
        assert ask(on) == ("said: Be kind." if version == 1 else "said: Be brief.")


def test_what_is_judged_is_what_the_model_was_given_with_the_text_of_its_prompt(on: Stage) -> None:
    ada = on.person("ada")
    text = on.installation.vault.text(acts.active_configuration(on.installation)[1]) or ""
    cites = (
        "\nevaluation: {rate: 1, evaluators: [{name: cites, workflow: agent, component: retrieval, kind: citation}]}\n"
    )
    acts.activate(on.installation, ada, text + cites, "evaluation")
    prompts.register(on.installation, ada, "reply", "Quote {{source}} as [it].", "first")
    ask(on, version=1, variables={"source": "the law"})
    (scored,) = on.settled("evaluation.scored", 1, within=30)
    assert scored.facts["verdict"] == "correct"  # what it cites stands in the prompt alone


def test_quality_is_told_by_version_and_the_component_by_header_or_by_what_the_answer_is(on: Stage) -> None:
    ada = on.person("ada")
    text = on.installation.vault.text(acts.active_configuration(on.installation)[1]) or ""
    acts.activate(on.installation, ada, text + EVALUATION, "evaluation")
    prompts.register(on.installation, ada, "reply", "Be kind.", "first")
    prompts.register(on.installation, ada, "reply", "We guarantee it.", "second")
    for version in (1, 1, 2):
        ask(on, version=version)
    on.client(x_whyledger_component="policy").chat.completions.create(
        model="support", messages=[{"role": "user", "content": "plain"}]
    )
    found = on.settled("evaluation.scored", 7, within=40)
    header = [one for one in found if one.facts["component_source"] == "header"]
    assert [one.facts["evaluator"] for one in header] == ["no-promises"]
    card = scorecard(on.installation, acts.active_configuration(on.installation)[0], ALWAYS)
    said = {label: (calls, scored) for label, calls, _, scored in card.prompts}
    assert said["reply@1"] == (2, "no-promises: 2 of 2 correct; tools: 0 of 2 correct")
    assert said["reply@2"] == (1, "no-promises: 0 of 1 correct; tools: 0 of 1 correct")
    assert said[""] == (1, "no-promises: 1 of 1 correct")
    with pytest.raises(openai.BadRequestError, match="x-whyledger-component is one of"):
        on.client(x_whyledger_component="brain").chat.completions.create(model="support", messages=[])


def test_a_system_text_that_is_not_registered_is_known_by_its_keyed_digest_where_contents_are_kept(on: Stage) -> None:
    def say(text: str, **headers: str) -> None:
        on.client(**headers).chat.completions.create(
            model="support", messages=[{"role": "system", "content": text}, {"role": "user", "content": "hi"}]
        )

    say("You are a bot.")
    say("You are a bot.")
    say("You are another bot.")
    say("You are a bot.", x_whyledger_content="none")
    opened = on.settled("call.opened", 4)
    digests = [one.facts.get("instructions") for one in opened]
    assert digests[0] == digests[1] != digests[2]
    assert digests[3] is None
    listed = prompts.unregistered(on.installation)
    assert [(one.digest, one.calls) for one in listed] == [(digests[0], 2), (digests[2], 1)]
    prompts.register(on.installation, on.person("ada"), "bot", "You are a bot.", "found in use")
    say("You are a bot.")
    assert on.settled("call.opened", 5)[-1].facts["prompt_by"] in ("text",)
    assert "bot" not in json.dumps([dict(one.facts) for one in opened])


def test_who_may_register_and_promote_and_what_is_refused(on: Stage) -> None:
    ada, victor = on.person("ada"), on.person("victor")
    with pytest.raises(ActRefused, match="needs the role"):
        prompts.register(on.installation, victor, "reply", "x", "because")
    prompts.register(on.installation, ada, "reply", "x", "because")
    for wrong, said in (
        (lambda: prompts.register(on.installation, ada, "reply", "x", "again"), "this text already"),
        (lambda: prompts.register(on.installation, ada, "a b", "x", "again"), "name"),
        (lambda: prompts.register(on.installation, ada, "reply", " ", "again"), "a text of at most"),
        (lambda: prompts.register(on.installation, ada, "reply", "y", " "), "reason"),
        (lambda: prompts.promote(on.installation, ada, "reply", 2, "prod", "because"), "1 to 1"),
        (lambda: prompts.promote(on.installation, ada, "other", 1, "prod", "because"), "no prompt other"),
        (lambda: prompts.promote(on.installation, ada, "reply", 1, "mars", "because"), "environment is one of"),
    ):
        with pytest.raises(ActRefused, match=said):
            wrong()
    prompts.promote(on.installation, ada, "reply", 1, "prod", "because")
    with pytest.raises(ActRefused, match="promoted in prod already"):
        prompts.promote(on.installation, ada, "reply", 1, "prod", "because")
