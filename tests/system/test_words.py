"""What people read is plain English: no machine words, no brackets of a program, no plural in doubt."""

import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from stage import Stage, completion, stage
from starlette.responses import JSONResponse
from test_lists import typed

from gateway.oversight import acts
from gateway.store.evidence import LiveEvidence
from reports.texts import PACKAGE, TEMPLATES
from reports.why.answer import why
from reports.why.letter import as_letter
from reports.why.text import as_short, as_text

ROOT = Path(__file__).parents[2]
OLD = (
    "(s)", "pico-USD", "{'", "road of", "human act", "name that is no intent", "command line, no token", "http_500",
    "task found by", "Not sampled does not", "Nothing else was evaluated", "determining rule", "refused_answer",
    "budget_exceeded", "policy_denied", "task_calls_exceeded", "stop of task:", "was answered, was answered", "at stage ",
    ": None",
    "= None",
)  # fmt: skip
AMOUNT = re.compile(r"EUR[ \u00a0]\d[\d,]*\.\d{5,}")
TOOL: Any = {"type": "function", "function": {"name": "lookup", "parameters": {"type": "object"}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "lookup", "arguments": '{"amount_eur": 480.0}'}}


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("words") / "home", max_calls=4, retries=2) as opened:
        opened.ask(task="ticket:1", temperature=0.2)
        opened.upstream.answer = _calls_a_tool
        opened.ask(task="ticket:1", tools=[TOOL])
        opened.upstream.answer = _fails
        with pytest.raises(openai.InternalServerError):
            opened.ask(task="ticket:1")
        opened.upstream.answer = None
        other: Any = {"type": "function", "function": {"name": "delete_all"}}
        for model in ("support", "nothing"):
            with_suppressed(opened, {"model": model, "task": "t:5", "extra_headers": {"x-whyledger-subject": "cust-5"}})
        for kwargs in ({"tools": [other]}, {"max_completion_tokens": 10_000_000}, {}, {}, {"model": "nothing"}):
            with_suppressed(opened, kwargs)
        call = opened.entries("call.opened")[1].call or ""
        ada = opened.person("ada")
        acts.override(
            opened.installation, ada, call, action="reverse", reason_code="R07", reason="too much",
            presented="shown", before="a", after="b",
        )  # fmt: skip
        acts.stop(opened.installation, ada, acts.stop_scope(opened.installation, task="ticket:1"), "enough")
        with_suppressed(opened, {})
        opened.installation.checkpointer.sign(now=True)
        yield opened


async def _calls_a_tool(_request: Any, _body: Any) -> JSONResponse:
    return JSONResponse(completion("", tool_calls=[CALL]))


async def _fails(_request: Any, _body: Any) -> JSONResponse:
    return JSONResponse({"error": {"message": "down", "type": "server_error"}}, status_code=500)


def with_suppressed(on: Stage, kwargs: Any) -> None:
    try:
        on.ask(**({"task": "ticket:1"} | kwargs))
    except openai.APIStatusError:
        return


def wrong(text: str) -> list[str]:
    return [one for one in OLD if one in text] + AMOUNT.findall(text)


def test_no_why_text_letter_or_question_prints_a_machine_word(on: Stage) -> None:
    evidence = LiveEvidence(on.installation, acts.time_zone(on.installation))
    for ref in ("ticket:1", "cust-5", *[str(one.call) for one in on.entries("call.opened", "call.refused")]):
        answer = why(ref, *evidence.resolve(ref), evidence)
        said = [
            as_text(answer),
            as_letter(answer),
            *([as_short(answer)] if answer.subject else ()),
            answer.verdict.text,
            *[one.answer for one in answer.questions],
        ]
        said += [str(one["text"]) for one in answer.timeline]
        assert not [(ref, one) for text in said for one in wrong(text)]


def test_no_page_prints_a_machine_word(on: Stage) -> None:
    pages = [
        "/",
        "/calls",
        "/why/ticket:1",
        "/why/cust-5",
        "/systems",
        "/system?workflow=agent",
        "/packs",
        "/reviews",
        "/approvals",
        "/incidents",
    ]
    pages += ["/why/agent", *[f"/why/entry:{seq}" for seq in range(on.installation.reader.head().size)]]
    for path in pages:
        asked = urllib.request.Request(on.url + path, headers={"authorization": f"Bearer {on.tokens['ada']}"})
        with urllib.request.urlopen(asked) as shown:
            visible = re.sub(r"<[^>]*>", " ", shown.read().decode())
        assert not [(path, one) for one in wrong(visible)]


def test_no_entry_and_no_list_on_the_command_line_prints_one(on: Stage) -> None:
    asked = [("why", f"entry:{seq}") for seq in range(on.installation.reader.head().size)]
    asked += [("why", "cust-5"), ("why", "cust-5", "--audience", "affected_person"), ("why", "agent")]
    asked += [("calls",), ("stops",), ("key", "list"), ("person", "list"), ("workflow", "list")]
    assert not [(command, one) for command in asked for one in wrong(typed(on, *command))]
    assert "task \u201cticket:1\u201d" in typed(on, "stops")


def test_no_template_or_catalogue_of_texts_holds_one() -> None:
    templates = [ROOT.joinpath(*PACKAGE.split("."), "templates", name) for name in TEMPLATES]
    templates += sorted((ROOT / "gateway" / "console" / "templates").glob("*.j2"))
    templates += sorted((ROOT / "reports" / "scorecard" / "templates").glob("*.j2"))
    phrases = ("(s)", "road of", "human act", "pico-USD")
    assert not [(path.name, one) for path in templates for one in phrases if one in path.read_text("utf-8")]


def test_no_command_help_guide_or_message_holds_one() -> None:
    files = [*sorted((ROOT / "docs" / "guides").glob("*.md")), ROOT / "README.md"]
    files += [path for name in ("gateway", "reports", "ledger") for path in sorted((ROOT / name).rglob("*.py"))]
    doubtful = re.compile(r"(?<!http)\(s\)|road of (their|its) own|human act\(|that mends it|for ever: a|--take\b")
    found = [(path.name, one[0]) for path in files for one in doubtful.finditer(path.read_text("utf-8"))]
    assert not found
