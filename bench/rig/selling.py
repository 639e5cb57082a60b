"""A provider that answers as a situation says, behind a gateway, and counts what it sold."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "system")]

from stage import DONE, USAGE, Stage, chunk, completion, stage, streaming  # noqa: E402

from gateway.oversight import acts  # noqa: E402

__all__ = ["Provider", "Stage", "standing"]
LETTERS = ", ".join(f"{one}*, {one.upper()}*" for one in "abcdefghijklmnopqrstuvwxy")
WITHHELD = "zz_refund"
"""The tool that no workflow has; the agents' workflow has every other name."""


def said(body: dict[str, Any], situation: str) -> tuple[str, str]:
    """What a willing model answers: a text, or the name of a tool."""
    tools = [one["function"]["name"] for one in body.get("tools") or () if "function" in one]
    choice, again = body.get("tool_choice"), len([one for one in body["messages"] if one["role"] != "system"]) > 1
    if situation.startswith("withheld"):
        return "", WITHHELD
    if isinstance(choice, dict) and "function" in choice:
        return "", choice["function"]["name"]
    if tools and (choice == "required" or "lookup" in tools) and not (again and choice != "required"):
        return "", "final_answer" if again and "final_answer" in tools else tools[0]
    return '{"name": "Rome"}' if body.get("response_format") else "hello", ""


@dataclass
class Provider:
    """Answers as the situation says, and counts what it sold."""

    situation: str = ""
    sold: list[str] = field(default_factory=list)
    """The messages of every request that was answered with a completion."""
    limited: frozenset[str] = frozenset()

    async def __call__(self, request: Request, body: dict[str, Any]) -> Response:
        same = json.dumps(body["messages"], sort_keys=True)
        if self.situation == "500" or (self.situation == "429 once" and same not in self.limited):
            self.limited |= {same}
            return JSONResponse({"error": {"message": "not now"}}, 500 if self.situation == "500" else 429)
        self.sold.append(same)
        text, tool = said(body, self.situation)
        given = '{"answer": "hello"}' if tool == "final_answer" else '{"name": "Rome"}'
        calls = [{"id": "c1", "type": "function", "function": {"name": tool, "arguments": given}}] if tool else []
        if not body.get("stream"):
            message: dict[str, Any] = {"tool_calls": calls} if calls else {}
            return JSONResponse(completion(text, **message))
        delta = {"tool_calls": [calls[0] | {"index": 0}]} if calls else {"content": text}
        first = chunk({"role": "assistant"} | delta)
        rest = () if self.situation == "cut" else (chunk({}, "tool_calls" if tool else "stop"), USAGE, DONE)
        answer: Response = await streaming(first, *rest, cut=not rest)(request, body)
        return answer


@contextmanager
def standing(folder: Path) -> Iterator[tuple[Stage, Provider]]:
    """The gateway: one model in the route and no repetition of its own, so that clients see every error."""
    with stage(folder, timeout=30, key_cap=1) as on:
        ada = on.person("ada")
        text = on.installation.vault.text(acts.active_configuration(on.installation)[1]) or ""
        more = f"workflows:\n  coder: {{purpose: test, owner: test, tools: [{LETTERS}]}}\n"
        more += "  required: {purpose: test, owner: test, tools: [lookup], forced_tool: required}\n"
        acts.activate(
            on.installation, ada, text.replace("fallback: model-b, ", "").replace("workflows:\n", more), "to measure"
        )
        for workflow in ("agent", "quiet", "coder", "required"):
            acts.release(on.installation, ada, workflow, "to measure")
        for workflow in ("coder", "required"):
            on.keys[workflow] = acts.issue_key(on.installation, ada, "prod", workflow)
        on.keys["coder-small"] = acts.issue_key(on.installation, ada, "prod", "coder", 1)
        on.upstream.answer = provider = Provider()
        yield on, provider
