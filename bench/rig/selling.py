"""A provider that speaks every format and answers as a situation says, behind a gateway; it counts what it sold."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "system")]

import formats  # noqa: E402
from stage import Stage, stage  # noqa: E402

from bench.rig.speaking import Asked, Format, Said, format_of  # noqa: E402
from gateway.oversight import acts  # noqa: E402

__all__ = ["Provider", "Stage", "standing"]
LETTERS = ", ".join(f"{one}*, {one.upper()}*" for one in "abcdefghijklmnopqrstuvwxy")
WITHHELD = "zz_refund"
"""The tool that no workflow has; the agents' workflow has every other name."""
CITY = {"name": "Rome"}
SHELLS: dict[str, dict[str, Any]] = {
    "Bash": {"command": "echo lookup", "description": "say it"},
    "bash": {"command": "echo lookup", "description": "say it"},
    "exec_command": {"cmd": "echo lookup"},
    "shell": {"command": ["echo", "lookup"]},
    "run_shell_command": {"command": "echo lookup", "description": "say it"},
}
"""The tool by which a program runs a command, and what a model calls it with; Claude Code and opencode spell it in
different cases."""


def said(asked: Asked, situation: str) -> Said:
    """What a willing model answers: a text, or the name of a tool."""
    if situation.startswith("withheld"):
        return Said(tool=WITHHELD)
    if asked.forced:
        return Said(tool=asked.forced, given=_given(asked.forced))
    wanted = asked.required or "lookup" in asked.tools
    if asked.tools and wanted and not (asked.again and not asked.required):
        tool = "final_answer" if asked.again and "final_answer" in asked.tools else asked.tools[0]
        return Said(tool=tool, given=_given(tool))
    shell = next((one for one in asked.tools if one in SHELLS), "") if situation == "shell" else ""
    if shell and not asked.again:
        return Said(tool=shell, given=SHELLS[shell])
    return Said('{"name": "Rome"}' if asked.structured else "hello")


def _given(tool: str) -> dict[str, Any]:
    return {"answer": "hello"} if tool == "final_answer" else CITY


@dataclass
class Provider:
    """Answers as the situation says, and counts what it sold."""

    situation: str = ""
    sold: list[str] = field(default_factory=list)
    """Every request that was answered as far as it is billed."""
    limited: frozenset[str] = frozenset()

    async def __call__(self, request: Request, body: dict[str, Any]) -> Response:
        spoken = format_of(request.url.path)
        if spoken is None:
            answer = formats.usual(request, body)
            assert answer is not None, request.url.path
            return answer
        # What a repetition by the client may change beside the conversation makes no other request.
        same = json.dumps([body.get(name) for name in ("messages", "input", "contents", "prompt")], sort_keys=True)
        if self.situation == "500" or (self.situation == "429 once" and same not in self.limited):
            self.limited |= {same}
            status = 500 if self.situation == "500" else 429
            return JSONResponse(spoken.error(status), status)
        self.sold.append(same)
        return self._answer(spoken, said(spoken.read(body), self.situation), _streams(request, body))

    def _answer(self, spoken: Format, given: Said, stream: bool) -> Response:
        if not stream:
            return JSONResponse(spoken.whole(given))
        events = spoken.events(given)
        cut = self.situation == "cut"
        return formats.streamed(events[: len(events) // 2] if cut else events, cut=cut)


def _streams(request: Request, body: dict[str, Any]) -> bool:
    return bool(body.get("stream")) or ":stream" in request.url.path


@contextmanager
def standing(folder: Path) -> Iterator[tuple[Stage, Provider]]:
    """The gateway: one model in the route and no repetition of its own, so that clients see every error."""
    with stage(folder, timeout=30, key_cap=1) as on:
        ada = on.person("ada")
        text = on.installation.vault.text(acts.active_configuration(on.installation)[1]) or ""
        more = f"workflows:\n  coder: {{purpose: test, owner: test, tools: [{LETTERS}]}}\n"
        more += "  required: {purpose: test, owner: test, tools: [lookup], forced_tool: required}\n"
        more += f"  held: {{purpose: test, owner: test, tools: [{LETTERS}]}}\n"
        more += "  asking: {purpose: test, owner: test, tools: [lookup], tool_rules: {lookup: {effect: write, approval: always}}}\n"
        text += "policies:\n  all: {when: {input_above: 1}, effect: hold, workflows: held}\n"
        acts.activate(
            on.installation, ada, text.replace("fallback: model-b, ", "").replace("workflows:\n", more), "to measure"
        )
        for workflow in ("agent", "quiet", "coder", "required", "held", "asking"):
            acts.release(on.installation, ada, workflow, "to measure")
        for workflow in ("coder", "required", "held", "asking"):
            on.keys[workflow] = acts.issue_key(on.installation, ada, "prod", workflow)
        on.keys["coder-small"] = acts.issue_key(on.installation, ada, "prod", "coder", 1)
        httpx2.get(f"{on.url}/readyz")  # reads the rules anew
        on.upstream.answer = provider = Provider()
        yield on, provider
