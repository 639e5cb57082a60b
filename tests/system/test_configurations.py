"""What was in force when can be answered: configurations are listed, shown and compared, and there is one to begin with."""

import json
from pathlib import Path

import pytest
from shell import Shell

FIRST = "routes: [{intent: a, primary: gpt-4o-mini}]\n"
SECOND = FIRST + "organisation: {name: Second GmbH}\n"


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """An installation in which ada and emil put three configurations into force."""
    folder = tmp_path_factory.mktemp("configurations")
    made = Shell(folder / "home")
    made.init("ada")
    made.ok("person", "add", "emil", "--role", "engineer", "--as", "ada")
    file = folder / "gateway.yaml"
    for text, person, reason in ((FIRST, "ada", "to begin"), (SECOND, "emil", "our name"), (SECOND, "ada", "again")):
        file.write_text(text, "utf-8")
        made.ok("config", "activate", str(file), "--as", person, "--reason", reason)
    return made


def digests(shell: Shell) -> list[str]:
    return [json.loads(line)["digest"] for line in shell.ok("config", "history", "--json").splitlines()]


def test_the_history_says_who_activated_what_when_and_why_the_newest_first(shell: Shell) -> None:
    lines = shell.ok("config", "history").splitlines()
    assert [line.split("  ")[2] for line in lines] == ["ada: again", "emil: our name", "ada: to begin"]
    newest, middle, oldest = digests(shell)
    assert newest == middle != oldest
    assert [line.split("  ")[1] for line in lines] == [one[:8] for one in (newest, middle, oldest)]
    last = json.loads(shell.ok("config", "history", "--json").splitlines()[-1])
    assert (last["person"], last["assurance"], last["reason"], last["routes"]) == ("ada", "claimed", "to begin", 1)


def test_an_earlier_configuration_is_shown_by_its_digest_or_the_beginning_of_it(shell: Shell) -> None:
    oldest = digests(shell)[-1]
    assert shell.ok("config", "show", oldest) == shell.ok("config", "show", oldest[:6]) == FIRST


@pytest.mark.parametrize("digest", ["nosuch", "", "-x"])
def test_a_digest_that_was_never_active_is_refused_with_where_to_look(shell: Shell, digest: str) -> None:
    code, said, wrong = shell("config", "show", digest)
    assert (code, said, wrong.count("\n")) == (1, "", 1)
    assert "was ever active: whyledger config history lists them" in wrong


def test_two_configurations_are_compared_line_by_line(shell: Shell) -> None:
    newest, _, oldest = digests(shell)
    change = shell.ok("config", "diff")
    assert change.splitlines()[:2] == [f"--- {oldest}", f"+++ {newest}"]
    assert "+organisation: {name: Second GmbH}" in change
    assert shell.ok("config", "diff", oldest[:8]) == shell.ok("config", "diff", oldest, newest) == change
    assert "-organisation: {name: Second GmbH}" in shell.ok("config", "diff", newest, oldest)
    assert shell.ok("config", "diff", newest, newest) == ""


def test_where_nothing_or_one_thing_was_in_force_that_is_said(tmp_path: Path) -> None:
    shell = Shell(tmp_path / "home")
    shell.init()
    code, said, wrong = shell("config", "history")
    assert (code, said) == (0, "")
    assert "no configuration was ever active" in wrong
    assert shell("config", "diff")[0] == 1
    file = tmp_path / "example.yaml"
    file.write_text(shell.ok("config", "example"), "utf-8")
    shell.ok("config", "check", str(file))
    shell.ok("config", "activate", str(file), "--as", "admin", "--reason", "first")
    code, _, wrong = shell("config", "diff")
    assert (code, wrong) == (
        1, "whyledger: only one configuration was ever active: there is none to compare it with\n"
    )  # fmt: skip
