"""Rows for a page: each call that is told, with what was said in it."""

from collections.abc import Iterator, Mapping
from typing import Any

from ledger.entry import Entry
from reports.ports import Evidence
from reports.times import clock
from reports.why.story import CallStory, Story
from reports.why.transcript import called, said, turns
from reports.why.words import ENDED, MISSING, refused_for

MOST = 2000
"""Characters of one message that are shown; the pack has all of it."""


def rows(story: Story, evidence: Evidence) -> Iterator[dict[str, Any]]:
    """Yield a row for each call that is told."""
    numbers = {call.id: number for number, call in enumerate(story.every, start=1)}
    for call in story.calls:
        yield {
            "call": call.id,
            "number": numbers[call.id],
            "at": call.first.at,
            "shown": clock(call.first.at, evidence.zone),
            "seq": call.first.seq,
            "workflow": call.first.workflow or "",
            "route": call.route,
            "result": call.result,
            "ended": ENDED.get(call.result, call.result.replace("_", " ")),
            "because": _because(call),
            "good": call.result == "answered",
            "model": _model(call),
            "cost_nano_eur": call.cost,
            "bound": bool(call.ended and call.ended.facts.get("cost_state") == "upper_bound" and not call.corrections),
            "quotes": list(_quotes(call, evidence)),
        }


def _because(call: CallStory[Entry]) -> str:
    return refused_for(call.ended.facts) if call.ended and call.ended.kind == "call.refused" else ""


def _model(call: CallStory[Entry]) -> str:
    facts: Mapping[str, Any] = call.ended.facts if call.ended else {}
    served = facts.get("served") or {}
    if "released_ref" in facts:
        return "the held answer"
    return str(served.get("model") or ("the cache" if facts.get("cache") in ("hit", "similar") else ""))


def _quotes(call: CallStory[Entry], evidence: Evidence) -> Iterator[dict[str, str]]:
    """Yield what was said in a call, by role, or why it cannot be shown."""
    if "instructions" in call.first.c:
        yield _quote(call.first, "instructions", "registered prompt", evidence)
    if "prompt" in call.first.c:
        asked = evidence.content(call.first, "prompt")
        if asked.missing:
            yield {"role": "request", "text": "", "missing": MISSING[asked.missing]}
        else:
            yield from ({"role": role, "text": _cut(text), "missing": ""} for role, text in turns(str(asked.value)))
    if call.ended is None or call.ended.kind != "call.closed":
        return
    if "answer" in call.ended.c:
        yield _quote(call.ended, "answer", "answer", evidence)
    for tool in call.ended.facts["tool_calls"]:
        if tool.get("c"):
            yield _quote(call.ended, tool["c"], "tool call", evidence)


def _quote(entry: Entry, name: str, role: str, evidence: Evidence) -> dict[str, str]:
    content = evidence.content(entry, name)
    if content.missing:
        return {"role": role, "text": "", "missing": MISSING[content.missing]}
    text = {"answer": lambda value: said(str(value)), "tool call": called}.get(role, str)(content.value)
    return {"role": role, "text": _cut(text), "missing": ""}


def _cut(text: str) -> str:
    return text if len(text) <= MOST else f"{text[:MOST]} \u2026 ({len(text) - MOST:,} further characters)"
