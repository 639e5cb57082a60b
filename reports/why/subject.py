"""What there is about one person: which systems, what was decided, who reviewed it. Counts over all their calls."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ledger.amounts import counted
from ledger.entry import Entry
from ledger.links import Brief
from reports.ports import Evidence
from reports.times import day_in
from reports.why.story import CallStory, Story
from reports.why.words import ENDED, ended_each, refused_for, score_said, when

SUBJECT = "subject"
_PLAIN = ("answered", "refused")
_AnyCall = CallStory[Entry | Brief]


@dataclass(frozen=True, slots=True)
class AboutSubject:
    """Lines for the answer about a subject. Only `reviewed` names people of the organisation."""

    systems: tuple[str, ...]
    decided: tuple[str, ...]
    reviewed: tuple[str, ...]
    """What people who reviewed answers said; their other decisions are the answer's `decisions`."""


def heading(story: Story, evidence: Evidence) -> str:
    """Say how much there is about a subject, and of which time."""
    tasks = {_task(call) or call.id for call in story.every}
    workflows = {call.first.workflow for call in story.every}
    return (
        f"Subject {story.ref}: {counted(len(story.every), 'call')} in {counted(len(tasks), 'task')} of "
        f"{counted(len(workflows), 'workflow')}, {_time(story.every, evidence)}."
    )


def about_subject(story: Story, evidence: Evidence) -> AboutSubject:
    """Return the short form of the answer about a subject."""
    return AboutSubject(
        systems=tuple(_systems(story, evidence)),
        decided=tuple(_decided(story, evidence)),
        reviewed=tuple(
            f"{when(entry, evidence)}: {score_said(entry, evidence)}"
            for call in story.every
            for entry in call.scores
            if entry.kind == "review.recorded"
        ),
    )


def _systems(story: Story, evidence: Evidence) -> Iterable[str]:
    by_workflow: dict[str, list[_AnyCall]] = {}
    for call in story.every:
        by_workflow.setdefault(call.first.workflow or "none", []).append(call)
    for workflow, calls in by_workflow.items():
        ended = Counter(ENDED.get(one.result, one.result.replace("_", " ")) for one in calls)
        results = ", ".join(f"{number} {how}" for how, number in ended.items())
        served = [(one.ended.facts.get("served") or {}) if one.ended else {} for one in calls]
        models = list(dict.fromkeys(f"{one['model']} at {one['provider']}" for one in served if one))
        by = f"; answered by {', '.join(models)}" if models else ""
        yield f"Workflow {workflow}: {counted(len(calls), 'call')} ({results}), {_time(calls, evidence)}{by}."


def _decided(story: Story, evidence: Evidence) -> Iterable[str]:
    refused = Counter(
        refused_for(call.ended.facts) for call in story.every if call.ended and call.ended.kind == "call.refused"
    )
    for because, number in refused.items():
        yield f"{counted(number, 'call')} refused before anything was sent: {because}."
    for result, number in Counter(call.result for call in story.every if call.result not in _PLAIN).items():
        yield f"{counted(number, 'call')} {ended_each(result, number)}."
    asked = Counter(
        str(one["name"])
        for call in story.every
        for one in (call.ended.facts.get("tool_calls", ()) if call.ended else ())
        if one.get("granted") and "name" in one
    )
    for tool, number in asked.items():
        yield f"The model asked for the tool {tool} {counted(number, 'time')}."
    tasks = dict.fromkeys(task for call in story.every if (task := _task(call)))
    latest: dict[tuple[str, str], Entry] = {}
    for task, entries in evidence.find_each("outcome", tasks).items():
        latest |= {(task, str(entry.facts["type"])): entry for entry in entries}  # of a type the last one counts
    outcomes = Counter((name, str(entry.facts["status"])) for (_, name), entry in latest.items())
    for (name, status), number in outcomes.items():
        yield f"Outcome {name}: {status} in {counted(number, 'task')}."


def _task(call: _AnyCall) -> str | None:
    return call.first.task if isinstance(call.first, Entry) else None


def _time(calls: Sequence[_AnyCall], evidence: Evidence) -> str:
    """Say on which days the calls were; of a subject every call is read in full."""
    days = sorted(day_in(call.first.at, evidence.zone) for call in calls if isinstance(call.first, Entry))
    return f"on {days[0]}" if days[0] == days[-1] else f"from {days[0]} to {days[-1]}"
