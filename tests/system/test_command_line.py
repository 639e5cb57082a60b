"""The command line, as an operator types it: from nothing to an answer with the playbook's file and nothing else."""

import contextlib
import http.client
import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from shell import Shell, playbook

from gateway.demo.world import free_port


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path / "home")


def test_the_playbook_s_file_verbatim_leads_to_a_key_that_may_call(shell: Shell, tmp_path: Path) -> None:
    file = str(playbook(tmp_path))
    assert "verifier key" in shell.init()
    assert shell.ok("person", "add", "otto", "--role", "approver").startswith("wlp_")
    shell.ok("config", "check", file)
    shell.ok("config", "activate", file, "--as", "admin", "--reason", "first")
    assert shell.ok(
        "key", "create", "--environment", "prod", "--workflow", "support-agent", "--new", "--as", "admin"
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
    shell.init("ada")
    cases = {
        ("init", "--origin", "ledger.example/other"): "already holds an installation",
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


@pytest.mark.parametrize("given", [(), ("--origin", ""), ("--origin", "https://ledger.example/main")])
def test_a_log_needs_a_name_and_whoever_gives_none_reads_what_it_is(shell: Shell, given: tuple[str, ...]) -> None:
    code, said, wrong = shell("init", *given)
    assert (code, said, wrong.count("\n")) == (2, "", 1)
    for told in ("--origin", "ledger.example.com/main", "without https://", "never be changed", "localhost/dev"):
        assert told in wrong
    assert not shell.home.exists()


def test_the_commands_that_init_prints_lead_to_a_key_and_a_server(shell: Shell, tmp_path: Path) -> None:
    said = shell.init("Ada O'Neill")
    commands = said.partition("next:\n")[2].splitlines()
    assert [shlex.split(line)[1] for line in commands] == ["config", "config", "config", "key", "serve"]
    (tmp_path / "gateway.yaml").write_text(shell.ok(*shlex.split(commands[0])[1:3]), "utf-8")
    for line in commands[1:4]:
        shell.ok(*(one.replace("gateway.yaml", str(tmp_path / "gateway.yaml")) for one in shlex.split(line)[1:]))


def test_a_token_must_be_the_named_person_s_and_roles_are_checked_in_the_transaction(
    shell: Shell, tmp_path: Path
) -> None:
    said = shell.init("ada")
    ada = next(line.split()[1] for line in said.splitlines() if line.startswith("token"))
    vera = shell.ok("person", "add", "vera", "--role", "viewer", token=ada).strip()
    code, _, wrong = shell("person", "add", "bob", "--role", "viewer", "--as", "ada", token=vera)
    assert (code, "is not ada's" in wrong) == (1, True)
    code, _, wrong = shell("person", "add", "bob", "--role", "viewer", "--as", "vera", token=vera)
    assert (code, "needs the role admin" in wrong) == (1, True)
    code, _, wrong = shell("person", "grant", "ada", "admin", "--remove", "--as", "ada")
    assert (code, "last admin" in wrong) == (1, True)


def test_a_key_for_a_workflow_that_nobody_named_needs_a_word_that_it_is_meant(shell: Shell, tmp_path: Path) -> None:
    shell.init("ada")
    file = tmp_path / "gateway.yaml"
    file.write_text(shell.ok("config", "example"), "utf-8")
    shell.ok("config", "activate", str(file), "--as", "ada", "--reason", "first")
    create = ("key", "create", "--environment", "dev", "--as", "ada", "--workflow")
    code, said, wrong = shell(*create, "suport-agent")
    assert (code, said, wrong.count("\n")) == (1, "", 1)
    assert "did you mean support-agent?" in wrong
    assert "add --new" in wrong
    code, said, wrong = shell(*create, "suport-agent", "--new")
    assert (code, said.startswith("wl_dev_")) == (0, True)
    assert wrong.startswith("registered a new workflow suport-agent: not described, no tools granted\n")
    for known in ("suport-agent", "support-agent"):
        assert "registered" not in shell(*create, known)[2]


def test_a_file_that_is_not_there_or_cannot_be_read_is_said_in_one_sentence(shell: Shell, tmp_path: Path) -> None:
    shell.init("ada")
    missing, by = str(tmp_path / "nofile"), ("--as", "ada", "--reason", "x")
    period = ("--from", "2026-11-01", "--to", "2026-12-01", "--as", "ada", "-o", str(tmp_path / "p.pdf"))
    commands = [
        ("config", "check", missing), ("config", "activate", missing, *by), ("pack", *period, "--since-head", missing),
        ("verify", missing), ("classify", missing), ("suggest", missing), ("reconcile", missing),
        ("evaluation", "import", missing, "--as", "ada"), ("outcome", "import", missing, "--as", "ada"),
        ("prompt", "register", "p", missing, *by), ("texts", "confirm", missing, *by), ("restore", missing),
    ]  # fmt: skip
    for command in commands:
        code, said, wrong = shell(*command)
        assert (code in (1, 2, 3), said, wrong.count("\n")) == (True, "", 1), command
        assert "there is no f" in wrong, command
        assert "Errno" not in wrong
    (tmp_path / "utf-16.yaml").write_bytes(b"\xff\xfer\x00")
    assert "not text in UTF-8" in shell("config", "check", str(tmp_path / "utf-16.yaml"))[2]
    assert shell("config", "check", str(tmp_path))[2] == f"whyledger: {tmp_path} is a folder; name a file\n"
    assert shell("backup", str(tmp_path))[2] == f"whyledger: {tmp_path} is there already; name one that is not\n"


def test_a_pack_that_cannot_be_written_is_refused_before_anything_is_recorded(shell: Shell, tmp_path: Path) -> None:
    shell.init("ada")
    shell.ok("person", "add", "emil", "--role", "engineer", "--as", "ada")
    before = kinds(shell)
    file, period = str(tmp_path / "p.pdf"), ("pack", "--from", "2026-11-01", "--to", "2026-12-01")
    for more, told in (
        (("--as", "ada", "-o", str(tmp_path / "none" / "p.pdf")), f"there is no folder {tmp_path / 'none'}"),
        (("--as", "ada", "-o", str(tmp_path)), "is a folder; name a file"),
        (("--as", "ada", "-o", file, "--bundle", str(tmp_path / "none" / "b.zip")), "there is no folder"),
        (("--as", "ada", "-o", file, "--from", "2026-13-01"), "neither a day"),
        (("--as", "emil", "-o", file), "needs the role"),
        (("-o", file), "--as"),
    ):
        code, said, wrong = shell(*period, *more)
        assert (code in (1, 2), said) == (True, ""), more
        assert told in wrong
    assert kinds(shell) == before
    assert [one.name for one in tmp_path.iterdir()] == ["home"]


def kinds(shell: Shell) -> list[str]:
    with contextlib.closing(sqlite3.connect(shell.home / "log.db")) as log:
        return [json.loads(row[0])["kind"] for row in log.execute("SELECT bytes FROM entry ORDER BY seq")]


@pytest.mark.parametrize("port", ["99999", "-1"])
@pytest.mark.parametrize("which", ["--port", "--admin-port"])
def test_a_port_that_is_none_is_refused(shell: Shell, which: str, port: str) -> None:
    code, _, wrong = shell("serve", which, port)
    assert code == 2
    assert which in wrong


def test_an_amount_with_a_comma_is_refused_with_its_field_and_the_spelling(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "comma.yaml"
    file.write_text('routes:\n  - {intent: a, primary: gpt-4o-mini, max_budget_daily: "2,00"}\n', "utf-8")
    code, _, wrong = shell("config", "check", str(file))
    assert (code, wrong.count("\n")) == (1, 1)
    assert "comma.yaml:2: routes.0.max_budget_daily: '2,00' is no number: write it with a point" in wrong


def test_what_a_script_reads_is_printed_as_json(shell: Shell, tmp_path: Path) -> None:
    def read(*command: str, code: int = 0) -> list[dict[str, Any]]:
        found, said, wrong = shell(*command, "--json")
        assert found == code, said + wrong
        return [json.loads(line) for line in said.splitlines()]

    (made,) = read("init", "--admin", "ada", "--origin", "ledger.example/main")
    assert (made["log"], made["token"][:4]) == ("ledger.example/main", "wlp_")
    file = tmp_path / "gateway.yaml"
    file.write_text(shell.ok("config", "example"), "utf-8")
    (checked,) = read("config", "check", str(file))
    assert (checked["valid"], checked["routes"], checked["problems"]) == (True, 1, [])
    (active,) = read("config", "activate", str(file), "--as", "ada", "--reason", "first")
    assert active["active"] == read("config", "history")[0]["digest"]
    file.write_text("routes: [{intent: a, primry: b}]", "utf-8")
    (checked,) = read("config", "check", str(file), code=1)
    assert (checked["valid"], "primry" in " ".join(checked["problems"])) == (False, True)
    (enrolled,) = read("person", "add", "bob", "--role", "viewer", "--as", "ada")
    assert (enrolled["person"], enrolled["roles"], enrolled["token"][:4]) == ("bob", ["viewer"], "wlp_")
    (key,) = read("key", "create", "--environment", "dev", "--workflow", "support-agent", "--as", "ada")
    assert (key["key"][:7], key["workflow"], key["registered"]) == ("wl_dev_", "support-agent", False)
    assert {"good", "said"} == set(read("doctor", code=shell("doctor")[0])[0])
    assert set(read("migrate")[0]) == {"ledger", "key_store"}
    entries = len(kinds(shell))
    assert read("rebuild") == [{"entries": entries}]
    assert read("backup", str(tmp_path / "copy"))[0]["size"] == entries
    (costs,) = read("costs")
    assert (costs["together"]["cost_nano_eur"], costs["zone"]) == (0, "Europe/Berlin")
    assert read("costs", "--by", "outcome")[0]["outcomes"] == []
    assert read("prompt", "list") == read("review", "next") == []


def test_each_request_is_a_line_that_quotes_nothing_of_it(shell: Shell, tmp_path: Path) -> None:
    shell.init()
    shell.ok("config", "activate", str(playbook(tmp_path)), "--as", "admin", "--reason", "first")
    port = free_port()
    served = shell.start("serve", "--port", str(port), "--admin-port", "0", "--access-log")
    assert served.stdout
    try:
        assert "listening on" in served.stdout.readline()
        for method, path, body in (
            ("GET", "/why/secret-task?token=secret", None), ("POST", "/v1/chat/completions", b'{"model": "secret"}'),
            ("PUT", "/secret", None),
        ):  # fmt: skip
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
                connection.request(method, path, body, {"authorization": "Bearer secret"})
                connection.getresponse().read()
        lines = [served.stdout.readline() for _ in range(3)]
    finally:
        served.terminate()
        rest, _ = served.communicate(timeout=60)
    patterns = (r"GET /why/\{ref:path\} \d+ -", r"POST /v1/chat/completions \d+ call_\S+", r"PUT - 404 -")
    for line, pattern in zip(lines, patterns, strict=True):
        assert re.fullmatch(rf"\d{{4}}-\d\d-\d\dT[\d:.]+Z {pattern} \d+ ms\n", line), line
    assert "secret" not in "".join(lines) + rest


def test_a_server_without_a_configuration_says_so_once_and_waits(shell: Shell) -> None:
    shell.init()
    served = shell.start("serve", "--port", str(free_port()), "--admin-port", "0")
    assert served.stdout
    try:
        assert "no configuration is active: whyledger config activate" in served.stdout.readline()
        time.sleep(6)  # what runs beside the calls has run by then
    finally:
        served.terminate()
        rest, _ = served.communicate(timeout=60)
    assert rest == ""


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
    shell.init()
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
    shell.init("ada")
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
    shell.init("ada")
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
