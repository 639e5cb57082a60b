"""The story set, told once to a real server process; then every story is asked all fourteen questions."""

import json
import os
from collections.abc import Iterator
from decimal import ROUND_CEILING, Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from environment import until
from ruamel.yaml import YAML

from gateway.demo.stories import STORIES
from gateway.demo.world import APPROVER, COMPLIANCE, World, running
from gateway.settings import read_settings
from gateway.store.evidence import LiveEvidence
from gateway.store.installation import opened
from ledger.entry import decode
from ledger.verify_log import verify_log
from reports.why.story import collect

EXPECTED: dict[str, Any] = YAML(typ="safe").load(Path(__file__).with_name("story_answers.yaml"))
RESULTS = {
    "doc:onboarding": "Sandbox answer, no model ran.", "ticket:4702": "Sandbox answer", "ticket:4703": "gpt-4o",
    "doc:quarterly": "502 upstream_failed", "doc:onboarding-again": "cache hit, EUR 0.00", "campaign:autumn": "402 budget_exceeded",
    "job:minutes": "404 route_unknown", "ticket:4708": "401 key_revoked", "ticket:4709": "left after 4 events",
    "ticket:4710": "not a clean end", "agent:bank-holiday": "3 answered, then 403 tool_cycle, and nobody had to be there",
    "agent:invoice-77": "answered, answered, answered, 403, 403 stopped",
    "ticket:4711": "tool issue_refund",
}  # fmt: skip


NOBODY = ", and no person has decided anything about it."
VERDICTS = {
    "doc:onboarding": "The call of support-agent to summarize_internal_docs was answered" + NOBODY,
    "doc:quarterly": "The call of support-agent to summarize_internal_docs got no answer from any target" + NOBODY,
    "campaign:autumn": "The call of support-agent to marketing_copy was refused by the gateway before anything was sent: "
    "its worst case did not fit under a daily cap.",
    "ticket:4710": "The call of support-agent to complex_customer_support lost its answer when the upstream broke off"
    + NOBODY,
    "agent:invoice-77": "Of 5 calls of invoice-bot three were answered, two were refused; "
    "Otto Approver stopped task “agent:invoice-77”.",
    "ticket:4711": "support-agent proposed issue_refund(amount_eur = 480.0), and Otto Approver reversed it.",
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, dict[str, str]]]:
    home = tmp_path_factory.mktemp("stories") / "home"
    with running(home, environment=os.environ) as world:
        yield world, {story.task: story.tell(world, story.task) for story in STORIES}


@pytest.fixture(scope="module")
def answers(told: tuple[World, dict[str, str]]) -> dict[str, Any]:
    world, _ = told
    return {story.task: until(partial(signed_answer, world, story.task), "not signed") for story in STORIES}


def signed_answer(world: World, task: str) -> dict[str, Any] | None:
    """Return why's answer once its calls have ended (one drains its upstream) and the timer has signed all of it."""
    answer: dict[str, Any] = json.loads(world.get(f"/api/v1/why/{task}", person=COMPLIANCE))
    runs = any(call["result"] == "running" for call in answer["calls"])
    return None if runs or answer["integrity"]["pending"] else answer


def test_there_are_thirteen_stories_and_each_has_expected_answers() -> None:
    assert [story.task for story in STORIES] == list(EXPECTED["stories"]) == list(RESULTS)


def test_whatever_leads_to_a_call_leads_to_all_of_it(told: tuple[World, dict[str, str]]) -> None:
    """By its id and its task without a second look, by its response with one."""
    with opened(told[0].settings) as installation:
        evidence = LiveEvidence(installation)
        entries = [decode(data) for data in installation.reader.raw(0, evidence.size())]
        for closed in [entry for entry in entries if entry.kind == "call.closed" and entry.task]:
            every = {entry.seq for entry in entries if entry.call == closed.call}
            assert len(every) >= 2
            for kind, value in (
                ("call", closed.call),
                ("task", closed.task),
                ("response", closed.facts.get("response_ref")),
            ):
                if value:
                    story = collect("", kind, evidence.find(kind, value), evidence)
                    (call,) = [one for one in story.calls if one.id == closed.call]
                    assert {entry.seq for entry in call.entries} == every


@pytest.mark.parametrize("task", RESULTS)
def test_the_caller_sees_what_the_story_promises(told: tuple[World, dict[str, str]], task: str) -> None:
    assert RESULTS[task] in told[1][task]


@pytest.mark.parametrize("number", range(1, 15))
@pytest.mark.parametrize("task", RESULTS)
def test_every_question_has_its_expected_answer(answers: dict[str, Any], task: str, number: int) -> None:
    question = answers[task]["questions"][number - 1]
    everywhere = EXPECTED["everywhere"].get(number, [])
    if number == 4 and task in EXPECTED["without_price"]:
        everywhere = everywhere[:3]
    for fragment in [*everywhere, *EXPECTED["stories"][task].get(number, [])]:
        assert fragment in question["answer"]
    assert question["recorded"] is (number not in (9, 11))
    if number not in (9, 10, 11, 12, 13):
        assert question["facts"]


def test_every_sentence_names_facts_that_exist(told: tuple[World, dict[str, str]], answers: dict[str, Any]) -> None:
    world, _ = told
    with opened(read_settings(world.settings.home, environment={})) as installation:
        for answer in answers.values():
            pointers = [fact for one in (*answer["narrative"], answer["verdict"]) for fact in one["facts"]]
            assert pointers
            for pointer in pointers:
                seq, _, path = pointer.removeprefix("entry:").partition("#")
                value: Any = json.loads(next(installation.reader.raw(int(seq), int(seq) + 1)))
                for member in path.split(".") if path else ():
                    assert member in value, pointer
                    value = value[member]


def test_what_is_unknown_is_always_part_of_the_answer(answers: dict[str, Any]) -> None:
    for answer in answers.values():
        assert len(answer["unknown"]) >= 4
        assert answer["integrity"]["failures"] == []
        assert answer["integrity"]["proved"] == answer["integrity"]["checked"] > 0


def test_the_verdict_says_what_happened_to_what_and_who_decided(answers: dict[str, Any]) -> None:
    assert {task: answers[task]["verdict"]["text"] for task in VERDICTS} == VERDICTS
    assert all(answer["verdict"]["facts"] for answer in answers.values())


def test_approval_is_answered_at_three_levels(answers: dict[str, Any]) -> None:
    plain, refund = answers["doc:onboarding"]["approvals"], answers["ticket:4711"]["approvals"]
    assert plain["this_call"] == {"people": [], "said": "No person approved this call."}
    assert refund["this_call"]["people"] == []  # it was reversed, which is no approval
    assert answers["ticket:4711"]["decisions"][0]["action"] == "reversed"
    assert answers["ticket:4711"]["decisions"][0]["person"].startswith(APPROVER)
    for approvals in (plain, refund):
        assert approvals["rules_in_force"]["people"][0]["person"].startswith("Ada Admin")
        assert approvals["workflow_release"]["people"][0]["person"].startswith(COMPLIANCE)


def test_any_id_in_hand_leads_to_the_story(told: tuple[World, dict[str, str]], answers: dict[str, Any]) -> None:
    world, _ = told
    call = answers["ticket:4711"]["calls"][0]["call"]
    by_call = json.loads(world.get(f"/api/v1/why/{call}", person=COMPLIANCE))
    assert by_call["kind"] == "call"
    response = [line["id"] for line in world.bill()["lines"] if line["behaviour"] == "tool_call"][-1]
    by_response = json.loads(world.get(f"/api/v1/why/{response}", person=COMPLIANCE))
    assert (by_response["kind"], by_response["calls"][0]["call"]) == (
        "response",
        answers["ticket:4711"]["calls"][1]["call"],
    )
    by_subject = json.loads(world.get("/api/v1/why?q=customer-3391", person=COMPLIANCE))
    assert (by_subject["kind"], len(by_subject["calls"])) == ("subject", 3)


def test_the_same_facts_give_the_same_words(told: tuple[World, dict[str, str]], answers: dict[str, Any]) -> None:
    world, _ = told
    again = json.loads(world.get("/api/v1/why/ticket:4711", person=COMPLIANCE))
    assert again["narrative"] == answers["ticket:4711"]["narrative"]


def test_the_ledger_agrees_with_the_sandboxs_own_bill(told: tuple[World, dict[str, str]]) -> None:
    """The bill counts what arrived and prices it by its own list; the ledger must have an attempt for each line."""
    world, _ = told
    lines = world.bill()["lines"]
    with opened(read_settings(world.settings.home, environment={})) as installation:
        reader = installation.reader
        entries = [decode(data) for data in reader.raw(0, reader.head().size)]
    closed = [entry for entry in entries if entry.kind == "call.closed"]
    attempts = [attempt for entry in closed for attempt in entry.facts["attempts"]]
    assert len(attempts) == len(lines)
    reported = [entry for entry in closed if entry.facts["cost_state"] == "provider_reported"]
    billed = [line for line in lines if line["usage"] and line["behaviour"] != "cut"]
    ours = sorted(entry.facts["cost_nano_eur"] for entry in reported)
    theirs = sorted(
        int((Decimal(line["pico_usd"]) / 1000 / Decimal("1.1172")).to_integral_value(ROUND_CEILING)) for line in billed
    )
    assert ours == theirs


def test_the_database_of_the_stories_verifies_offline(told: tuple[World, dict[str, str]]) -> None:
    from ledger.store.live import open_live

    world, _ = told
    live = open_live(world.settings.log_database)
    report = verify_log(
        live.read, origin=live.origin, size=live.size, root=live.root, signed=live.signed, vkeys=[world.vkey]
    )
    assert (report.failed, report.level) == (False, "L1")


def test_every_entry_of_the_sandbox_is_labelled_as_simulated(told: tuple[World, dict[str, str]]) -> None:
    world, _ = told
    with opened(read_settings(world.settings.home, environment={})) as installation:
        for data in installation.reader.raw(0, installation.reader.head().size):
            entry = decode(data)
            for target in [*entry.facts.get("targets", ()), *entry.facts.get("attempts", ())]:
                assert target["simulated"] is True
