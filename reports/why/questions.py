"""The fourteen questions that one answer must settle. Missing knowledge is an answer: `not recorded`, with why."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from ledger.amounts import counted
from ledger.entry import Entry, format_time
from reports.ports import Evidence, Integrity
from reports.why.each_call import came_out, corrected, costs, decided, in_force, numbered, went_in, which_model
from reports.why.story import Story
from reports.why.subject import SUBJECT, about_subject, heading
from reports.why.words import (
    REASONS,
    TASK_SOURCES,
    coded,
    each_of,
    outcome_said,
    people_decided,
    person,
    pointer,
    quoted,
    score_said,
    stopped,
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
    facts = [pointer(call.first) for call in story.calls]
    if story.kind == SUBJECT:
        return [heading(story, evidence), *about_subject(story, evidence).systems], facts
    results = [call.result for call in story.every]
    ended = each_of(results) if len(results) > 1 else f"it {each_of(results)}"
    return [f"{_named_whole(story, evidence)}: {counted(len(results), 'call')}; {ended}."], facts


def _named_whole(story: Story, evidence: Evidence) -> str:
    """Name what the reference leads to: a task of a workflow, or several of them."""
    first = story.calls[0].first
    tasks = {call.first.task for call in story.every if isinstance(call.first, Entry)}
    workflows = {call.first.workflow for call in story.every}
    if story.kind == "subject" or len(tasks) > 1 or len(workflows) > 1:
        spread = f"{counted(len(tasks), 'task')} of {counted(len(workflows), 'workflow')}"
        lead = "Subject" if story.kind == "subject" else "Everything of"
        return f"{lead} \u201c{story.ref}\u201d, {spread}"
    own = first.facts.get("task_source") == "call"  # a call that names no task is its own
    task = first.call if own else quoted(first, "task", evidence) if "task" in first.c else first.task or "none"
    return f"Task {task} of workflow {first.workflow or 'none'}"


def _who(story: Story, evidence: Evidence, _check: Integrity) -> tuple[list[str], list[str]]:
    lines, facts = [], []
    for call in story.calls:
        entry = call.first
        about = f"about {entry.sub} (claimed by the caller)" if entry.sub else "about nobody that the caller named"
        how = TASK_SOURCES.get(str(entry.facts.get("task_source", "none")), "the task was named by a foreign header")
        lines.append(f"Key {entry.facts.get('key', 'unknown')} (authenticated), {about}; {how}.")
        facts += [pointer(entry, "facts.key"), pointer(entry, "sub"), pointer(entry, "facts.task_source")]
    lines = numbered(story, lines)
    for issued in story.key_issues:
        verb = "issued" if issued.kind == "key.issued" else "revoked"
        lines.append(f"The key was {verb} at {when(issued, evidence)} by {person(issued, evidence)}.")
        facts.append(pointer(issued, "act"))
    return lines, facts


def _quality(story: Story, evidence: Evidence, _check: Integrity) -> tuple[list[str], list[str]]:
    scores = [entry for call in story.calls for entry in call.scores]
    if not scores:
        return [f"{NOT_RECORDED}: no evaluator has scored it, which says nothing of how good it is."], []
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
        elif entry.kind == "approval.decided":
            said = quoted(entry, "reason", evidence)
            lines.append(f"{when(entry, evidence)}: {person(entry, evidence)} {verb_of(entry)} the held call, {said}.")
        elif entry.kind == "cost.corrected":
            lines.append(f"{when(entry, evidence)}: {person(entry, evidence)} {corrected(entry, evidence)}.")
        else:
            said = quoted(entry, "reason", evidence)
            lines.append(
                f"{when(entry, evidence)}: {person(entry, evidence)} {_of_stop(entry, story, evidence)}, {said}."
            )
    return lines, [pointer(entry, "act") for entry in acts]


def _of_stop(entry: Entry, story: Story, evidence: Evidence) -> str:
    lead = "stopped" if entry.kind == "stop.engaged" else "lifted the stop of"
    return f"{lead} {stopped(entry, story, evidence)}"


def _next(story: Story, evidence: Evidence, _check: Integrity) -> tuple[list[str], list[str]]:
    known = f" {people_decided(len(story.acts))}, see question 10." if story.acts else ""
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
        what = counted(count, "refusal" if kind == "reason" else "call")
        how = f"because {REASONS.get(value, value.replace('_', ' '))}" if kind == "reason" else f"to {value}"
        lines.append(f"{what} {how} in the 30 days before, this one included; all workflows and environments.")
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
    if any(call.first.facts.get("content") == "redacted" for call in story.calls):
        lines.append("What stood where the kept texts have placeholders, and whether something was not found.")
    if elsewhere := len(story.every) - len(story.calls):
        where = "taken from the list of the task, beside the log" if story.kind == "task" else "in the total"
        lines.append(
            f"What {counted(elsewhere, 'further call')} did: other pages tell and prove it. "
            f"Results and costs are {where}."
        )
    if not any(call.overrides for call in story.every):
        lines.append("Whether a person looked at it without recording anything.")
    if not story.classifications:
        lines.append("The risk class of the workflow as it was here: no person has confirmed one on record.")
    return lines


QUESTIONS: tuple[tuple[str, Callable[[Story, Evidence, Integrity], tuple[list[str], list[str]]]], ...] = (
    ("What is this?", _what),
    ("Who asked, on whose behalf, about whom?", _who),
    ("What went in?", went_in),
    ("What rules, models, prices and settings were in force?", in_force),
    ("What did the gateway decide, and which rule determined it?", decided),
    ("Which model answered, and was it the first choice?", which_model),
    ("What came out, and what did it do?", came_out),
    ("What did it cost?", costs),
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
            "shown": when(entry, evidence),
            "kind": entry.kind,
            "person": person(entry, evidence),
            "action": verb_of(entry),
            "reason": coded(entry) + quoted(entry, "reason", evidence),
            "fact": pointer(entry),
        }
        for entry in entries
    ]
