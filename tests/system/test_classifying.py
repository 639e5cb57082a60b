"""A confirmed risk class: by a named person, for the workflow as it was, told by why, stale when the workflow changes."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openai
import pytest
from stage import Stage, stage
from typer.testing import CliRunner

from classifiers.cases import Case
from gateway.cli import app
from gateway.cli.classify import today
from gateway.configuration.load import digest
from gateway.oversight import acts
from gateway.oversight import contradictions as watching
from gateway.oversight.classifying import confirm_class
from gateway.oversight.contradictions import Lookout
from gateway.oversight.people import ActRefused
from gateway.oversight.standing import system_at
from gateway.state.rows import class_of, release_of
from gateway.store.rebuild import replay
from gateway.web.api import explain

pytestmark = pytest.mark.slow
SUPPORT = {"contact": "direct", "output_kinds": ["new_text"]}
RANKING = {"recruitment_step": "picks_or_rates_people", "profiles_persons": True}


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as made:
        yield made


TODAY = datetime.now(UTC).date().isoformat()


def case(facts: dict[str, Any], *, complete: bool = True, at: str = TODAY) -> Case:
    return Case(id="agent", facts=facts, answers_complete=complete, at=at)


def row(on: Stage) -> dict[str, Any]:
    return on.installation.reader.state("workflow:agent") or {}


def test_a_confirmed_class_names_its_person_answers_and_law_and_why_tells_it(on: Stage) -> None:
    confirm_class(on.installation, on.person("ada"), "agent", case(RANKING), "answered with the team")
    on.ask()
    entry = on.entries("workflow.classified")[-1]
    assert (entry.facts["tier"], entry.facts["answers"]) == ("high_risk_annex_iii", RANKING)
    assert entry.facts["applies_from"] == {"high_risk_annex_iii": "2027-12-02"}
    assert entry.refs["workflow"] == on.entries("call.opened")[-1].refs["workflow"]
    assert len(entry.refs["law"]) == 43
    told = explain(on.installation, str(on.settled("call.closed")[-1].call))
    (level,) = told.approvals["risk_class"]["people"]
    assert level["action"] == "confirmed its risk class"
    assert level["person"].startswith("ada")
    assert any(f"asked for {TODAY}" in one.text and "high-risk, Annex III" in one.text for one in told.narrative)
    assert not [line for line in told.unknown if "risk class" in line]


def test_without_a_confirmed_class_why_says_so(on: Stage) -> None:
    on.ask()
    told = explain(on.installation, str(on.settled("call.closed")[-1].call))
    assert told.approvals["risk_class"]["said"].startswith("Nobody has confirmed")
    assert [line for line in told.unknown if "no person has confirmed one on record" in line]


def test_a_class_goes_stale_with_the_workflow_and_does_not_hold_for_what_it_became(on: Stage) -> None:
    confirm_class(on.installation, on.person("ada"), "agent", case(SUPPORT), "answered with the team")
    assert class_of(row(on)) == "confirmed"
    text = on.installation.vault.text(acts.active_configuration(on.installation)[1]) or ""
    changed = text.replace("agent: {purpose: test", "agent: {purpose: ranks applicants")
    acts.activate(on.installation, on.person("ada"), changed, "new purpose")
    assert class_of(row(on)) == "stale"
    acts.release(on.installation, on.person("ada"), "agent", "as it is now")
    on.ask()
    told = explain(on.installation, str(on.settled("call.closed")[-1].call))
    assert told.approvals["risk_class"]["people"] == []


def test_an_open_class_cannot_be_confirmed_and_the_questions_are_named(on: Stage) -> None:
    with pytest.raises(ActRefused, match=r"questions can still change it \(.*, \.\.\.\)"):
        confirm_class(on.installation, on.person("ada"), "agent", case({}, complete=False), "x")
    with pytest.raises(ActRefused, match="not in the vocabulary: high_risk"):
        confirm_class(on.installation, on.person("ada"), "agent", case({"high_risk": False}), "x")
    with pytest.raises(ActRefused, match="say why"):
        confirm_class(on.installation, on.person("ada"), "agent", case(SUPPORT), " ")
    with pytest.raises(ActRefused, match="this needs the role compliance or admin"):
        confirm_class(on.installation, on.person("victor"), "agent", case(SUPPORT), "x")
    with pytest.raises(ActRefused, match="nothing is not registered"):
        confirm_class(on.installation, on.person("ada"), "nothing", case(SUPPORT), "x")
    assert on.entries("workflow.classified") == []


def test_a_prohibition_that_binds_takes_the_release_back_and_bars_the_next_one(on: Stage) -> None:
    on.ask()
    confirm_class(on.installation, on.person("ada"), "agent", case({"face_database": "untargeted_scraping"}), "seen")
    with pytest.raises(openai.PermissionDeniedError, match="not released"):
        on.ask()
    with pytest.raises(ActRefused, match="cannot be released"):
        acts.release(on.installation, on.person("ada"), "agent", "anyway")
    confirm_class(on.installation, on.person("ada"), "agent", case(SUPPORT), "the database is gone")
    acts.release(on.installation, on.person("ada"), "agent", "looked at it")
    on.ask()


def test_the_class_is_a_projection_of_the_log(on: Stage) -> None:
    confirm_class(on.installation, on.person("ada"), "agent", case(SUPPORT), "answered with the team")
    assert replay(on.installation.reader)[0]["workflow:agent"] == row(on)


def test_the_questionnaire_asks_until_it_is_settled_and_resumes(on: Stage, tmp_path: Path) -> None:
    answers, home = tmp_path / "agent.json", str(on.settings.home)
    command = ["--home", home, "workflow", "classify", "agent", "--answers", str(answers)]
    first = CliRunner().invoke(app, command, input="1\nx\n1\nq\n")
    assert first.exit_code == 3, first.output
    assert json.loads(answers.read_text())["facts"] == {"technique": "language_model", "eu_link": ["offered_in_eu"]}
    assert "that is none of these" in first.stderr
    second = CliRunner().invoke(app, [*command, "--as", "ada", "--reason", "only for the army"], input="3\n")
    assert second.exit_code == 0, second.output
    assert "How does the most capable step" not in second.stdout
    assert "outside the Regulation" in second.stdout
    assert on.entries("workflow.classified")[-1].facts["answers"]["military_use"] == "only"


def test_answers_of_another_workflow_are_refused(on: Stage, tmp_path: Path) -> None:
    answers = tmp_path / "other.json"
    answers.write_text(json.dumps({"id": "other", "facts": {}}))
    result = CliRunner().invoke(
        app, ["--home", str(on.settings.home), "workflow", "classify", "agent", "--answers", str(answers)]
    )
    assert "does not hold the answers of agent" in str(result.exception)
    assert "other" in answers.read_text()


CV = "Summarise: curriculum vitae of person {}. Work experience: bakery. Education: degree in law. Skills: SQL"


def test_traffic_that_contradicts_what_was_declared_is_raised_once_with_its_calls(on: Stage) -> None:
    confirm_class(on.installation, on.person("ada"), "agent", case(SUPPORT), "a summariser")
    for number in range(3):
        on.ask(text=CV.format(number))
    on.settled("call.closed", 3)
    assert Lookout(on.installation).look() == [PAPERS]
    (entry,) = on.entries("workflow.contradicted")
    assert entry.facts["signal"] == "cv_content"
    assert set(entry.facts["calls"]) == {one.call for one in on.entries("call.opened")}
    assert Lookout(on.installation).look() == []
    assert row(on)["tier"] == "transparency"  # it changes no class
    assert class_of(row(on)) == "confirmed"
    on.ask()  # and stops nothing
    assert replay(on.installation.reader)[0]["workflow:agent"] == row(on)
    confirm_class(on.installation, on.person("ada"), "agent", case(RANKING), "as it is used")
    assert Lookout(on.installation).look() == []


PAPERS = "agent: prompts hold application papers, and no answer declares a step of recruitment"


def test_calls_of_several_looks_add_up_and_one_seen_twice_counts_once(on: Stage) -> None:
    confirm_class(on.installation, on.person("ada"), "agent", case(SUPPORT), "a summariser")
    lookout, raised = Lookout(on.installation), list[list[str]]()
    for number in range(4):
        on.ask(text=CV.format(number))
        on.settled("call.closed", number + 1)
        raised += [lookout.look(), lookout.look()]
    assert raised == [[], [], [], [], [PAPERS], [], [], []]
    (entry,) = on.entries("workflow.contradicted")
    assert (entry.facts["seen"], entry.facts["looked_at"], len(entry.facts["calls"])) == (3, 3, 3)


def test_a_call_that_began_before_a_look_is_held_with_its_prompt(on: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    confirm_class(on.installation, on.person("ada"), "agent", case(SUPPORT), "a summariser")
    for number in range(3):
        on.ask(text=CV.format(number))
    closed = on.settled("call.closed", 3)
    monkeypatch.setattr(watching, "LOOK", on.installation.reader.head().size - closed[0].seq)
    assert closed[0].facts["opened_seq"] < closed[0].seq
    assert Lookout(on.installation).look() == [PAPERS]


def test_a_class_that_is_confirmed_again_is_counted_from_nothing(on: Stage) -> None:
    confirm_class(on.installation, on.person("ada"), "agent", case(SUPPORT), "a summariser")
    lookout = Lookout(on.installation)
    for number in range(2):
        on.ask(text=CV.format(number))
    on.settled("call.closed", 2)
    assert lookout.look() == []
    confirm_class(on.installation, on.person("ada"), "agent", case(SUPPORT), "looked at it again")
    on.ask(text=CV.format(3))
    on.settled("call.closed", 3)
    assert lookout.look() == []


def test_a_prohibition_that_begins_later_ends_the_release_on_its_day_without_anybody_doing_anything(on: Stage) -> None:
    facts = {
        "can_show_intimate": True,
        "shows_identifiable_person": True,
        "intimate_is_intended": True,
        "output_kinds": ["video"],
    }
    confirm_class(on.installation, on.person("ada"), "agent", case(facts), "seen")
    start = on.entries("workflow.classified")[-1].facts["bars_from"]
    assert start == "2026-12-02"
    standing = row(on) | {
        "barred": False,
        "released": row(on)["released"] or "ent",
        "released_version": row(on)["version"],
    }
    assert [release_of(standing, day) for day in ("2026-12-01", "2026-12-02", "2027-01-01")] == [
        "released",
        "none",
        "none",
    ]
    days = ("2026-12-01", "2026-12-02")
    shown = [system_at(on.installation, "agent", on.installation.reader.head().size, day) for day in days]
    assert [one and one.released for one in shown] == ([False] * 2 if row(on)["barred"] else [True, False])


def test_a_class_is_confirmed_for_today_only(on: Stage) -> None:
    for day in ("2026-07-26", "9999-12-31", (datetime.now(UTC).date() + timedelta(days=3)).isoformat()):
        with pytest.raises(ActRefused, match="a class is confirmed for today"):
            confirm_class(on.installation, on.person("ada"), "agent", case(SUPPORT, at=day), "x")


def test_the_questionnaire_asks_for_today_and_keeps_what_else_stands_in_its_file(on: Stage, tmp_path: Path) -> None:
    answers = tmp_path / "agent.json"
    answers.write_text(json.dumps({"id": "agent", "facts": {}, "at": "2025-03-01", "description": "keep me"}))
    CliRunner().invoke(
        app,
        ["--home", str(on.settings.home), "workflow", "classify", "agent", "--answers", str(answers)],
        input="1\nq\n",
    )
    kept = json.loads(answers.read_text())
    assert (kept["at"], kept["description"]) == (today(), "keep me")


def test_other_law_data_work_out_every_class_anew_and_one_that_moved_is_stale(
    on: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.oversight import reexamining

    confirm_class(on.installation, on.person("ada"), "agent", case(SUPPORT), "x")
    assert reexamining.reexamine(on.installation) == []
    monkeypatch.setattr(reexamining, "data", lambda: ({}, digest("one")))
    assert reexamining.reexamine(on.installation) == ["agent: the same class"]
    assert reexamining.reexamine(on.installation) == []
    assert class_of(row(on)) == "confirmed"
    monkeypatch.setattr(reexamining, "data", lambda: ({}, digest("another")))
    monkeypatch.setattr(reexamining, "_tier", lambda _facts, _day: "high_risk_annex_iii")
    assert reexamining.reexamine(on.installation) == [
        "agent: now high_risk_annex_iii; a person has to confirm it again"
    ]
    assert class_of(row(on)) == "stale"
    assert [one.facts["same"] for one in on.entries("workflow.reexamined")] == [True, False]
    assert replay(on.installation.reader)[0]["workflow:agent"] == row(on)


def test_the_calendar_says_what_begins_for_a_workflow_and_when(on: Stage) -> None:
    from gateway.oversight.reexamining import calendar

    fixed = replace(on.installation, clock=lambda: datetime(2026, 11, 28, tzinfo=UTC))
    facts = SUPPORT | {"first_supplied": "2025-03-10", "recruitment_step": "picks_or_rates_people"}
    confirm_class(fixed, on.person("ada"), "agent", case(facts, at="2026-11-28"), "x")
    assert ("2026-12-02", "agent", "begins: mark what it generates") in calendar(fixed)
    assert not [one for one in calendar(fixed) if "high-risk" in one[2]]  # it began before the date
    confirm_class(fixed, on.person("ada"), "agent", case(RANKING, at="2026-11-28"), "x")
    assert ("2027-12-02", "agent", "begins: high-risk, Annex III") in calendar(fixed)


def test_the_person_concerned_is_told_in_plain_words_and_of_no_colleague(on: Stage) -> None:
    on.ask(task="case:9", text="May I return the lamp?")
    call = str(on.settled("call.closed")[-1].call)
    acts.override(
        on.installation, on.person("ada"), call, action="reverse", reason_code="R07", reason="too dear", presented="shown",
        before="a", after="b",
    )  # fmt: skip
    command = ["--home", str(on.settings.home), "why", "case:9", "--audience", "affected_person"]
    told = CliRunner().invoke(app, command)
    assert told.exit_code == 0, told.output
    assert "May I return the lamp?" in told.stdout
    assert "a person of the organisation reversed: R07" in told.stdout
    assert "Art. 86(1)-(3)" in told.stdout
    assert "No comparison with the Official Journal has been recorded." in told.stdout
    for word in ("ada", "EUR", "key_", "pico", "signed in"):
        assert word not in told.stdout, word
    assert CliRunner().invoke(app, [*command[:-1], "anybody"]).exit_code == 2
