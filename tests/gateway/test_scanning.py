"""Direct calls of providers are found where they stand, told apart from calls through the gateway, and no key is shown."""

import json
import os
import random
import string
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grimp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.scanning.catalogue import Catalogue, catalogue
from gateway.scanning.finding import Finding, Report, ScanRefused
from gateway.scanning.printing import as_text
from gateway.scanning.scan import scan

GATEWAY = "llm.example.eu"
OPENAI_KEY = "sk-proj-" + "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY"
KEYS = {
    "OpenAI": OPENAI_KEY,
    "Anthropic": "sk-ant-api03-" + "Zx9Yw8Vu7Ts6Rq5Po4Nm3Lk2Ji1Hg0Fe",
    "Google": "AIza" + "Sy0aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0uV",
    "Groq": "gsk_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V2w3X4",
    "OpenRouter": "sk-or-v1-" + "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d",
    "DeepSeek": "sk-" + "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
    "WhyLedger": "wl_prod_" + "q1W2e3R4t5Y6u7I8o9P0a1S2d3F4g5H6",
}

BEGINNINGS = {
    "OpenAI": "sk-proj-", "Anthropic": "sk-ant-api03-", "Google": "AIza", "Groq": "gsk_", "OpenRouter": "sk-or-v1-",
    "DeepSeek": "sk-", "WhyLedger": "wl_prod_",
}  # fmt: skip


def tree(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return folder


def found(folder: Path, name: str, text: str, *, gateways: Iterable[str] = (GATEWAY,)) -> list[Finding]:
    return list(scan(tree(folder, {name: text}), gateways=tuple(gateways)).findings)


def said(findings: Iterable[Finding], *kinds: str) -> list[tuple[int, str, str, str]]:
    return [(one.line, one.kind, one.found, one.status) for one in findings if not kinds or one.kind in kinds]


def test_a_python_client_is_found_under_every_name_it_is_imported_by(tmp_path: Path) -> None:
    text = (
        "import openai as o\n"
        "from openai import OpenAI as Client, AsyncOpenAI\n"
        "import anthropic\n"
        "from google import genai\n"
        "a = o.OpenAI()\n"
        "b = Client(api_key=key)\n"
        "c = AsyncOpenAI(\n    timeout=3,\n)\n"
        "d = anthropic.Anthropic()\n"
        "e = genai.Client()\n"
        "f = o.chat.completions.create(messages=[])\n"
    )
    clients = said(found(tmp_path, "app.py", text), "client")
    assert clients == [
        (5, "client", "openai.OpenAI", "direct"),
        (6, "client", "openai.OpenAI", "direct"),
        (7, "client", "openai.AsyncOpenAI", "direct"),
        (10, "client", "anthropic.Anthropic", "direct"),
        (11, "client", "google.genai.Client", "direct"),
        (12, "client", "openai.chat.completions.create", "direct"),
    ]


def test_comments_documentation_and_comparisons_ask_for_nothing(tmp_path: Path) -> None:
    text = (
        '"""Talks to https://api.openai.com with gpt-4o and OPENAI_API_KEY."""\n'
        "# from openai import OpenAI; OpenAI()\n"
        "def f(model):\n"
        '    """gpt-4o"""\n'
        '    return model == "gpt-4o" or model.startswith("gpt-4") or "claude-3-opus" in model\n'
        "from openai.types.chat import ChatCompletion\n"
        "from openai import APIStatusError\n"
        "from typing import TYPE_CHECKING, Literal\n"
        'Model = Literal["gpt-4o", "gpt-4"]\n'
        "if TYPE_CHECKING:\n    from openai import OpenAI\n"
        "from .openai import OpenAI as Ours\n"
    )
    assert found(tmp_path, "app.py", text) == []


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ("", "direct"),
        ('base_url="https://llm.example.eu/v1"', "gateway"),
        ("base_url=BASE", "gateway"),
        ('base_url=os.environ["LLM_URL"]', "gateway"),
        ("base_url=FROM_ENVIRONMENT", "gateway"),
        ('http_options={"base_url": "https://llm.example.eu"}', "gateway"),
        ('api_key="wl_prod_q1W2e3R4t5Y6u7I8o9P0a1S2"', "gateway"),
        ('default_headers={"x-whyledger-task": task}', "gateway"),
        ('base_url="https://api.openai.com/v1"', "direct"),
        ('base_url=os.getenv("OTHER", "https://api.openai.com/v1")', "direct"),
        ('base_url="https://llm.example.eu.evil.com/v1"', "unclear"),
        ('base_url="https://other.example.com/v1"', "unclear"),
        ("base_url=settings.url", "unclear"),
        ("**options", "unclear"),
    ],
)
def test_a_client_is_told_apart_by_its_base_url(tmp_path: Path, how: str, status: str) -> None:
    text = (
        "import os\nfrom openai import OpenAI\n"
        'BASE = "https://llm.example.eu/v1"\nFROM_ENVIRONMENT = os.environ["LLM_URL"]\n'
        f"client = OpenAI({how})\n"
    )
    findings = found(tmp_path, "app.py", text, gateways=(f"https://{GATEWAY}/v1", "LLM_URL"))
    (client,) = [one for one in findings if one.kind == "client"]
    (imported,) = [one for one in findings if one.kind == "import"]
    assert (client.status, imported.status) == (status, status)
    assert bool(client.change) == (status != "gateway")
    if status != "gateway":
        assert client.change == 'OpenAI(base_url="https://YOUR-GATEWAY/v1", api_key=os.environ["LLM_GATEWAY_KEY"])'


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("a.py", "from openai import OpenAI\nOpenAI()\n"), ("a.py", "from anthropic import Anthropic\nAnthropic()\n"),
        ("a.py", "from google.genai import Client\nClient()\n"), ("a.ts", "import OpenAI from 'openai';\nnew OpenAI()\n"),
        ("a.ts", "import Anthropic from '@anthropic-ai/sdk';\nnew Anthropic()\n"),
        ("a.ts", "import { GoogleGenAI } from '@google/genai';\nnew GoogleGenAI()\n"),
    ],
)  # fmt: skip
def test_what_a_scan_says_to_write_is_through_the_gateway_once_it_is_written(
    tmp_path: Path, name: str, made: str
) -> None:
    (before,) = [one for one in found(tmp_path, name, made) if one.kind == "client"]
    assert before.status == "direct"
    after = made.splitlines()[0] + "\n" + before.change + "\n"
    assert {one.status for one in found(tmp_path, name, after, gateways=["YOUR-GATEWAY"])} == {"gateway"}


def test_a_variable_that_a_library_reads_by_itself_counts_when_it_is_named(tmp_path: Path) -> None:
    text = "from openai import OpenAI\nclient = OpenAI()\n"
    assert {one.status for one in found(tmp_path, "app.py", text, gateways=["OPENAI_BASE_URL"])} == {"gateway"}
    assert {one.status for one in found(tmp_path, "app.py", text, gateways=["ANTHROPIC_BASE_URL"])} == {"direct"}


def test_a_name_of_a_model_and_a_key_variable_go_with_the_clients_of_their_file(tmp_path: Path) -> None:
    through = f'OpenAI(base_url="https://{GATEWAY}/v1", api_key=os.environ["OPENAI_API_KEY"])\nMODEL = "gpt-4o"\n'
    head = "import os\nfrom openai import OpenAI\n"
    assert {one.status for one in found(tmp_path, "a.py", head + through)} == {"gateway"}
    mixed = {(one.kind, one.status) for one in found(tmp_path, "a.py", head + through + "OpenAI()\n")}
    assert mixed == {
        ("client", "gateway"), ("client", "direct"), ("import", "direct"), ("key variable", "gateway"), ("model", "unclear"),
    }  # fmt: skip


CASES = {
    "chat.ts": ("import OpenAI from 'openai'\n// new OpenAI()\nconst c = new OpenAI({ apiKey: process.env.OPENAI_API_KEY })\n", {(1, "import", "direct"), (3, "client", "direct"), (3, "key variable", "unclear")}),
    "through.ts": ("import OpenAI from 'openai'\nconst c = new OpenAI({\n  baseURL: 'https://llm.example.eu/v1',\n  apiKey: process.env.OPENAI_API_KEY,\n})\n", {(1, "import", "gateway"), (2, "client", "gateway"), (4, "key variable", "gateway")}),
    "alias.mjs": ("import Bot from '@anthropic-ai/sdk'\nconst c = new Bot()\n", {(1, "import", "direct"), (2, "client", "direct")}),
    "sdk.ts": ("import { openai } from '@ai-sdk/openai'\nimport { generateText } from 'ai'\nawait generateText({ model: openai('gpt-4o') })\n", {(1, "import", "direct"), (2, "import", "unclear"), (3, "client", "direct"), (3, "model", "unclear")}),
    "types.ts": ("import type { A } from 'openai'\ntype M = 'gpt-4o' | 'gpt-4' |\n  'gpt-5'\nif (m === 'gpt-4o' || m.startsWith('gpt-4')) {}\nconst m = x || 'gpt-4.1'\n", {(5, "model", "unclear")}),
    "many.ts": ("import {\n  APIError,\n  OpenAI,\n} from 'openai'\nimport { x } from '@ai-sdk/provider'\nexport { y } from '@ai-sdk/cohere'\nimport 'openai/shims/node'\nconst z = await import('cohere-ai')\n", {(4, "import", "unclear"), (6, "import", "unclear"), (7, "import", "unclear"), (8, "import", "unclear")}),
    "aws.js": ("const a = client('bedrock-runtime')\nthrow new Error('Set OPENAI_API_KEY, or install [bedrock-runtime]')\nconst { OPENAI_API_KEY } = process.env\n", {(1, "url", "direct"), (3, "key variable", "unclear")}),
    "index.d.ts": ("import OpenAI from 'openai'\ndeclare const c = new OpenAI()\n", set()),
    "main.go": ('package main\nimport "github.com/openai/openai-go/v2"\n/* openai.NewClient() */\nvar c = openai.NewClient(option.WithBaseURL("https://llm.example.eu/v1"))\n', {(2, "import", "gateway"), (4, "client", "gateway")}),
    "Main.java": ('import com.openai.client.okhttp.OpenAIOkHttpClient;\nvar c = OpenAIOkHttpClient.builder()\n  .apiKey(System.getenv("OPENAI_API_KEY"))\n  .baseUrl("https://llm.example.eu/v1")\n  .build();\n', {(1, "import", "gateway"), (2, "client", "gateway"), (3, "key variable", "gateway")}),
    "bot.rb": ('require "openai"\nc = OpenAI::Client.new(access_token: ENV["OPENAI_API_KEY"])\n', {(1, "import", "direct"), (2, "client", "direct"), (2, "key variable", "unclear")}),
    "deploy.yaml": ("env:\n  # OPENAI_API_KEY: old\n  MODEL: gpt-4o-mini\n  URL: https://api.mistral.ai/v1\n", {(3, "model", "unclear"), (4, "url", "direct")}),
    "config.json": ('{"model": "claude-sonnet-4-5", "endpoint": "https://bot.openai.azure.com/"}\n', {(1, "model", "unclear"), (1, "url", "direct")}),
    "app.toml": ('[llm]\nurl = "http://localhost:11434" # gpt-4o\n', {(2, "url", "direct")}),
    ".env.production": ("ANTHROPIC_API_KEY=\n", {(1, "key variable", "unclear")}),
    "Dockerfile": ("FROM python\nENV GROQ_API_KEY=x\n", {(2, "key variable", "unclear")}),
    "requirements.txt": ("openai>=2\nopenai-whisper\nrequests\n", {(1, "dependency", "unclear")}),
    "package.json": ('{"dependencies": {\n "openai": "^7.0.0",\n "@ai-sdk/openai": "4"}}\n', {(2, "dependency", "unclear"), (3, "dependency", "unclear")}),
    "pyproject.toml": ('dependencies = [\n  "anthropic>=2",\n  "httpx",\n]\n', {(2, "dependency", "unclear")}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_other_languages_are_searched_outside_of_comments(tmp_path: Path, name: str) -> None:
    text, expected = CASES[name]
    assert {(one.line, one.kind, one.status) for one in found(tmp_path, name, text)} == expected


def test_a_dependency_goes_with_the_clients_of_the_whole_tree(tmp_path: Path) -> None:
    through = f'from openai import OpenAI\nOpenAI(base_url="https://{GATEWAY}/v1")\n'
    root = tree(tmp_path, {"requirements.txt": "openai\n", "a.py": through})
    assert not scan(root, gateways=[GATEWAY]).leaks
    tree(tmp_path, {"b.py": "from openai import OpenAI\nOpenAI()\n"})
    assert {one.path for one in scan(root, gateways=[GATEWAY]).leaks} == {"requirements.txt", "b.py"}


def test_a_notebook_is_read_by_its_cells_and_each_finding_has_its_line_in_the_file(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["from openai import OpenAI"]},
        {"cell_type": "code", "source": ["!pip install openai\n", "%time\n", "from openai import OpenAI\n", "# OpenAI()"]},
        {"cell_type": "code", "source": ['client = OpenAI(base_url="https://api.openai.com/v1")'], "outputs": []},
    ]  # fmt: skip
    text = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}, indent=1)
    lines = text.splitlines()
    findings = found(tmp_path, "study.ipynb", text)
    assert {one.kind for one in findings} == {"import", "client", "url"}
    for one in findings:
        assert ("from openai" if one.kind == "import" else "client = ") in lines[one.line - 1]
    (imported,) = [one for one in findings if one.kind == "import"]
    assert imported.line == 1 + max(at for at, line in enumerate(lines) if "from openai" in line)


def test_a_file_that_cannot_be_parsed_is_searched_as_text_and_said_so(tmp_path: Path) -> None:
    text = "import openai\nprint 'x'  # gpt-4o\nopenai.OpenAI(base_url='https://api.openai.com')\n"
    root = tree(tmp_path, {"old.py": text})
    report = scan(root)
    assert [one.path for one in report.as_text] == ["old.py"]
    assert said(report.findings) == [
        (1, "import", "openai", "direct"), (3, "client", "openai.OpenAI", "direct"), (3, "url", "api.openai.com", "direct"),
    ]  # fmt: skip
    assert "old.py: cannot be parsed as Python; searched as plain text" in as_text(report)


@pytest.mark.parametrize("provider", KEYS)
@pytest.mark.parametrize(
    "where", ["app.py", "README.md", "note.ts", ".env", "data.json", "cell.ipynb", "package-lock.json"]
)
def test_a_literal_key_is_found_in_every_text_and_only_its_beginning_is_shown(
    tmp_path: Path, provider: str, where: str
) -> None:
    key = KEYS[provider]
    report = scan(tree(tmp_path, {where: f'"first": 1\n# key = "{key}"\n'}))
    (one,) = [one for one in report.findings if one.kind == "key"]
    assert (one.line, one.provider, one.status) == (2, provider, "direct")
    assert key.startswith(one.found.rstrip("\u2026"))
    assert len(one.found) <= 9


def test_a_literal_without_a_shape_is_a_key_where_a_key_variable_gets_it(tmp_path: Path) -> None:
    secret = "q8W3e5R7t9Y1u2I4o6P0"
    files = {
        "a.py": f'import os\nos.environ["MISTRAL_API_KEY"] = "{secret}"\n', "b.py": f'MISTRAL_API_KEY: str = "{secret}"\n',
        ".env": f"MISTRAL_API_KEY={secret}\n", "c.yaml": f'MISTRAL_API_KEY: "{secret}"\n',
        "d.py": 'MISTRAL_API_KEY = "your-key-goes-here-1234567890"\n', "e.env": "MISTRAL_API_KEY=${MISTRAL_API_KEY}\n",
    }  # fmt: skip
    report = scan(tree(tmp_path, files))
    assert [one.path for one in report.findings if one.kind == "key"] == [".env", "a.py", "b.py", "c.yaml"]
    assert secret not in as_text(report) + json.dumps([one.as_json() for one in report.findings])


WORDS = st.sampled_from(
    ["\n", " ", "'", '"', "(", ")", "=", "#", "//", ":", ", ", "model=", "base_url=", "api_key=", "OPENAI_API_KEY", "gpt-4o-",
     "gpt-4", "https://api.openai.com/", "https://", "@", ".openai.azure.com", "import openai\n", "openai.OpenAI(", "OpenAI(",
     "from openai import OpenAI\n", "new OpenAI(", "import OpenAI from 'openai'\n", "x", "/", "ft:gpt-", "%KEY%", "%KEY%"]
)  # fmt: skip


TOKENS = [
    "import vertexai\n", "import langchain_community.llms\n", "from 'ai'", "require '@ai-sdk/x'", '"bedrock-runtime"', "'o3-mini'",
    "from haystack_integrations.components.generators.x import y\n", '"google.golang.org/genai"', "import com.openai.x;", "rerank-v3",
    "<artifactId>spring-ai-openai</artifactId>", "llama-index>=1\n", '"@ai-sdk/foo": "1"', "model: command-r\n", "grok-4", "MISTRAL_API_KEY",
    "http://ollama:11434", "us.anthropic.claude-x", "'models/gemini-x'", "eu-aiplatform.googleapis.com", "sk-or-" + "a1" * 20,
]  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(WORDS, max_size=25), st.sampled_from(sorted(KEYS)),
    st.sampled_from(["a.py", "a.ts", "a.yaml", ".env", "a.ipynb", "a.md", "a-%KEY%.py"]), st.randoms(use_true_random=False),
)  # fmt: skip
def test_no_text_of_a_report_ever_contains_a_planted_key(
    tmp_path: Path, words: list[str], provider: str, name: str, chance: random.Random
) -> None:
    start = BEGINNINGS[provider]
    alphabet = "0123456789abcdef" if provider in ("DeepSeek", "OpenRouter") else string.ascii_letters + string.digits
    key = start + "".join(chance.choice(alphabet) for _ in range(len(KEYS[provider]) - len(start)))
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    report = scan(tree(folder, {name.replace("%KEY%", key): "".join(words).replace("%KEY%", key)}))
    assert key not in as_text(report) + json.dumps([one.as_json() for one in report.findings])


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.one_of(WORDS, st.sampled_from([*TOKENS])), max_size=6),
    st.sampled_from(["a.py", "a.ts", "a.go", "a.java", "a.rb", "a.yaml", "package.json", "requirements.txt", "pom.xml", "a.md"]),
)  # fmt: skip
def test_the_quick_look_at_a_file_misses_nothing_that_the_slow_one_finds(
    tmp_path: Path, words: list[str], name: str
) -> None:
    folder = tree(tmp_path / str(len(list(tmp_path.iterdir()))), {name: " ".join(words).replace("%KEY%", OPENAI_KEY)})
    quick = scan(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Catalogue, "may_hold", lambda _self, _text: True)
        assert scan(folder).findings == quick.findings


FILES = {
    "requirements.txt": "openai\n", "a.py": "from openai import OpenAI\nOpenAI()\n", "b/c.py": 'MODEL = "gpt-4o"\n',
    "b/d.ts": "import OpenAI from 'openai'\nnew OpenAI({ baseURL: url })\n", "z.yaml": "model: gpt-4o\n", "k.md": OPENAI_KEY,
}  # fmt: skip


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(sorted(FILES)))
def test_a_report_does_not_depend_on_the_order_in_which_files_were_written(tmp_path: Path, order: list[str]) -> None:
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    folder.mkdir()
    tree(folder, {name: FILES[name] for name in order})
    report = scan(folder)
    assert report == scan(tree(tmp_path / "first", FILES))
    assert list(report.findings) == sorted(report.findings)


def test_a_file_says_the_same_alone_and_among_others_but_for_dependencies(tmp_path: Path) -> None:
    whole = scan(tree(tmp_path / "whole", FILES)).findings
    alone = [
        one for at, (name, text) in enumerate(FILES.items()) for one in scan(tree(tmp_path / str(at), {name: text})).findings
    ]  # fmt: skip
    kept = [one for one in whole if one.kind != "dependency"]
    assert kept == sorted(one for one in alone if one.kind != "dependency")
    assert len(kept) >= 6


def test_imports_are_those_that_grimp_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import graph that we did not write, over a package in which imports stand everywhere they may."""
    texts = {
        "__init__": "", "one": "import openai\n", "two": "\n\nfrom openai import OpenAI\n",
        "three": "def f():\n    import anthropic as a\n    return a\n", "four": "try:\n    from mistralai import Mistral\nexcept ImportError:\n    pass\n",
        "five": "class C:\n    import cohere\n", "six": "from . import one\nimport json\n", "seven": '"""import openai"""\n# import openai\n',
        "eight": "if True:\n    from groq import (\n        Groq,\n    )\n", "nine": "import together.resources\n",
    }  # fmt: skip
    package = tree(tmp_path / "leaky", {f"{name}.py": text for name, text in texts.items()})
    monkeypatch.syspath_prepend(str(tmp_path))
    graph = grimp.build_graph("leaky", include_external_packages=True, cache_dir=None)
    libraries = {"openai", "anthropic", "mistralai", "cohere", "groq", "together"}
    seen = {
        (f"{one['importer'].removeprefix('leaky.')}.py", one["line_number"], one["imported"])
        for module in graph.find_children("leaky")
        for other in graph.find_modules_directly_imported_by(module)
        if other in libraries
        for one in graph.get_import_details(importer=module, imported=other)
    }
    ours = {(one.path, one.line, one.found) for one in scan(package).findings if one.kind == "import"}
    assert ours == seen
    assert len(seen) == 7


def test_what_is_left_out_is_named_with_its_reason(tmp_path: Path) -> None:
    call = "import OpenAI from 'openai'\nnew OpenAI()\n"
    root = tree(tmp_path / "src", {
        "node_modules/x/a.js": call, "dist/a.js": call, ".git/a.js": call, "env/pyvenv.cfg": "", "env/a.py": "import openai\n",
        "big.json": "1" * 2_000_001, "a.min.js": call, "long.js": f"{call}{'x' * 9000}", "tests/a.js": call,
        "build/__init__.py": "import openai\n", "photo.png": "\0PNG",
    })  # fmt: skip
    report = scan(root, exclude=["tests"])
    assert [(one.path, one.why) for one in report.skipped] == [
        (".git", "version control"), ("a.min.js", "minified"), ("big.json", "above 2 MB"), ("dist", "build output"),
        ("env", "virtual environment"), ("long.js", "minified"), ("node_modules", "installed packages"),
        ("photo.png", "binary"), ("tests", "excluded"),
    ]  # fmt: skip
    assert [one.path for one in report.findings] == ["build/__init__.py"]
    text = as_text(report)
    for one in report.skipped:
        assert one.path in text
        assert one.why in text


def test_no_symbolic_link_is_followed(tmp_path: Path) -> None:
    outside = tree(tmp_path / "outside", {"a.py": "import openai\n", "b/c.py": "import openai\n"})
    root = tree(tmp_path / "root", {"own.py": "x = 1\n"})
    (root / "file.py").symlink_to(outside / "a.py")
    (root / "folder").symlink_to(outside, target_is_directory=True)
    (root / "round").symlink_to(root, target_is_directory=True)
    report = scan(root)
    assert report.findings == ()
    assert {(one.path, one.why) for one in report.skipped} == {
        (name, "symbolic link") for name in ("file.py", "folder", "round")
    }
    assert report.files == 1


@contextmanager
def as_nobody() -> Iterator[None]:
    """Give up the rights of root, who may read every file, for a while."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


def test_what_cannot_be_read_is_named() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = tree(Path(folder), {"a.py": "import openai\n", "b.py": "import openai\n"})
        root.chmod(0o755)
        assert scan(root).unread == ()
        (root / "a.py").chmod(0)
        with as_nobody():
            report = scan(root)
    assert [one.path for one in report.unread] == ["a.py"]
    assert [one.path for one in report.findings] == ["b.py"]


def test_what_is_no_text_in_utf_8_is_searched_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes("# caf\xe9\nimport openai\n".encode("latin-1"))
    (tmp_path / "b.py").write_bytes("import openai\r\nopenai.OpenAI()\r\n".encode("utf-16"))
    (tmp_path / "c.py").write_bytes(b"\xef\xbb\xbfimport openai\r\n")
    assert {(one.path, one.line, one.kind) for one in scan(tmp_path).findings} == {
        ("a.py", 2, "import"), ("b.py", 1, "import"), ("b.py", 2, "client"), ("c.py", 1, "import"),
    }  # fmt: skip


def test_a_package_of_the_tree_that_is_called_as_a_library_is_its_own_and_named(tmp_path: Path) -> None:
    files = {"groq/__init__.py": "", "groq/a.py": "from groq.b import Groq\nGroq()\n", "c.py": "import cohere\n"}
    report = scan(tree(tmp_path, files))
    assert [one.found for one in report.findings] == ["cohere"]
    assert report.own == ("groq",)
    assert "groq: a package of this tree" in as_text(report)


def test_a_library_that_a_module_hands_on_is_that_library(tmp_path: Path) -> None:
    text = "from app.llm import litellm\nlitellm.completion(model='x')\n"
    assert said(found(tmp_path, "a.py", text), "client") == [(2, "client", "app.llm.litellm.completion", "direct")]


@pytest.mark.parametrize(
    "text",
    [
        "gpt-engineer", "claude-code", "gemini-cli", "mistral-common", "sonar-project.properties", "command-line", "o1", "groq",
        "openrouter.ai/keys", "install x[bedrock-runtime]", "platform.openai.com", "api.openai.com.example.org", "myapi.openai.community",
        "MY_OPENAI_API_KEY_NAME", "sk-your-key-goes-here-0123456789abcdefghij", "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    ],
)  # fmt: skip
def test_what_only_looks_alike_is_not_listed(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, "a.py", f"x = {text!r}\n") == []
    assert found(tmp_path / "other", "a.yaml", f'x: "{text}"\n') == []


def test_a_path_that_is_none_is_refused_with_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(ScanRefused, match="give the folder of your source"):
        scan(tmp_path / "nowhere")


def test_everything_in_the_catalogue_is_whole_and_can_be_found(tmp_path: Path) -> None:
    known = catalogue()
    for name, one in known.data["providers"].items():
        assert one["name"]
        assert one["source"]
        for host in one.get("hosts", ()):
            address = host.replace(".*", ".eu.amazonaws.com").replace("*.", "x.").replace("*-", "eu-")
            assert [hit.shown for hit in known.urls(f"https://{address}/v1")] == [address], host
        for variable in one.get("key_variables", ()):
            assert known.variable(variable) == name
    for language, rows in known.data["libraries"].items():
        for row in rows:
            assert row["provider"] in known.data["providers"]
            assert known.change(row["change"], "Client")
            package = row["package"].replace("*", "x")
            assert known.library(language, package) is not None
    report: Report = scan(
        tree(tmp_path, {"a.py": "".join(f"import {row['package']}\n" for row in known.data["libraries"]["python"])})
    )
    wanted = {row["package"] for row in known.data["libraries"]["python"] if not row.get("only_clients")}
    assert {one.found for one in report.findings} == wanted
