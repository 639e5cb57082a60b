"""The answer about a person whom calls are about tells of the person, not of the first call."""

import json
from collections.abc import Iterator

import httpx2
import openai
import pytest
from stage import Stage, completion, stage
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from test_lists import typed

from gateway.days import day_in_zone
from gateway.oversight import acts
from gateway.oversight.acts import time_zone

pytestmark = pytest.mark.slow
WHO = "cust-5"


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("subjects") / "home") as opened:
        for number in range(11):
            asked(opened, "agent", task=f"t:{number}")
        asked(opened, "agent")  # names no task: a task of its own
        asked(opened, "quiet", task="t:20")
        opened.upstream.answer = with_tool
        asked(opened, "agent", task="t:21")
        opened.upstream.answer = None
        with pytest.raises(openai.APIStatusError):
            asked(opened, "agent", task="t:22", model="nosuch")
        opened.settled("call.closed", 14)
        yield opened


def asked(on: Stage, key: str, *, task: str | None = None, model: str = "support") -> None:
    headers = {"x_whyledger_subject": WHO} | ({"x_whyledger_task": task} if task else {})
    tools = [{"type": "function", "function": {"name": "lookup"}}] if key == "agent" and model == "support" else None
    on.client(key, **headers).chat.completions.create(
        model=model, messages=[{"role": "user", "content": "hi"}], **({"tools": tools} if tools else {})
    )


async def with_tool(_request: Request, _body: dict[str, object]) -> Response:
    call = {"id": "c1", "type": "function", "function": {"name": "lookup", "arguments": "{}"}}
    return JSONResponse(completion("", tool_calls=[call]))


def test_the_first_line_says_how_much_there_is_about_the_subject(on: Stage) -> None:
    zone = time_zone(on.installation)  # whose day may be another one than that of UTC
    day = day_in_zone(zone, on.entries("call.opened")[0].instant)
    first, *rest = typed(on, "why", WHO).splitlines()
    assert first.startswith(f"Subject {WHO}: 15 calls in 15 tasks of 2 workflows, ")
    assert day in first
    assert len(rest) < 25
    assert not [line for line in rest if "t:0" in line or "entry:" in line]


def test_the_short_form_says_which_systems_and_what_was_decided_and_that_nobody_reviewed_it(on: Stage) -> None:
    said = " ".join(typed(on, "why", WHO).split())
    assert "Workflow agent: 14 calls (13 answered, 1 refused)" in said
    assert "Workflow quiet: 1 call (1 answered)" in said
    assert "answered by model-a at upstream" in said
    assert "1 call refused before anything was sent: it asked for a name that" in said
    assert "The model asked for the tool lookup 1 time." in said
    assert "No person's decision about these calls is on record." in said


def test_whoever_reviewed_it_is_named_to_the_operator_and_not_to_the_person(on: Stage) -> None:
    call = str(on.entries("call.closed")[0].call)
    acts.override(
        on.installation, on.person("ada"), call, action="reverse", reason_code="R07", reason="too much",
        presented="shown", before="a", after="b",
    )  # fmt: skip
    said = " ".join(typed(on, "why", WHO).split())
    assert "reviewed by - ada (signed in with a personal token) reversed" in said
    letter = typed(on, "why", WHO, "--audience", "affected_person")
    assert f"Subject {WHO}: 15 calls" in letter
    assert "Workflow quiet: 1 call" in letter
    assert "a person of the organisation reversed" in letter
    assert "ada" not in letter


def test_page_api_and_the_whole_answer_begin_with_the_same_words(on: Stage) -> None:
    (first,) = typed(on, "why", WHO).splitlines()[:1]
    whole = json.loads(typed(on, "why", WHO, "--json"))
    assert (whole["headline"], len(whole["calls"])) == (first, 15)
    assert whole["questions"][0]["answer"].startswith(first)
    assert first in " ".join(typed(on, "why", WHO, "--audience", "operator").split())
    with httpx2.Client(base_url=on.url, headers={"authorization": f"Bearer {on.tokens['victor']}"}) as client:
        told = client.get(f"/api/v1/why/{WHO}?page=2").json()
        assert (told["headline"], told["subject"]) == (whole["headline"], whole["subject"])
        page = client.get(f"/why/{WHO}").text
    assert first in page
    assert "In short" in page


def test_other_references_have_no_short_form(on: Stage) -> None:
    answer = json.loads(typed(on, "why", "t:0", "--json"))
    assert (answer["kind"], answer["subject"]) == ("task", None)
