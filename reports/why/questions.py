"""The fourteen questions that one answer must settle. Missing knowledge is an answer: `not recorded`, with why."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ledger.amounts import eur
from ledger.entry import Entry, format_time
from reports.ports import Evidence, Integrity
from reports.why.story import Story
from reports.why.subject import SUBJECT, about_subject, heading
from reports.why.transcript import asked, said
from reports.why.words import (
    COST_STATES,
    MISSING,
    REASONS,
    RESULTS,
    coded,
    outcome_said,
    person,
    pointer,
    quoted,
    score_said,
    shorten,
    verb_of,
    when,
)

NOT_RECORDED = "not recorded"


@dataclass(frozen=True, slots=True)
class Answered:
    """A question, its answer, whether the log has it, and the facts it rests on."""

    number: int
    question: str
    answer: str
    recorded: bool
    facts: tuple[str, ...]


def _what(story: Story, evidence: Evidence, _check: Integrity) -> tuple[list[str], list[str]]:
    if story.kind == SUBJECT:
        lines = [heading(story, evidence), *about_subject(story, evidence).systems]
        return lines, [pointer(call.first) for call in story.calls]
    each = ", ".join(RESULTS.get(call.result, call.result) for call in story.calls)
    results = each if len(story.every) == len(story.calls) else story.results
    first = story.calls[0].first
    own = first.facts.get("task_source") == "call"  # a call that names no task is its own
    task = first.call if own else quoted(first, "task", evidence) if "task" in first.c else first.task or "none"
    lines = [f"Task {task} of workflow {first.workflow or 'none'}: {len(story.every)} call(s); {results}."]
    return lines, [pointer(call.first) for call in story.calls]


def _who(story: Story, evidence: Evidence, _check: Integrity) -> tuple[list[str], list[str]]:
    lines, facts = [], []
    for call in story.calls:
        entry = call.first
        about = f"about {entry.sub} (claimed by the caller)" if entry.sub else "about nobody that the caller named"
        source = entry.facts.get("task_source", "none")
        lines.append(f"Key {entry.facts.get('key', 'unknown')} (authenticated), {about}; task found by {source}.")
        facts += [pointer(entry, "facts.key"), pointer(entry, "sub"), pointer(entry, "facts.task_source")]
    for issued in story.key_issues:
        verb = "issued" if issued.kind == "key.issued" else "revoked"
        lines.append(f"The key was {verb} at {when(issued, evidence)} by {person(issued, evidence)}.")
        facts.append(pointer(issued, "act"))
    return list(dict.fromkeys(lines)), facts


def _input(story: Story, evidence: Evidence, _check: Integrity) -> tuple[list[str], list[str]]:
    lines, facts = [], []
    for call in story.calls:
        entry = call.first
        facts.append(pointer(entry, "c.prompt"))
        if "prompt" not in entry.c:
            lines.append(f"The request is {MISSING['not_kept']}.")
            continue
        content = evidence.content(entry, "prompt")
        lines.append(
            f"The request is {MISSING[content.missing]}."
            if content.missing
            else f"Request: {shorten(asked(content.value))}"
        )
        if "instructions" in entry.c:
            lines.append(f"With the text of its prompt: {quoted(entry, 'instructions', evidence)}.")
            facts.append(pointer(entry, "c.instructions"))
    return lines, facts


def _in_force(story: Story, _evidence: Evidence, _check: Integrity) -> tuple[list[str], list[str]]:
    lines, facts = [], []
    for call in story.calls:
        refs = call.first.refs
        named = ", ".join(f"{name} {digest[:12]}" for name, digest in sorted(refs.items()))
        lines.append(f"By digest: {named}.")
        facts.append(pointer(call.first, "refs"))
        if call.opened:
            price = call.opened.facts["prices"][0]
            fx = call.opened.facts["fx"]
            lines.append(
                f"Price row of {price['model']}: {price['input_pico_usd']} / {price['output_pico_usd']} pico-USD per "
                f"input / output token ({price['source']}); EUR = USD x {fx['eur_num']}/{fx['usd_den']} "
                f"({fx['source']}, {fx['date']})."
            )
            facts += [pointer(call.opened, "facts.prices"), pointer(call.opened, "facts.fx")]
    return list(dict.fromkeys(lines)), facts


def _decision(story: Story, _evidence: Evidence, _check: Integrity) -> tuple[list[str], list[str]]:
    lines, facts = [], []
    for call in story.calls:
        if call.ended and call.ended.kind == "call.refused":
            code = call.ended.facts["reason_ref"]
            lines.append(f"Refused: {code} ({REASONS.get(code, 'see its inputs')}), stage {call.ended.facts['stage']}.")
            facts.append(pointer(call.ended, "facts.reason_ref"))
        elif call.opened:
            stated = call.opened.facts
            room = "; ".join(
                f"{one['row'].removeprefix('budget:')}: {eur(one['cap'] - one['spent'] - one['reserved'])} free of "
                f"{eur(one['cap'])}"
                for one in stated["budgets"]
            )
            lines.append(
                f"Allowed: {', '.join(stated['passed'])} passed, {len(stated['checks'])} flagged. "
                f"Caps before the call: {room}. Nothing else was evaluated."
            )
            facts += [pointer(call.opened, "facts.passed"), pointer(call.opened, "facts.budgets")]
    return lines, facts


def _model(story: Story, _evidence: Evidence, _check: Integrity) -> tuple[list[str], list[str]]:
    lines, facts = [], []
    for call in story.calls:
        if not call.ended or call.ended.kind != "call.closed":
            lines.append("No model answered." if call.ended else "No answer is on record yet.")
            facts.append(pointer(call.first))
            continue
        stated = call.ended.facts
        tries = "; ".join(f"{one['model']} at {one['provider']}: {one['outcome']}" for one in stated["attempts"])
        cache = f"cache {stated['cache']}"
        lines.append(f"{tries or 'No provider was asked'} ({cache})." + _named(stated))
        facts += [pointer(call.ended, "facts.attempts"), pointer(call.ended, "facts.cache")]
    return lines, facts


def _named(stated: Any) -> str:
    """Say what the answer says of itself: its model, tier, and the id that the provider's support asks for."""
    served = stated.get("served") or {}
    said = {
        "model": served.get("reported_model"), "service tier": served.get("service_tier"),
        "request id": stated.get("request_ref"),
    }  # fmt: skip
    named = ", ".join(f"{name} {value}" for name, value in said.items() if value)
    return f" By its own account: {named}." if named else ""


def _output(story: Story, evidence: Evidence, _check: Integrity) -> tuple[list[str], list[str]]:
    lines, facts = [], []
    for call in story.calls:
        entry = call.ended
        if entry is None or entry.kind != "call.closed":
            lines.append("Nothing came out.")
            facts.append(pointer(call.first))
            continue
        kept = evidence.content(entry, "answer") if "answer" in entry.c else None
        text = f"The answer is {MISSING[kept.missing if kept and kept.missing else 'not_kept']}."
        if kept and kept.missing is None:
            text = f"Finish: {entry.facts['finish'] or 'none'}. Answer: {shorten(said(kept.value))}"
        elif entry.facts["result"] == "failed":
            text = "Nothing came out."
        lines.append(text)
        for tool in entry.facts["tool_calls"]:
            arguments = evidence.content(entry, tool["c"]) if tool.get("c") else None
            shown = shorten(arguments.value) if arguments and not arguments.missing else "not kept"
            lines.append(f"Tool call {tool['name'] or 'of a tool that is not granted'}: {shown}")
        facts += [pointer(entry, "c.answer"), pointer(entry, "facts.tool_calls")]
    return lines, facts


def _cost(story: Story, evidence: Evidence, _check: Integrity) -> tuple[list[str], list[str]]:
    lines, facts = [], []
    for call in story.calls:
        if call.ended is None:
            lines.append("Not settled yet; the worst case stays reserved.")
            facts.append(pointer(call.first))
            continue
        stated = call.ended.facts
        charged = eur(int(stated.get("cost_nano_eur", 0)))
        lines.append(f"{charged}, {COST_STATES[stated.get('cost_state', 'none')]}." + _sum(stated))
        facts.append(pointer(call.ended, "facts.cost_nano_eur"))
        for entry in call.corrections:
            lines.append(f"{person(entry, evidence)} {_correction(entry, evidence)}.")
            facts.append(pointer(entry, "facts.after_nano_eur"))
    lines.append(f"Together {eur(story.cost)}. The provider's invoice may differ.")
    return lines, facts


def _sum(stated: Any) -> str:
    usage, price, fx = stated.get("usage"), stated.get("price"), stated.get("fx")
    if not usage or not price or not fx:
        return ""
    apart = "reasoning_pico_usd" in price  # else they cost what the output costs
    counts = {"requests": "request", "web_searches": "web_search"} | {
        name: name.removesuffix("_tokens") for name in usage if name.endswith("_tokens")
    }
    parts = []
    for name, kind in counts.items():
        count = usage.get(name, 0)
        count -= usage["reasoning_tokens"] if apart and kind == "output" else 0
        if f"{kind}_pico_usd" in price and (count or kind in ("input", "output")):
            parts.append(f"{count} x {price[f'{kind}_pico_usd']}")
    text = f" ({' + '.join(parts)}) pico-USD x {fx['eur_num']}/{fx['usd_den']}, rounded up to nano-EUR."
    if "stated_nano_eur" in stated:
        text += f" The provider stated {eur(stated['stated_nano_eur'])}; the larger one counts."
    return text


def _quality(story: Story, evidence: Evidence, _check: Integrity) -> tuple[list[str], list[str]]:
    scores = [entry for call in story.calls for entry in call.scores]
    if not scores:
        return [f"{NOT_RECORDED}: no evaluator has scored it. Not sampled does not mean good."], []
    lines = [f"{when(entry, evidence)}: {score_said(entry, evidence)}." for entry in scores]
    lines.append("An evaluator may be wrong; how far people agree with it, the scorecard says.")
    return lines, [pointer(entry, "facts.verdict") for entry in scores]


def _human(story: Story, evidence: Evidence, _check: Integrity) -> tuple[list[str], list[str]]:
    acts = [*story.acts, *story.stops]
    if not acts:
        return ["No person decided anything about this."], []
    lines = []
    for entry in acts:
        if entry.kind == "override.recorded":
            lines.append(
                f"{when(entry, evidence)}: {person(entry, evidence)} {verb_of(entry)} it, "
                f"{coded(entry)}{quoted(entry, 'reason', evidence)}; "
                f"shown to them: {quoted(entry, 'presented', evidence)}; before: {quoted(entry, 'before', evidence)}; "
                f"after: {quoted(entry, 'after', evidence)}."
            )
        elif entry.kind == "cost.corrected":
            lines.append(f"{when(entry, evidence)}: {person(entry, evidence)} {_correction(entry, evidence)}.")
        else:
            said = quoted(entry, "reason", evidence)
            lines.append(f"{when(entry, evidence)}: {person(entry, evidence)} {verb_of(entry)}, {said}.")
    return lines, [pointer(entry, "act") for entry in acts]


def _correction(entry: Entry, evidence: Evidence) -> str:
    before, after = eur(entry.facts["before_nano_eur"]), eur(entry.facts["after_nano_eur"])
    return f"corrected the cost from {before}, an upper bound, to {after}, {quoted(entry, 'reason', evidence)}"


def _next(story: Story, evidence: Evidence, _check: Integrity) -> tuple[list[str], list[str]]:
    known = f" After the calls, {len(story.acts)} human act(s) are on record, see question 10." if story.acts else ""
    if not story.outcomes:
        return [f"{NOT_RECORDED}: no outcome of the task has been sent.{known}"], []
    lines = [f"{when(entry, evidence)}: {outcome_said(entry, evidence)}." for entry in story.outcomes]
    return [*lines, *([known.strip()] if known else [])], [pointer(one, "facts.status") for one in story.outcomes]


def _trust(_story: Story, _evidence: Evidence, check: Integrity) -> tuple[list[str], list[str]]:
    lines = [
        f"{check.checked} entries were recomputed just now: {check.proved} are proved to be in the log {check.origin} "
        f"under its checkpoint of {check.checkpoint_size or 0} entries, {check.pending} wait for the next checkpoint, "
        f"{len(check.failures)} failed.",
        "Checked by this installation with its own key; whoever does not trust it verifies a pack offline. "
        "No outside party has marked the time.",
    ]
    return [*lines, *check.failures], []


def _unknown(story: Story, evidence: Evidence, _check: Integrity) -> tuple[list[str], list[str]]:
    return unknowns(story, evidence), []


def _before(story: Story, evidence: Evidence, _check: Integrity) -> tuple[list[str], list[str]]:
    lines, facts = [], []
    last: dict[tuple[str, str], Entry] = {}
    for call in story.calls:
        kind = "reason" if call.first.kind == "call.refused" else "route"
        if value := call.first.facts.get(f"{kind}_ref"):
            last[kind, value] = call.first
    for (kind, value), entry in last.items():
        since = format_time(entry.instant - timedelta(days=30))
        count = evidence.count(kind, value, since=since, last=entry.seq)
        what = "refusals for" if kind == "reason" else "calls opened on"
        which = "this one" if len(story.every) == 1 else str(entry.call)
        lines.append(f"{count} {what} {value} in the 30 days up to {which}, itself included.")
        facts.append(pointer(entry, f"facts.{kind}_ref"))
    return lines or ["Nothing to compare with."], facts


def unknowns(story: Story, evidence: Evidence) -> list[str]:
    """Return what this answer cannot say: never empty."""
    lines = [
        "Why a model wrote what it wrote: this explains why the system was allowed to act and what it did, not the "
        "model's reasoning.",
        "Whether the caller's ids (task, subject) are true: they are claimed by the caller.",
        "What happened outside the gateway.",
    ]
    if any("prompt" not in call.first.c for call in story.calls):
        lines.append("The text of requests that were not kept.")
    if elsewhere := len(story.every) - len(story.calls):
        where = "taken from the list of the task, beside the log" if story.kind == "task" else "in the total"
        lines.append(
            f"What {elsewhere} further call(s) did: other pages tell and prove it. Their results and costs are {where}."
        )
    if not any(call.overrides for call in story.every):
        lines.append("Whether a person looked at it without recording anything.")
    if not story.classifications:
        lines.append("The risk class of the workflow as it was here: no person has confirmed one on record.")
    return lines


QUESTIONS: tuple[tuple[str, Callable[[Story, Evidence, Integrity], tuple[list[str], list[str]]]], ...] = (
    ("What is this?", _what),
    ("Who asked, on whose behalf, about whom?", _who),
    ("What went in?", _input),
    ("What rules, models, prices and settings were in force?", _in_force),
    ("What did the gateway decide, and which rule determined it?", _decision),
    ("Which model answered, and was it the first choice?", _model),
    ("What came out, and what did it do?", _output),
    ("What did it cost?", _cost),
    ("Was it checked, and how good is that check?", _quality),
    ("What did a person do?", _human),
    ("What happened next?", _next),
    ("Can I trust this answer?", _trust),
    ("What do we not know?", _unknown),
    ("Has this happened before?", _before),
)


def answers(story: Story, evidence: Evidence, check: Integrity) -> tuple[Answered, ...]:
    """Answer all fourteen questions about a story."""
    answered = []
    for number, (question, settle) in enumerate(QUESTIONS, start=1):
        lines, facts = settle(story, evidence, check)
        text = "\n".join(lines)
        recorded = not text.startswith(NOT_RECORDED)
        answered.append(Answered(number, question, text, recorded, tuple(dict.fromkeys(facts))))
    return tuple(answered)


def decided_by(entries: tuple[Entry, ...], evidence: Evidence) -> list[dict[str, str]]:
    """List who decided, when and why, for the three levels of approval."""
    return [
        {
            "at": entry.at,
            "kind": entry.kind,
            "person": person(entry, evidence),
            "action": verb_of(entry),
            "reason": coded(entry) + quoted(entry, "reason", evidence),
            "fact": pointer(entry),
        }
        for entry in entries
    ]
