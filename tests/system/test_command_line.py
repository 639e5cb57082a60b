"""The command line, as an operator types it: from nothing to an answer with the playbook's file and nothing else."""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

PLAYBOOK = Path(__file__).parents[1] / "gateway" / "test_configuration.py"


class Shell:
    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, *arguments: str, token: str | None = None) -> tuple[int, str, str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WHYLEDGER_")}
        environment["WHYLEDGER_HOME"] = str(self.home)
        if token:
            environment["WHYLEDGER_TOKEN"] = token
        command = [sys.executable, "-m", "gateway", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    def ok(self, *arguments: str, token: str | None = None) -> str:
        code, said, wrong = self(*arguments, token=token)
        assert code == 0, said + wrong
        return said


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path / "home")


def playbook(folder: Path) -> Path:
    text = PLAYBOOK.read_text("utf-8").partition('PLAYBOOK = """\\\n')[2].partition('"""')[0]
    path = folder / "playbook.yaml"
    path.write_text(text, "utf-8")
    return path


def test_the_playbook_s_file_verbatim_leads_to_a_key_that_may_call(shell: Shell, tmp_path: Path) -> None:
    file = str(playbook(tmp_path))
    assert "verifier key" in shell.ok("init")
    assert shell.ok("person", "add", "otto", "--role", "approver").startswith("wlp_")
    shell.ok("config", "check", file)
    shell.ok("config", "activate", file, "--as", "admin", "--reason", "first")
    assert shell.ok(
        "key", "create", "--environment", "prod", "--workflow", "support-agent", "--as", "admin"
    ).startswith("wl_prod_")
    shell.ok("workflow", "release", "support-agent", "--as", "admin", "--reason", "tested")
    assert "summarize_internal_docs" in shell.ok("config", "show")
    code, said, _ = shell("doctor")
    assert "2 routes" in said
    assert code == (0 if "providers with a key: none" not in said else 1)
    shell.ok("rebuild")
    shell.ok("migrate")


def test_refusals_say_what_to_do_on_one_line_without_a_traceback(shell: Shell, tmp_path: Path) -> None:
    code, _, wrong = shell("why", "x")
    assert (code, wrong.count("\n")) == (1, 1)
    assert "whyledger init" in wrong
    shell.ok("init", "--admin", "ada")
    cases = {
        ("init",): "already holds an installation",
        ("why", "ticket:1"): "no entry is linked",
        ("key", "create", "--environment", "prod", "--workflow", "w", "--as", "ada"): "no configuration is active",
        ("person", "add", "ada", "--role", "viewer", "--as", "ada"): "already enrolled",
        ("person", "add", "bob", "--role", "king", "--as", "ada"): "roles are",
        ("person", "add", "bob", "--role", "viewer", "--as", "nobody"): "nobody called nobody is enrolled",
        ("workflow", "release", "w", "--as", "ada", "--reason", "x"): "not registered",
        ("stop", "--as", "ada", "--reason", "x"): "exactly one",
        (
            "override",
            "call_x",
            "--as",
            "ada",
            "--action",
            "reverse",
            "--reason-code",
            "R01",
            "--presented",
            "p",
        ): "add a reason in words",
    }
    for arguments, hint in cases.items():
        code, _, wrong = shell(*arguments)
        assert code == 1, arguments
        assert hint in wrong
        assert "Traceback" not in wrong
    bad = tmp_path / "bad.yaml"
    bad.write_text("routes:\n  - intent: a\n    primry: b\n")
    code, _, wrong = shell("config", "activate", str(bad), "--as", "ada", "--reason", "x")
    assert code == 1
    assert "bad.yaml:3: routes.0.primry: unknown key" in wrong or ":3: routes.0.primry: unknown key" in wrong


def test_a_token_must_be_the_named_person_s_and_roles_are_checked_in_the_transaction(
    shell: Shell, tmp_path: Path
) -> None:
    said = shell.ok("init", "--admin", "ada")
    ada = next(line.split()[1] for line in said.splitlines() if line.startswith("token"))
    vera = shell.ok("person", "add", "vera", "--role", "viewer", token=ada).strip()
    code, _, wrong = shell("person", "add", "bob", "--role", "viewer", "--as", "ada", token=vera)
    assert (code, "is not ada's" in wrong) == (1, True)
    code, _, wrong = shell("person", "add", "bob", "--role", "viewer", "--as", "vera", token=vera)
    assert (code, "needs the role admin" in wrong) == (1, True)
    code, _, wrong = shell("person", "grant", "ada", "admin", "--remove", "--as", "ada")
    assert (code, "last admin" in wrong) == (1, True)


def test_a_misspelt_setting_is_an_error_that_names_it(shell: Shell) -> None:
    environment = dict(os.environ) | {"WHYLEDGER_HOEM": "x"}
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "doctor"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "WHYLEDGER_HOEM" in done.stderr


def test_why_as_json_is_the_whole_answer(shell: Shell, tmp_path: Path) -> None:
    from stage import stage

    with stage(tmp_path / "home") as on:
        on.ask(task="t:1")
    answer = json.loads(shell.ok("why", "t:1", "--json", "--verify"))
    assert answer["schema"] == "whyledger.why/1"
    assert len(answer["questions"]) == 14


def test_a_database_of_an_earlier_schema_is_refused_until_it_is_migrated(shell: Shell, tmp_path: Path) -> None:
    shell.ok("init")
    with contextlib.closing(sqlite3.connect(tmp_path / "home" / "log.db")) as log:
        log.execute("ALTER TABLE ref DROP COLUMN brief")
        log.execute("CREATE INDEX ix_content_key ON content (key)")
        log.executescript("DROP TRIGGER content_no_UPDATE; DROP TRIGGER content_no_DELETE")
        log.execute("UPDATE alembic_version SET version_num = '0001'")
        log.commit()
    code, _, wrong = shell("config", "show")
    assert code != 0
    assert "has schema 0001" in wrong
    assert "whyledger migrate" in wrong
    shell.ok("migrate")
    assert "has schema" not in shell("config", "show")[2]


def test_prompts_are_registered_promoted_and_listed(shell: Shell, tmp_path: Path) -> None:
    shell.ok("init", "--admin", "ada")
    shell.ok("config", "activate", str(playbook(tmp_path)), "--as", "ada", "--reason", "first")
    file = tmp_path / "reply.txt"
    for version, text in enumerate(("Be kind to {{name}}.", "Be brief."), start=1):
        file.write_text(f"{text}\n", "utf-8")
        said = shell.ok("prompt", "register", "reply", str(file), "--as", "ada", "--reason", "a try")
        assert said.startswith(f"reply: version {version};")
    shell.ok("prompt", "promote", "reply", "1", "--as", "ada", "--reason", "reviewed")
    assert shell.ok("prompt", "list") == "reply  2 versions  1 in prod\n"
    assert shell.ok("prompt", "show", "reply", "1") == "Be kind to {{name}}.\n"
    assert shell.ok("prompt", "unregistered") == ""
    code, _, wrong = shell("prompt", "show", "reply", "3")
    assert (code, wrong) == (1, "whyledger: no version 3 of prompt reply is on record\n")
    assert shell.ok("costs", "--by", "outcome").splitlines()[1].startswith("no outcome is defined")


def test_what_could_not_be_served_is_said_when_a_file_is_checked_and_activated(shell: Shell, tmp_path: Path) -> None:
    shell.ok("init", "--admin", "ada")
    file = tmp_path / "wrong.yaml"
    file.write_text("routes: [{intent: a, primary: gemini-3.0-flsh}]", "utf-8")
    code, said, wrong = shell("config", "check", str(file))
    assert (code, said) == (1, "wrong.yaml: 1 route, 0 workflows\n")
    assert "FIX  route a: gemini-3.0-flsh: no price known" in wrong  # whether or not the provider's key is here
    assert "(did you mean gemini-3.0-flash?)" in wrong
    code, said, wrong = shell("config", "activate", str(file), "--as", "ada", "--reason", "first")
    assert code == 0  # a person may put it into force all the same
    assert "FIX " in wrong


def test_the_version_and_the_reference_are_printed(shell: Shell) -> None:
    from importlib.metadata import version

    assert shell.ok("--version") == f"whyledger {version('whyledger')}\n"
    assert "| `repeat_window` |" in shell.ok("config", "reference")
