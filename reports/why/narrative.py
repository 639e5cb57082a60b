"""The narrative: fixed sentences over facts, each naming the facts it rests on. Same facts, same bytes."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ledger.amounts import counted, eur_short
from ledger.entry import Entry
from reports.ports import Evidence
from reports.why.sentences import Sentence, waited
from reports.why.serving import again, choice, looked_up, passed_over, tries, without_place
from reports.why.story import CallStory, Story
from reports.why.words import (
    COST_STATES,
    EFFECTS,
    RESULTS,
    VERDICTS,
    asked_for,
    check_said,
    classed,
    coded,
    outcome_said,
    person,
    placeholders,
    pointer,
    quoted,
    refused_for,
    score_said,
    stopped,
    verb_of,
    when,
)


def narrate(story: Story, evidence: Evidence) -> tuple[Sentence, ...]:
    """Return the whole narrative of a story, in the order things happened."""
    sentences: list[Sentence] = []
    numbers = {call.id: number for number, call in enumerate(story.every, start=1)}
    for call in story.calls:
        label = f"Call {numbers[call.id]} of {len(story.every)}" if len(story.every) > 1 else "The call"
        sentences += [replace(one, call=call.id) for one in _of_call(call, label, evidence)]
    sentences += [_stop(entry, story, evidence) for entry in story.stops]
    sentences += [_outcome(entry, evidence) for entry in story.outcomes]
    sentences += _approvals(story, evidence)
    return tuple(sentences)


def _of_call(call: CallStory[Entry], label: str, evidence: Evidence) -> Iterator[Sentence]:
    yield from _asked(call, label, evidence)
    yield from _prompted(call)
    yield from _decided(call)
    yield from _attempted(call)
    yield from _ended(call, evidence)
    yield from (waited(entry, evidence) for entry in call.approvals)
    yield from (_overridden(entry, evidence) for entry in call.overrides)
    yield from (_corrected(entry, evidence) for entry in call.corrections)
    yield from (_scored(entry, evidence) for entry in call.scores)


def _asked(call: CallStory[Entry], label: str, evidence: Evidence) -> Iterator[Sentence]:
    entry = call.first
    if entry.kind == "call.interrupted":
        return
    simulated = any(target.get("simulated") for target in entry.facts.get("targets", ()))
    yield Sentence(
        f"{label} was made at {when(entry, evidence)} by workflow {entry.workflow or 'none'} "
        f"in {entry.facts['environment']}"
        + (f" and asked for {name}" if (name := asked_for(entry, evidence)) else "")
        + (" (a simulated provider: no model ran)." if simulated else "."),
        (pointer(entry, "at"), pointer(entry, "workflow"), pointer(entry, "facts.environment")),
    )


def _prompted(call: CallStory[Entry]) -> Iterator[Sentence]:
    facts = call.first.facts
    if "prompt" in facts:
        name, _, version = facts["prompt"].rpartition("@")
        how = _PROMPTED.get(str(facts.get("prompt_by")), "")
        yield Sentence(f"It used version {version} of the prompt {name}{how}.", (pointer(call.first, "facts.prompt"),))
    elif "instructions" in facts:
        yield Sentence(
            f"Its system text is no registered prompt ({facts['instructions'][:12]} by keyed digest).",
            (pointer(call.first, "facts.instructions"),),
        )


_PROMPTED = {
    "promoted": ", the one that was promoted in its environment",
    "asked": ", which it asked for by number",
    "text": ", recognised by its text",
}


def _decided(call: CallStory[Entry]) -> Iterator[Sentence]:
    if call.opened:
        facts = call.opened.facts
        passed = ", ".join(facts["passed"]) or "none"
        yield Sentence(
            f"The checks {passed} passed, and {eur_short(facts['reserved_nano_eur'], most=True)} was reserved before "
            "anything was sent.",
            (pointer(call.opened, "facts.passed"), pointer(call.opened, "facts.reserved_nano_eur")),
        )
        if step := facts.get("step_down"):
            yield Sentence(
                f"Its route had used up {step['percent']} % of its cap for the day or more, so cheaper models were to "
                "serve it first.",
                (pointer(call.opened, "facts.step_down"), pointer(call.opened, "facts.targets")),
            )
        for said in passed_over(call.opened):
            yield Sentence(said, (pointer(call.opened, "facts.rejected"),))
        if facts.get("provider_stores"):
            yield Sentence("It let the provider store the answer.", (pointer(call.opened, "facts.provider_stores"),))
        if facts["content"] == "redacted":
            yield Sentence(f"What is kept of it has {placeholders(facts)}.", (pointer(call.opened, "facts.content"),))
        if facts.get("output_limit_set"):
            yield Sentence(
                f"It asked for no limit of its answer; the route's was set, {facts['output_bound_tokens']:,} tokens.",
                (pointer(call.opened, "facts.output_limit_set"), pointer(call.opened, "facts.output_bound_tokens")),
            )
        yield from _flags(call.opened)
    elif call.ended and call.ended.kind == "call.refused":
        facts = call.ended.facts
        yield Sentence(
            f"It was refused: {refused_for(facts)}. Nothing was sent to a provider." + _arithmetic(facts["inputs"]),
            (pointer(call.ended, "facts.reason_ref"), pointer(call.ended, "facts.inputs")),
        )


def _flags(entry: Entry) -> Iterator[Sentence]:
    for check in entry.facts["checks"]:
        if check["verdict"] in VERDICTS:
            yield Sentence(check_said(check), (pointer(entry, "facts.checks"),))


_OF_CALLS = {"calls", "limit", "cost_nano_eur"}


def _not_spent(inputs: dict[str, Any]) -> str:
    """Estimate what a loop would have gone on to cost: what is not known is not said."""
    cost, calls = inputs.get("cost_nano_eur"), inputs["calls"]
    if not cost or not calls:
        return ""
    each = cost // calls
    return (
        f" Not spent, as an estimate: {eur_short(each)} for each further call, the average of those before it; "
        f"{eur_short(100 * each)} for a hundred."
    )


def _arithmetic(inputs: dict[str, Any]) -> str:
    if {"cap", "spent", "reserved", "needed"} <= inputs.keys():
        return (
            f" Of the cap of {eur_short(inputs['cap'])}, {eur_short(inputs['spent'])} was spent and "
            f"{eur_short(inputs['reserved'], most=True)} reserved; the call could have cost "
            f"{eur_short(inputs['needed'], most=True)}."
        )
    if "calls" in inputs and not {"cap", "spent"} & inputs.keys():
        limit = f", and at most {inputs['limit']} may be made" if inputs.keys() <= _OF_CALLS else ""
        return f" It had made {counted(inputs['calls'], 'call')}{limit}.{_not_spent(inputs)}"
    if {"rounds", "limit"} <= inputs.keys():
        return f" There had been {counted(inputs['rounds'], 'round')} of tools, and at most {inputs['limit']} may be."
    if {"defined", "ungranted"} <= inputs.keys():
        names = f": {inputs['names']}" if inputs.get("names") else ""
        of = f"Not granted to its workflow: {inputs['ungranted']} of the {counted(inputs['defined'], 'tool')}"
        return f" {of} that it offered{names}."
    return ""


def _attempted(call: CallStory[Entry]) -> Iterator[Sentence]:
    if not call.ended or call.ended.kind != "call.closed":
        return
    facts = call.ended.facts
    for text in looked_up(facts, call.opened):
        yield Sentence(text, (pointer(call.ended, "facts.look_ups") if "look_ups" in facts else pointer(call.first),))
    if similar := facts.get("similar"):
        text = again(similar)
        text = f"No provider was asked for an answer: {text}" if similar["served"] else text[0].upper() + text[1:]
        yield Sentence(f"{text}.", (pointer(call.ended, "facts.similar"),))
    if facts.get("cached_from_ref") and facts.get("cache") != "similar":
        yield Sentence(
            f"The exact cache gave the answer that {facts['cached_from_ref']} had bought; no provider was asked.",
            (pointer(call.ended, "facts.cached_from_ref"),),
        )
    if "released_ref" in facts:
        text = f"It was given the answer of {facts['released_ref']}, which had waited for a person; nothing was bought."
        yield Sentence(text, (pointer(call.ended, "facts.released_ref"),))
    failed = [one for one in facts["attempts"] if one["outcome"] != "answered"]
    if failed:
        yield Sentence(f"{tries(failed)}.", (pointer(call.ended, "facts.attempts"),))
    for one in facts["attempts"]:
        if one["outcome"] == "answered":
            place = choice(call.opened, one)
            yield Sentence(
                f"{one['model']} ({one['provider']}){place}{',' * bool(place)} began to answer on attempt "
                f"{len(failed) + 1}.",
                (pointer(call.ended, "facts.attempts"),),
            )
    for text in without_place(facts["attempts"]):
        yield Sentence(text, (pointer(call.ended, "facts.attempts"),))
    for one in facts.get("beside", ()):
        text = f"{one['model']} took part at the provider: {one['usage']['output_tokens']:,} output tokens."
        yield Sentence(text, (pointer(call.ended, "facts.beside"),))
    said = (facts.get("served") or {}).get("reported_model")
    if said and said != facts["served"]["model"]:
        yield Sentence(f"The answer names {said} as its model.", (pointer(call.ended, "facts.served"),))


def _ended(call: CallStory[Entry], evidence: Evidence) -> Iterator[Sentence]:
    if not call.ended:
        yield Sentence("Its end is not on record yet.", (pointer(call.first),))
        return
    facts = call.ended.facts
    if call.ended.kind == "call.refused":
        return
    words = COST_STATES[facts["cost_state"]]
    usage = facts.get("usage")
    tokens = ""
    if usage:
        inputs = usage["input_tokens"] + usage["cached_tokens"] + usage["cache_write_tokens"]
        tokens = f" It used {inputs:,} input and {usage['output_tokens']:,} output tokens."
    yield Sentence(
        f"The call {RESULTS.get(call.result, call.result)} at {when(call.ended, evidence)}.{tokens} "
        f"It cost {_charged(facts)} ({words}).",
        (
            pointer(call.ended, "facts.result"),
            pointer(call.ended, "facts.usage"),
            pointer(call.ended, "facts.cost_nano_eur"),
        ),
    )
    yield from _limited(call)
    yield from _flags(call.ended) if "checks" in facts else ()
    for tool in facts.get("tool_calls", ()):
        does = EFFECTS.get(tool.get("effect"), "")
        said = (
            f"called the granted tool {tool['name']}{does}" if tool["granted"] else "called a tool that is not granted"
        )
        if tool.get("output_format"):
            said = f"has the form {tool['name']}, which the request had forced it into"
        yield Sentence(f"The answer {said}.", (pointer(call.ended, "facts.tool_calls"),))


def _charged(facts: Mapping[str, Any]) -> str:
    return eur_short(facts["cost_nano_eur"], most=facts["cost_state"] == "upper_bound")


def _limited(call: CallStory[Entry]) -> Iterator[Sentence]:
    """Say that an answer ended because of a limit, and whose it was."""
    if not call.ended or call.ended.facts.get("finish") != "length":
        return
    ours = bool(call.opened and call.opened.facts.get("output_limit_set"))
    whose = "the limit of the route, because the call had set none" if ours else "the limit that the call had set"
    yield Sentence(f"The answer was cut off by {whose}.", (pointer(call.ended, "facts.finish"),))


def _overridden(entry: Entry, evidence: Evidence) -> Sentence:
    return Sentence(
        f"At {when(entry, evidence)} {person(entry, evidence)} {verb_of(entry)} what the system did: "
        f"{coded(entry)}{quoted(entry, 'reason', evidence)}.",
        (pointer(entry, "facts.action"), pointer(entry, "act"), pointer(entry, "c.reason")),
    )


def _corrected(entry: Entry, evidence: Evidence) -> Sentence:
    return Sentence(
        f"At {when(entry, evidence)} {person(entry, evidence)} corrected its cost "
        f"from {eur_short(entry.facts['before_nano_eur'], most=True)}, an upper bound, "
        f"to {eur_short(entry.facts['after_nano_eur'])}: {quoted(entry, 'reason', evidence)}.",
        (pointer(entry, "facts.after_nano_eur"), pointer(entry, "act"), pointer(entry, "c.reason")),
    )


def _scored(entry: Entry, evidence: Evidence) -> Sentence:
    return Sentence(
        f"At {when(entry, evidence)} {score_said(entry, evidence)}.",
        (pointer(entry, "facts.verdict"), pointer(entry, "facts.evaluator")),
    )


def _outcome(entry: Entry, evidence: Evidence) -> Sentence:
    return Sentence(
        f"At {when(entry, evidence)} {outcome_said(entry, evidence)}.",
        (pointer(entry, "facts.status"), pointer(entry, "facts.source")),
    )


def _stop(entry: Entry, story: Story, evidence: Evidence) -> Sentence:
    verb = "stopped" if entry.kind == "stop.engaged" else "lifted the stop of"
    return Sentence(
        f"At {when(entry, evidence)} {person(entry, evidence)} {verb} {stopped(entry, story, evidence)}: "
        f"{quoted(entry, 'reason', evidence)}.",
        (pointer(entry, "facts.scope"), pointer(entry, "act"), pointer(entry, "c.reason")),
    )


def _approvals(story: Story, evidence: Evidence) -> Iterator[Sentence]:
    for entry in story.activations:
        yield Sentence(
            f"The rules in force were activated at {when(entry, evidence)} by {person(entry, evidence)}: "
            f"{quoted(entry, 'reason', evidence)}.",
            (pointer(entry, "act"), pointer(entry, "refs.config"), pointer(entry, "c.reason")),
        )
    for entry in story.prompts:
        facts = entry.facts
        place = f"promoted in {facts['environment']}" if entry.kind == "prompt.promoted" else "registered"
        yield Sentence(
            f"Version {facts['version']} of the prompt {facts['prompt_ref']} was {place} at {when(entry, evidence)} "
            f"by {person(entry, evidence)}: {quoted(entry, 'reason', evidence)}.",
            (pointer(entry, "facts.version"), pointer(entry, "act"), pointer(entry, "c.reason")),
        )
    for entry in story.stale_releases:
        yield Sentence(
            f"An earlier state of workflow {entry.workflow} was released at {when(entry, evidence)} by "
            f"{person(entry, evidence)}; that release does not hold for what it was here.",
            (pointer(entry, "act"), pointer(entry, "refs.workflow")),
        )
    for entry in story.releases:
        yield Sentence(
            f"Workflow {entry.workflow} was released at {when(entry, evidence)} by {person(entry, evidence)}: "
            f"{quoted(entry, 'reason', evidence)}.",
            (pointer(entry, "act"), pointer(entry, "workflow"), pointer(entry, "c.reason")),
        )
    for entry in story.classifications:
        facts = entry.facts
        yield Sentence(
            f"Its risk class under the AI Act, asked for {facts['asked_for']}, was confirmed "
            f"at {when(entry, evidence)} by {person(entry, evidence)}: "
            f"{classed(facts)}; {quoted(entry, 'reason', evidence)}.",
            (
                pointer(entry, "facts.tier"),
                pointer(entry, "act"),
                pointer(entry, "refs.law"),
                pointer(entry, "c.reason"),
            ),
        )
