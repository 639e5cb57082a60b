"""Rows for a page: each call that is told with what was said in it, and each entry in the order of the log."""

from collections.abc import Iterator, Mapping
from typing import Any

from ledger.entry import Entry
from reports.ports import Evidence
from reports.times import clock
from reports.why.story import CallStory, Story
from reports.why.transcript import called, said, turns
from reports.why.words import ENDED, MISSING, REASONS, refused_for

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
    return str(served.get("model") or ("the cache" if facts.get("cache") == "hit" else ""))


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


def moments(story: Story, evidence: Evidence) -> Iterator[dict[str, Any]]:
    """Yield each entry that is told, in the order of the log, with what it says in a few words."""
    for entry in story.entries:
        yield {
            "at": entry.at,
            "shown": clock(entry.at, evidence.zone),
            "kind": entry.kind,
            "seq": entry.seq,
            "call": entry.call,
            "text": _MOMENTS.get(entry.kind, entry.kind).format_map(_in_words(entry)),
        }


def _in_words(entry: Entry) -> dict[str, Any]:
    facts = dict(entry.facts)
    if "result" in facts:
        facts["result"] = ENDED.get(str(facts["result"]), str(facts["result"]).replace("_", " "))
    if "reason_ref" in facts:
        facts["reason_ref"] = REASONS.get(facts["reason_ref"], str(facts["reason_ref"]).replace("_", " "))
    if "scope" in facts:
        facts["scope"] = str(facts["scope"]).partition(":")[0].replace("all", "everything")
    return facts


_MOMENTS = {
    "call.opened": "call opened: {route_ref}",
    "call.extended": "a further attempt reserved",
    "call.closed": "call closed: {result}",
    "call.refused": "call refused: {reason_ref}",
    "call.interrupted": "call interrupted: {reason}",
    "override.recorded": "person: {action}",
    "cost.corrected": "person: cost corrected",
    "stop.engaged": "person: stop of {scope}",
    "stop.released": "person: stop of {scope} lifted",
    "config.activated": "configuration activated",
    "prompt.registered": "prompt {prompt_ref}: version {version} registered",
    "prompt.promoted": "prompt {prompt_ref}: version {version} promoted in {environment}",
    "workflow.released": "workflow released",
    "workflow.classified": "risk class confirmed: {tier}",
    "evaluation.scored": "answer scored {verdict}: {evaluator}",
    "review.recorded": "person scored the answer {verdict}: {evaluator}",
    "outcome.recorded": "outcome {type}: {status}",
    "key.issued": "gateway key issued",
    "key.revoked": "gateway key revoked",
}
