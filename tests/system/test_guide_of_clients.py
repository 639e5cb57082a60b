"""The guide of clients: its snippets run as they stand, and it names what the bench runs."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stage import Stage, stage

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guides" / "clients.md").read_text("utf-8")
RUN: dict[str, dict[str, Any]] = tomllib.loads((ROOT / "bench" / "rig" / "clients" / "clients.toml").read_text("utf-8"))
SNIPPETS = re.findall(r"```python\n(.+?)```", GUIDE, flags=re.S)
NAMES = {
    "@anthropic-ai/claude-code": "Claude Code", "@openai/codex": "Codex", "opencode-ai": "opencode",
    "@google/gemini-cli": "gemini-cli", "@qwen-code/qwen-code": "Qwen Code", "@continuedev/cli": "Continue CLI",
    "cline": "Cline", "aider-chat": "aider", "pydantic-ai-slim": "pydantic-ai",
}  # fmt: skip
"""What the guide calls a package whose name says less."""


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("guide") / "home") as opened:
        yield opened


@pytest.mark.slow
@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda one: one.split("\n")[0])
def test_a_snippet_of_the_guide_runs_as_it_stands(on: Stage, snippet: str) -> None:
    here = snippet.replace("http://127.0.0.1:8080", on.url).replace("wl_prod_...", on.keys["agent"])
    assert here.count(on.url) == here.count(on.keys["agent"]) == 1
    before, names = len(on.upstream.seen), dict[str, Any]()
    exec(compile(here, "clients.md", "exec"), names)
    try:
        assert names["text"] == "hello"
        assert names.get("vector", [0.25, -0.5]) == [0.25, -0.5]
        assert len(on.upstream.seen) - before == len(re.findall(r"client[.]", snippet))
    finally:
        names["client"].close()


def test_every_format_has_a_snippet() -> None:
    assert [one.splitlines()[0] for one in SNIPPETS] == [
        "import openai",
        "import anthropic",
        "from google import genai",
    ]


@pytest.mark.parametrize("name", RUN)
def test_every_client_that_is_run_has_its_row(name: str) -> None:
    package = (RUN[name].get("pip") or RUN[name]["npm"]).split()[0].split("[")[0]
    assert re.search(rf"^\|[^|]*{re.escape(NAMES.get(package, package))} \d", GUIDE, flags=re.M), package


def test_the_variables_of_the_guide_are_those_that_are_set_where_clients_are_run() -> None:
    from bench.rig.calling import SPEAKS

    for variables in SPEAKS.values():
        for name, value in variables.items():
            if value == "{ROOT}":
                assert f"`{name}=http://127.0.0.1:8080`" in GUIDE
    for text in RUN["codex_once"]["files"].values():
        assert all(
            line in GUIDE
            for line in text.splitlines()
            if line.startswith(("wire_api", "env_key", "request_max", "stream_max"))
        )
    settings = RUN["claude_code"]["env"]
    assert settings["ANTHROPIC_BASE_URL"] == "{ROOT}"
    assert all(name in GUIDE for name in settings)
