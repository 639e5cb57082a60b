"""Each point of the playbook says what was measured, is done by nothing but what was found, and stands in the page."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.configuration.load import load
from gateway.playbook.points import Facts, Point, points

PAGE = Path(__file__).parents[2] / "docs" / "playbook.md"
NOTHING = Facts(
    configuration=None, digest="", day="2026-11-28", calls=0, by_name=0, cost=0, named_cost=0, keys=(), workflows={},
    outcomes=0, scores=0, reviews=0, decisions=0, packs=0, auditors=0, law_stale="Nobody looked.", leaks=None,
)  # fmt: skip
FULL = """
routes: [{intent: a, primary: gpt-4o, fallback: claude-3-haiku, max_budget_daily: 5}]
workflows: {v: {purpose: p, owner: o}, w: {purpose: p, owner: o, tools: t, tool_rules: {t: {effect: write, approval: always}}}}
policies: {k: {when: {credentials: true}, effect: flag}}
outcomes: {solved: {workflows: [w]}}
packs: [{every: month}]
alerts: {errors: 0.1, webhook: {url: "https://hooks.example.com/x", secret: "env:X"}}
evaluation:
  key: "env:K"
  evaluators:
    - {name: r, workflow: w, component: retrieval, kind: citation}
    - {name: t, workflow: w, component: tool_selection, kind: expected_tools, tools: [x]}
    - {name: p, workflow: w, component: policy, kind: forbidden_words, words: [x]}
    - {name: a, workflow: w, component: answer, kind: judge, question: "q?", route: a}
"""
WORKFLOW = {"released": "e1", "released_version": "v1", "classified": "e2", "classified_version": "v1", "version": "v1"}
EVERYTHING = Facts(
    configuration=load(FULL), digest="d" * 43, day="2026-11-28", calls=100, by_name=0, cost=100, named_cost=90,
    keys=(("prod", "w"),), workflows={"w": WORKFLOW}, outcomes=1, scores=1, reviews=1, decisions=1, packs=1, auditors=1,
    law_stale="", leaks=0,
)  # fmt: skip
UNMEASURED = {"Hold the provider's bill against the record", "Back up, with the secrets apart",
              "Have the auditor verify a pack away from here"}  # fmt: skip


def by_title(facts: Facts) -> dict[str, Point]:
    return {one.title: one for one in points(facts)}


def test_of_an_installation_that_says_nothing_no_point_is_done() -> None:
    assert not [one for one in points(NOTHING) if one.status == "done"]
    unknown = {one.title for one in points(NOTHING) if one.status == "cannot be measured here"}
    assert unknown == UNMEASURED | {"List the calls that go past the gateway, and change them"}


def test_of_one_that_did_everything_nothing_is_left() -> None:
    found = by_title(EVERYTHING)
    assert not [title for title, one in found.items() if one.status == "not yet"]
    assert {title for title, one in found.items() if one.status == "cannot be measured here"} == UNMEASURED


TAKEN: list[tuple[dict[str, Any], str, str]] = [
    ({"leaks": 3}, "List the calls that go past the gateway, and change them", "3 places past the gateway"),
    ({"calls": 0}, "Send calls through the gateway", "0 calls in the last 30 days"),
    ({"by_name": 1}, "Ask for intents, not for models", "99 of 100 calls"),
    ({"keys": (("prod", "other"),)}, "Give each workflow a key of its own", "workflows with an active key: 0 of 1"),
    ({"named_cost": 89}, "Name the task, for nine tenths of the cost", "of calls that name a task"),
    ({"workflows": {"w": WORKFLOW | {"released_version": "v0"}}}, "Release what runs in prod", "0 of 1"),
    ({"workflows": {"w": WORKFLOW | {"bars_from": "2026-11-28"}}}, "Release what runs in prod", "0 of 1"),
    ({"workflows": {"w": WORKFLOW | {"classified_version": "v0"}}}, "Classify every workflow under the AI Act", "0 of 1"),
    ({"workflows": {"w": WORKFLOW, "x": WORKFLOW}}, "Describe every workflow", "workflows that the file describes: 1 of 2"),
    ({"outcomes": 0}, "Define outcomes and report them", "1 defined, 0 of tasks on record"),
    ({"scores": 0}, "Score live answers in every component", "4 of 4 components, 0 scores"),
    ({"reviews": 0}, "Have people check the scores", "0 reviews on record"),
    ({"decisions": 0}, "Put on record what people decide", "0 decisions on record"),
    ({"packs": 0}, "Make an evidence pack", "0 packs made, 1 scheduled"),
    ({"auditors": 0}, "Give the auditor access", "0 auditors with access now"),
    ({"law_stale": "stale"}, "Keep the law data checked", "stale"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "title", "figure"), TAKEN)
def test_a_point_is_open_again_when_what_it_rests_on_is_gone(change: dict[str, Any], title: str, figure: str) -> None:
    found = by_title(replace(EVERYTHING, **change))[title]
    assert found.status == "not yet"
    assert figure in found.figure
    assert found.command


@pytest.mark.parametrize(
    ("old", "new", "title"),
    [
        ("credentials: true}, effect: flag", "credentials: true}, effect: flag, workflows: v", "Find secrets, personal data and injections in prompts"),
        ("approval: always", "approval: never", "Hold calls until a person has approved them"),
        (", max_budget_daily: 5", "", "Cap every route"),
        ("fallback: claude-3-haiku, ", "", "Give every route a second model"),
        ("fallback: claude-3-haiku, ", "fallback: gpt-4o, ", "Give every route a second model"),
        (', webhook: {url: "https://hooks.example.com/x", secret: "env:X"}', "", "Have somebody told when something is out of bounds"),
        ("errors: 0.1, ", "", "Have somebody told when something is out of bounds"),
        ("component: policy", "component: answer", "Score live answers in every component"),
        ('  key: "env:K"', '  key: "env:K"\n  enabled: false', "Score live answers in every component"),
        ("outcomes: {solved: {workflows: [w]}}", "environments: {prod: {max_budget_daily: 1, direct_route: true}}", "Keep unnamed models out of prod"),
    ],
)  # fmt: skip
def test_a_point_of_the_file_is_open_when_the_file_does_not_say_it(old: str, new: str, title: str) -> None:
    assert FULL.count(old) == 1
    assert by_title(replace(EVERYTHING, configuration=load(FULL.replace(old, new))))[title].status == "not yet"


def test_the_page_lists_the_same_points_in_the_same_order() -> None:
    table = PAGE.read_text("utf-8").partition("## The first week, month and quarter")[2]
    rows = re.findall(r"^\| ((?:week|month|quarter) 1) \| (.+?) \| .+ \|$", table, flags=re.M)
    assert rows == [(one.phase, one.title) for one in points(NOTHING)]


def test_every_command_that_a_point_names_exists() -> None:
    from typer.main import get_command

    from gateway.cli import app

    known = get_command(app).commands  # type: ignore[attr-defined]
    for one in points(NOTHING):
        for first, second in re.findall(r"whyledger ([a-z]+) ?([a-z]*)", one.command):
            assert first in known
            assert not hasattr(known[first], "commands") or second in known[first].commands
