"""Small pieces of fixed wording, shared by the narrative and the questions. No model writes any of it."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from classifiers.law.records import law_on
from ledger.amounts import in_words
from ledger.entry import Entry
from reports.ports import Evidence
from reports.times import clock
from reports.why.story import Story

REASONS = {
    "budget_exceeded": "its worst case did not fit under a daily cap",
    "stopped": "a person had stopped it",
    "task_calls_exceeded": "the task had used up its calls",
    "task_retries_exceeded": "the task had used up its retries",
    "task_budget_exceeded": "its worst case did not fit under the cap of its task",
    "identical_calls": "the task had made the very same call before, and it was answered",
    "tool_cycle": "the task went round in a circle of tool calls",
    "tool_rounds_exceeded": "the model had called tools for too many rounds without a word of a person",
    "workflow_not_released": "nobody has released its workflow for prod",
    "repeated": "it repeats a call that was charged and whose answer could not be given out",
    "workflow_unknown": "its workflow is not registered",
    "prompt_invalid": "it named a prompt or a version that is not registered or promoted, or not its variables",
    "environment_unknown": "its environment is not in the configuration",
    "key_revoked": "its key had been revoked",
    "unknown_key": "its key is not known",
    "release_stale": "its workflow was changed after it was released",
    "route_unknown": "it asked for a name that the configuration does not define",
    "policy_denied": "a rule of its workflow does not allow it",
    "no_target": "no target could serve it",
    "input_too_large": "its input was larger than the route allows",
    "invalid_request": "the request was malformed",
    "too_large": "its body was larger than the gateway takes",
    "approval_required": "a person must approve it first",
    "approval_mismatch": "it named an approval that is not for this request",
    "approval_rejected": "it named an approval that a person had refused",
    "approval_expired": "it named an approval that was over",
    "approval_used": "it named an approval that was used before",
    "approval_void": "it named an approval that does not hold any more",
}
RESULTS = {
    "answered": "was answered",
    "failed": "got no answer from any target",
    "unreadable": "got an answer that could not be read, so it was withheld",
    "upstream_cut": "lost its answer when the upstream broke off",
    "client_gone": "was left by its client before the end",
    "refused_answer": "got an answer that was withheld",
    "held": "got an answer that was held for a person",
    "stopped": "was stopped by a person while it ran",
    "cancelled": "was cancelled",
    "interrupted": "was interrupted: the process ended before the outcome was on record",
    "refused": "was refused",
    "running": "has no recorded end yet",
}
ENDED = {
    "answered": "answered",
    "failed": "no answer",
    "unreadable": "withheld: not readable",
    "upstream_cut": "broke off",
    "client_gone": "client left",
    "refused_answer": "withheld",
    "held": "held for a person",
    "stopped": "stopped",
    "cancelled": "cancelled",
    "interrupted": "interrupted",
    "refused": "refused",
    "running": "no end yet",
}
"""How a call ended, for a narrow column."""
VERDICTS = {
    "redact": "replaced something in it",
    "flag": "raised a flag",
    "deny": "held it back",
    "hold": "held it for a person",
}
EFFECTS = {
    "read": ", which reads", "write": ", which writes", "money_out": ", which moves money out",
    "message_out": ", which sends a message out", "code": ", which runs code",
}  # fmt: skip
RULES = {
    "granted-tools": "it offered a tool that its workflow may not use",
    "pinned-definitions": "it described a tool in another way than the workflow takes",
    "allowed-routes": "its workflow may not use this route",
    "policy": "a policy does not allow it",
    "whole-input": "a part of its input was held by the provider",
}
TASK_SOURCES = {
    "header": "the caller named the task",
    "metadata": "the caller named the task",
    "trace": "the task is the trace that the caller sent",
    "call": "the caller named no task, so the call is its own",
}
REASON_CODES = {
    "R01": "factually wrong", "R02": "not supported by source", "R03": "policy breach", "R04": "personal data",
    "R05": "unfair or discriminatory", "R06": "out of scope", "R07": "amount above limit", "R08": "customer request",
    "R09": "duplicate", "R10": "system degraded", "R11": "safety", "R99": "other",
}  # fmt: skip
ACTIONS = {
    "approve": "approved", "modify": "changed", "disregard": "set aside", "reverse": "reversed",
    "interrupt": "interrupted",
}  # fmt: skip
ASSURANCE = {
    "token": "signed in with a personal token",
    "claimed": "named by whoever ran the command; identity not checked",
    "first": "as the first person of this installation",
}
COST_STATES = {
    "provider_reported": "tokens as the provider reported them, the amount computed from the price row",
    "provider_stated": "the amount that the provider stated, which is more than its price row gives",
    "upper_bound": "an upper bound, because nobody reported what was billed",
    "none": "nothing was bought",
}
MISSING = {
    "not_kept": "not kept: the content mode was `none`",
    "erased": "kept once, and no longer readable: its key was destroyed",
    "withheld": "withheld from this pack; its salted commitment is in the entry",
    "unreadable": "kept, but it does not match its commitment",
    "lost": "committed to, but no longer in the database",
}
_BLANKS = re.compile(r"[ \t\r\n]+")


def check_said(check: Mapping[str, Any]) -> str:
    """Return what a check came to that did not simply pass, and by which part of which tool's rule."""
    inputs = check["inputs"]
    broken = f" ({inputs['tool']}: {inputs['broken']})" if inputs.get("broken") else ""
    return f"The check {check['id']} {VERDICTS[check['verdict']]}: {check['reason']}{broken}."


def placeholders(facts: Mapping[str, Any]) -> str:
    """Say what was replaced in what is kept of a request."""
    found = facts.get("found", {})
    kinds = ", ".join(f"{kind.replace('_', ' ')} ({count})" for kind, count in sorted(found.items()))
    return f"placeholders in the request for: {kinds}" if kinds else "no placeholder in the request: nothing was found"


def asks_said(because: str) -> str:
    """Say why a call of a tool waits for a person."""
    if because == "always":
        return "every call of this tool waits for a person"
    if because.startswith("policy: "):
        return f"the policy {because.removeprefix('policy: ')} holds such requests"
    name = because.removeprefix("said_by_person: ")
    return f"no person has said what its argument `{name}` names: it stands in other texts alone, or nowhere"


def when(entry: Entry, evidence: Evidence) -> str:
    """Write the time of an entry in the time zone of the view."""
    return clock(entry.at, evidence.zone)


def pointer(entry: Entry, path: str = "") -> str:
    """Name a fact: the entry's number, and the member."""
    return f"entry:{entry.seq}" + (f"#{path}" if path else "")


def person(entry: Entry, evidence: Evidence) -> str:
    """Name the person who acted, and how sure that is."""
    if not entry.act:
        return "nobody (the system itself)"
    sure = ASSURANCE.get(str(entry.facts.get("assurance")), "assurance not recorded")
    return f"{name_of(entry.act, evidence)} ({sure})"


def name_of(whom: str, evidence: Evidence) -> str:
    """Name an enrolled person by their pseudonym, or say why the name cannot be shown."""
    one = evidence.first("person", whom)  # nobody acts before they are enrolled
    if one is None or one.kind != "person.enrolled" or one.facts.get("person_ref") != whom:
        return whom
    content = evidence.content(one, "name")
    if content.missing is None:
        return str(content.value)
    gone = "was erased" if content.missing == "erased" else f"is {MISSING[content.missing]}"
    return f"a person whose name {gone} ({whom})"


def refused_for(facts: Any) -> str:
    """Say why a call was refused."""
    code = str(facts["reason_ref"])
    rule = RULES.get(str(facts.get("inputs", {}).get("rule"))) if code == "policy_denied" else None
    return rule or REASONS.get(code, code.replace("_", " "))


def each_of(results: Sequence[str]) -> str:
    """Say how several calls ended: `all 3 were answered`, `three were answered, two were refused`."""
    counts = Counter(results)
    if len(results) == 1:
        return RESULTS.get(results[0], results[0].replace("_", " "))
    if len(counts) == 1:
        lead = "both" if len(results) == 2 else f"all {len(results)}"
        return f"{lead} {_of_several(results[0])}"
    many = max(counts.values(), default=0) > 10
    said = [f"{count if many else in_words(count)} {ended_each(one, count)}" for one, count in counts.items()]
    return ", ".join(said)


def ended_each(result: str, number: int) -> str:
    """Say how so many calls ended, without the number: `was answered`, `were answered`."""
    return _of_several(result) if number > 1 else RESULTS.get(result, result.replace("_", " "))


def _of_several(result: str) -> str:
    said = RESULTS.get(result, result.replace("_", " "))
    return said.replace("was ", "were ", 1) if said.startswith("was ") else said.replace("has ", "have ", 1)


def price_said(price: Any) -> str:
    """Say a price row in USD per million tokens."""
    kinds = (("input_pico_usd", "input"), ("output_pico_usd", "output"))
    amounts = " / ".join(f"{per_million(price[name])}" for name, _ in kinds)
    return f"USD {amounts} per million input / output tokens"


def per_million(pico: int) -> str:
    """Write pico-USD apiece as USD per million, nothing rounded."""
    whole, _, fraction = f"{Decimal(pico).scaleb(-6):f}".partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"


def people_decided(number: int) -> str:
    """Say how many decisions of people there are."""
    verb = "decision by a person is" if number == 1 else "decisions by people are"
    said = f"{in_words(number)} {verb} on record"
    return said[:1].upper() + said[1:]


def in_numbers(number: int, noun: str) -> str:
    return f"{in_words(number)} {noun}{'s' * (number != 1)}"


def went(outcome: str) -> str:
    """Say how an attempt went that gave no answer."""
    return _WENT.get(outcome, outcome.replace("http_", "HTTP ").replace("_", " "))


_WENT = {
    "error": "an error in place of an answer", "empty": "an empty answer", "unreached": "no connection",
    "no_credential": "no key for the provider", "timeout": "no answer in time", "cut": "an answer that broke off",
    "cancelled": "a cancellation",
}  # fmt: skip


def score_said(entry: Entry, evidence: Evidence) -> str:
    """Say how an answer was scored, for what and by whom."""
    facts, who = entry.facts, person(entry, evidence) if entry.act else "evaluator"
    because = f": {quoted(entry, 'reason', evidence)}" if "reason" in entry.c else ""
    return f"the answer was scored {facts['verdict']} ({facts['component']}, {facts['evaluator']}) by {who}{because}"


def outcome_said(entry: Entry, evidence: Evidence) -> str:
    """Say what became of a task, by whose word."""
    facts = entry.facts
    who = person(entry, evidence) if entry.act else f"source {facts['source']}"
    corrects = f", in place of {facts['corrects_ref']}" if "corrects_ref" in facts else ""
    return f"{who} recorded the outcome {facts['type']}: {facts['status']} (occurred {facts['occurred_at']}){corrects}"


def quoted(entry: Entry, name: str, evidence: Evidence) -> str:
    """Quote a kept text, or say why it cannot be shown."""
    if name not in entry.c:
        return "not given" if entry.act else MISSING["not_kept"]
    content = evidence.content(entry, name)
    return MISSING[content.missing] if content.missing else f"\u201c{shorten(content.value)}\u201d"


def asked_for(entry: Entry, evidence: Evidence) -> str:
    """Say what a call asked for; empty where nothing of it is on record."""
    if route := entry.facts.get("route_ref") or entry.facts.get("route"):
        return str(route)
    return quoted(entry, "requested", evidence) if "requested" in entry.c else ""


def stopped(entry: Entry, story: Story, evidence: Evidence) -> str:
    """Say what a stop is of; a task by the name that a call of the story gives it."""
    noun, _, what = str(entry.facts["scope"]).partition(":")
    if noun == "all":
        return "everything"
    named = next((call.first for call in story.calls if noun == "task" and what == call.first.task), None)
    if named and "task" in named.c:
        return f"task {quoted(named, 'task', evidence)}"
    return f"workflow {what}" if noun == "workflow" else f"the {noun}"


def verb_of(entry: Entry) -> str:
    """Say in one word or two what a person did."""
    if entry.kind == "override.recorded":
        return ACTIONS[entry.facts["action"]]
    if entry.kind == "approval.decided":
        return "approved" if entry.facts["decision"] == "approve" else "rejected"
    return _VERBS[entry.kind]


_VERBS = {
    "cost.corrected": "corrected the cost",
    "stop.engaged": "stopped it",
    "stop.released": "lifted the stop",
    "config.activated": "activated the rules",
    "prompt.registered": "registered a version of the prompt",
    "prompt.promoted": "promoted a version of the prompt",
    "workflow.released": "released the workflow",
    "workflow.classified": "confirmed its risk class",
}


def classed(facts: Any) -> str:
    """Say a confirmed class in words, with what else one may read."""
    law = law_on(facts["asked_for"], draft=facts["draft_guidance"])
    others = sorted({law.said(one["tier"]) for one in facts["readings"]} - {law.said(facts["tier"])})
    debated = f" (debatable: another reading says {' or '.join(others)})" if others else ""
    return law.said(facts["tier"]) + debated


def coded(entry: Entry) -> str:
    """Write the reason code of an override with its words; an approval has none."""
    code = entry.facts.get("reason_code_ref")
    return f"{code} {REASON_CODES.get(code, 'unknown code')}, " if code else ""


def shorten(value: Any, most: int = 600) -> str:
    text = _BLANKS.sub(" ", str(value)).strip(" ")  # no other white space: what is not seen must not be lost
    return text if len(text) <= most else text[:most] + " \u2026"
