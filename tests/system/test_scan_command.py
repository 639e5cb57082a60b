"""Finding the leaks, as typed: the guide's own lines, exit codes, and what a script gets."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from shell import Shell

from gateway.configuration.load import load

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "scan.md"
BLOCK = re.compile(
    r"<!-- (?P<what>file|run, exit (?P<code>\d)): (?P<name>[^\n]+) -->\n```\w*\n(?P<text>.*?)```\n", re.S
)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path / "home")


def typed(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WHYLEDGER_")}
    command = [sys.executable, "-m", "gateway", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_the_guide_s_files_and_commands_give_what_it_shows(tmp_path: Path) -> None:
    blocks = list(BLOCK.finditer(GUIDE.read_text("utf-8")))
    assert [one["what"][:3] for one in blocks] == ["fil", "run", "fil", "run"]
    for one in blocks:
        if one["what"] == "file":
            (tmp_path / one["name"]).parent.mkdir(exist_ok=True)
            (tmp_path / one["name"]).write_text(one["text"], "utf-8")
        else:
            done = typed(tmp_path, *shlex.split(one["name"])[1:])
            assert (done.returncode, done.stdout) == (int(one["code"]), one["text"]), done.stderr
    text = (tmp_path / "gateway.yaml").read_text("utf-8")
    assert [route.intent for route in load(text).routes] == ["support", "backup"]
    assert "sk-ant" not in text


def test_the_exit_code_says_whether_something_leaks(shell: Shell, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.py").write_text("print('hello')\n", "utf-8")
    code, said, _ = shell("scan", str(source))
    assert (code, said.splitlines()[-1]) == (0, "nothing was found that goes past the gateway")
    (source / "a.py").write_text("from openai import OpenAI\nOpenAI()\n", "utf-8")
    assert shell("scan", str(source))[0] == 1
    assert shell("scan", str(source), "--exclude", "a.py")[0] == 0
    assert shell("scan", str(source), "--gateway", "OPENAI_BASE_URL")[0] == 0
    code, said, wrong = shell("scan", str(tmp_path / "nowhere"))
    assert (code, said, wrong.count("\n")) == (2, "", 1)
    assert "give the folder of your source" in wrong
    assert not shell.home.exists()


def test_a_script_gets_every_finding_and_all_that_was_left_out(shell: Shell, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "node_modules").mkdir(parents=True)
    (source / "a.py").write_text("import openai\n" + "m = 'gpt-4o'\n" * 9, "utf-8")
    (source / "b.py").write_text("import openai\nprint 1\n", "utf-8")
    code, said, _ = shell("scan", str(source), "--json")
    report = json.loads(said)
    assert code == 1
    assert [one["line"] for one in report["findings"] if one["path"] == "a.py"] == list(range(1, 11))
    assert report["skipped"] == [{"path": "node_modules", "why": "installed packages"}]
    assert (report["files"], report["searched_as_text"], report["unread"]) == (2, ["b.py"], [])
    assert report["by_kind"]["model"] == {"direct": 0, "unclear": 9, "gateway": 0}
    _, told, _ = shell("scan", str(source))
    assert "a.py  6 more of this kind: line 5, 6, 7, 8, 9 and 1 other place; --json lists all" in told


def test_a_translation_is_written_before_anything_is_made_and_overwrites_nothing(shell: Shell, tmp_path: Path) -> None:
    theirs, ours = tmp_path / "litellm.yaml", tmp_path / "ours.yaml"
    theirs.write_text("model_list: [{model_name: a, litellm_params: {model: gpt-4o, api_key: sk-secret-1}}]\n", "utf-8")
    arguments = ("init", "--from", str(theirs), "--output", str(ours))
    broken = tmp_path / "broken.yaml"
    broken.write_text("routes: []\n", "utf-8")
    code, _, wrong = shell("init", "--origin", "ledger.example/main", "--from", str(broken), "--output", str(ours))
    assert (code, wrong) == (1, "broken.yaml:1: this is no configuration of a LiteLLM proxy: it has no `model_list:`\n")
    assert not shell.home.exists()
    made = json.loads(shell.ok(*arguments, "--origin", "ledger.example/main", "--json"))
    assert made["configuration"]["variables"] == ["OPENAI_API_KEY"]
    assert made["configuration"]["notes"][0]["place"] == "model_list[0].litellm_params.api_key (a)"
    assert made["log"] == "ledger.example/main"
    shell.ok("config", "check", str(ours))
    shell.ok("config", "activate", str(ours), "--as", "admin", "--reason", "from litellm")
    before = ours.read_text("utf-8")
    code, _, wrong = shell(*arguments)
    assert (code, wrong.count("\n"), "is there already" in wrong) == (1, 1, True)
    assert ours.read_text("utf-8") == before
