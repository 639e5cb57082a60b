"""`doctor --playbook` on a running installation: figures follow what is done, and nothing is done unseen."""

import json
from pathlib import Path

import pytest
from shell import Shell, playbook
from stage import stage

from gateway.oversight import acts
from gateway.playbook.measuring import measure
from gateway.playbook.points import points


def test_figures_follow_calls_releases_and_acts_of_people(tmp_path: Path) -> None:
    with stage(tmp_path / "home") as on:
        before = measure(on.installation, None)
        assert (before.calls, before.by_name, before.decisions, before.packs) == (0, 0, 0, 0)
        assert {workflow for _, workflow in before.keys} >= {"agent", "quiet"}
        on.ask(task="ticket:1")
        on.ask()
        on.settled("call.closed", 2)
        after = measure(on.installation, None)
        assert (after.calls, after.by_name) == (2, 0)
        assert 2 * after.named_cost == after.cost > 0
        call = on.entries("call.opened")[0].call or ""
        acts.override(
            on.installation, on.person("ada"), call, action="reverse", reason_code="R07", reason="too much",
            presented="shown", before="a", after="b",
        )  # fmt: skip
        assert measure(on.installation, None).decisions == 1
        status = {one.title: one.status for one in points(after)}
        assert status["Send calls through the gateway"] == status["Ask for intents, not for models"] == "done"
        assert status["Name the task, for nine tenths of the cost"] == "not yet"


def test_a_call_that_names_a_model_is_counted_as_one(tmp_path: Path) -> None:
    with stage(tmp_path / "home") as on:
        on.ask("model-a", key="fresh-dev")
        on.settled("call.closed")
        found = measure(on.installation, None)
        assert (found.calls, found.by_name) == (1, 1)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path / "home")


def test_the_command_prints_each_point_with_its_figure_and_what_gets_it_done(shell: Shell, tmp_path: Path) -> None:
    shell.init("ada")
    code, said, _ = shell("doctor", "--playbook")
    assert code == 1
    assert [line for line in said.splitlines() if not line.startswith(" ")][:3] == ["week 1", "month 1", "quarter 1"]
    assert "not yet                  Put a configuration into force: no configuration is active" in said
    shell.ok("config", "activate", str(playbook(tmp_path)), "--as", "ada", "--reason", "first")
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.py").write_text("from openai import OpenAI\nOpenAI()\n", "utf-8")
    code, said, _ = shell("doctor", "--playbook", "--source", str(source), "--json")
    rows = {one["title"]: one for one in map(json.loads, said.splitlines())}
    assert (code, len(rows)) == (1, 25)
    assert rows["Put a configuration into force"]["status"] == "done"
    assert rows["Cap every route"]["figure"] == "routes with a daily cap: 1 of 2"
    leaks = rows["List the calls that go past the gateway, and change them"]
    assert (leaks["status"], leaks["figure"]) == ("not yet", "2 places past the gateway or not to be told")
    _, said, _ = shell("doctor", "--playbook", "--source", str(source), "--gateway", "OPENAI_BASE_URL")
    assert "done                     List the calls that go past the gateway, and change them: 0 places" in said
    code, said, wrong = shell("doctor", "--playbook", "--source", str(tmp_path / "nowhere"))
    assert (code, said, wrong.count("\n")) == (2, "", 1)
