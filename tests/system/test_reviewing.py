"""Results from elsewhere on record once, and the page on which a person scores an answer blind."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx2
import pytest
from stage import Stage, stage

from gateway.economics.reading import Period
from gateway.economics.scorecard import scorecard
from gateway.oversight import acts
from gateway.store.rebuild import replay

pytestmark = pytest.mark.slow
ALWAYS = Period(date(2020, 1, 1), date(2100, 1, 1), "Europe/Berlin")
EVALUATION = """
evaluation:
  rate: 1
  evaluators:
    - {name: no-promises, workflow: agent, component: policy, kind: forbidden_words, words: [guarantee]}
"""
RESULT = {
    "suite": "golden", "workflow": "agent", "component": "answer", "run_at": "2026-11-01T03:00:00Z",
    "correct": 41, "partial": 3, "incorrect": 6, "prompt": "reply@2", "model": "gpt-4o", "run": "build-512",
}  # fmt: skip


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("reviewing") / "home") as opened:
        text = opened.installation.vault.text(acts.active_configuration(opened.installation)[1]) or ""
        acts.activate(opened.installation, opened.person("ada"), text + EVALUATION, "evaluation")
        yield opened


@pytest.fixture
def client(on: Stage) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=on.url, headers={"authorization": f"Bearer {on.tokens['ada']}"}, timeout=20) as made:
        yield made


def test_a_run_elsewhere_is_on_record_once_and_stands_on_the_scorecard(on: Stage, client: httpx2.Client) -> None:
    other = RESULT | {"suite": "jailbreaks", "component": "policy", "correct": 9, "partial": 0, "incorrect": 1}
    assert client.post("/api/v1/evaluations", json=[RESULT, other]).json() == {"recorded": 2, "known": 0}
    assert client.post("/api/v1/evaluations", json=RESULT).json() == {"recorded": 0, "known": 1}
    found = on.entries("evaluation.imported")
    assert [one.facts["suite"] for one in found] == ["golden", "jailbreaks"]
    assert (found[0].workflow, found[0].facts["day"], found[0].act) == (
        "agent",
        "2026-11-01",
        on.person("ada").pseudonym,
    )
    card = scorecard(on.installation, acts.active_configuration(on.installation)[0], ALWAYS)
    assert [(one.suite, one.correct, one.scored, one.of) for one in card.offline] == [
        ("golden", 41, 50, "reply@2 gpt-4o"), ("jailbreaks", 9, 10, "reply@2 gpt-4o")
    ]  # fmt: skip
    page = client.get("/scorecard", params={"from": "2026-11-01", "to": "2026-11-02"}).text
    assert "Evaluations outside production" in page and "41 of 50" in page and "69.2 to 90.2 %" in page
    assert (
        "Evaluations outside production"
        not in client.get("/scorecard", params={"from": "2026-10-01", "to": "2026-11-01"}).text
    )
    rebuilt, _ = replay(on.installation.reader)
    states = on.installation.reader.states("imported:")
    assert {row: one for row, one in rebuilt.items() if row.startswith("imported:")} == states != {}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"run_at": "2100-01-01T00:00:00Z"}, "has not come yet"),
        ({"run_at": "yesterday"}, "is no instant"),
        ({"workflow": "nosuch"}, "not registered"),
        ({"correct": -1}, "correct"),
        ({"correct": "41"}, "correct"),
        ({"component": "brain"}, "component"),
        ({"prompt": "two words"}, "prompt"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_result_that_is_none_is_refused_and_nothing_of_the_request_is_recorded(
    on: Stage, client: httpx2.Client, more: dict[str, Any], said: str
) -> None:
    before = len(on.entries("evaluation.imported"))
    answer = client.post("/api/v1/evaluations", json=[RESULT | {"suite": "new"}, RESULT | more])
    assert answer.status_code == 400
    assert said in answer.json()["detail"] and "result 2" in answer.json()["detail"]
    assert len(on.entries("evaluation.imported")) == before


def test_only_who_may_can_import(on: Stage, client: httpx2.Client) -> None:
    victor = {"authorization": f"Bearer {on.tokens['victor']}"}
    assert client.post("/api/v1/evaluations", json=RESULT | {"run": "x"}, headers=victor).status_code == 403
    key = {"authorization": f"Bearer {on.keys['agent']}"}
    assert client.post("/api/v1/evaluations", json=RESULT, headers=key).status_code == 401
    assert client.post("/api/v1/evaluations", content=b"{").status_code == 400


def test_a_file_of_json_lines_is_imported_on_the_command_line(on: Stage, tmp_path: Path) -> None:
    before, file = len(on.entries("evaluation.imported")), tmp_path / "results.jsonl"
    file.write_text("\n".join(json.dumps(RESULT | {"run": f"nightly-{number}"}) for number in range(3)), "utf-8")
    command = ["--home", str(on.settings.home), "evaluation", "import", str(file), "--as", "ada"]
    for said in ("3 results on record, 0 known before", "0 results on record, 3 known before"):
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *command], capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stdout.strip()) == (0, said), done.stderr
    assert len(on.entries("evaluation.imported")) == before + 3


def test_a_person_scores_an_answer_on_a_page_that_does_not_say_what_the_evaluator_said(
    on: Stage, client: httpx2.Client
) -> None:
    on.ask(text="is it <b>safe</b>?")
    (scored,) = on.settled("evaluation.scored", 1, within=30)
    listed = client.get("/reviews").text
    assert f"call={scored.call}&amp;evaluator=no-promises" in listed
    address = {"call": str(scored.call), "evaluator": "no-promises"}
    page = client.get("/review", params=address).text
    assert "Is the answer free of forbidden words?" in page
    assert "is it &lt;b&gt;safe&lt;/b&gt;?" in page
    assert "no forbidden word" not in page  # the evaluator's reason
    csrf = re.findall(r'name="csrf" value="([^"]+)"', page)[0]
    form = address | {"csrf": csrf, "reason": "I see none"}
    wrong = client.post("/review", data=form | {"verdict": "splendid"})
    assert wrong.status_code == 400 and "a verdict is one of" in wrong.text
    assert client.post("/review", data=form | {"verdict": "correct", "csrf": "x"}).status_code == 403
    assert client.post("/review", data=form | {"verdict": "correct"}).status_code == 303
    (reviewed,) = on.entries("review.recorded")
    assert (reviewed.call, reviewed.facts["verdict"], reviewed.facts["judged"]) == (scored.call, "correct", "correct")
    assert "Nothing waits" in client.get("/reviews").text
    again = client.post("/review", data=form | {"verdict": "incorrect"})
    assert again.status_code == 400 and "reviewed for no-promises already" in again.text
    for missing in ({"call": "call_none", "evaluator": "no-promises"}, address | {"evaluator": "none"}):
        assert client.get("/review", params=missing).status_code == 404
