"""The verdict: one sentence on what happened, to what, and who decided. It states no more than the entries it names."""

from collections.abc import Sequence

from ledger.entry import Entry
from reports.ports import Evidence
from reports.why.sentences import Sentence
from reports.why.story import WHOLE, CallStory, Story
from reports.why.subject import SUBJECT, heading
from reports.why.transcript import called
from reports.why.words import each_of, in_numbers, name_of, pointer, refused_for, shorten, stopped, verb_of

_MOST = 90
"""Characters of a tool call that a headline has room for."""


def verdict(story: Story, evidence: Evidence) -> Sentence:
    """Return the sentence. It is the same on every page of a long story. Of a subject it says how much there is."""
    if story.kind == SUBJECT:
        return Sentence(heading(story, evidence), tuple(pointer(call.first) for call in story.calls))
    acts = _weighty(story)
    about = _calls_of(acts, story)
    proposed = _proposed(about or _in_full(story), evidence)
    if acts and acts[-1].kind == "override.recorded":
        return _overridden(acts, about, proposed, story, evidence)
    text, facts = _ended(story, proposed)
    if acts:
        text += f"; {name_of(str(acts[-1].act), evidence)} {_did(acts[-1], story, evidence)}"
        facts += [pointer(acts[-1], "act")]
    elif not _refused_all(story):
        text += ", and no person has decided anything about it"
    return Sentence(f"{text}.", tuple(dict.fromkeys(facts)))


def _weighty(story: Story) -> tuple[Entry, ...]:
    """Return what people decided about the calls; if nothing, what they stopped or corrected."""
    overrides = tuple(one for call in story.every for one in call.overrides)
    return overrides or story.stops or story.acts


def _calls_of(acts: Sequence[Entry], story: Story) -> tuple[CallStory[Entry], ...]:
    named = {one.call for one in acts if one.kind == "override.recorded"}
    return tuple(call for call in _in_full(story) if call.id in named)


def _in_full(story: Story) -> tuple[CallStory[Entry], ...]:
    """Return the calls where all of them are told; a page must not say what another page does not."""
    return story.calls if len(story.every) <= WHOLE else ()


def _proposed(calls: Sequence[CallStory[Entry]], evidence: Evidence) -> tuple[str, Entry] | None:
    """Return the last tool call that an answer made, and the entry that states it."""
    for call in reversed(calls):
        for tool in reversed(call.ended.facts.get("tool_calls", ()) if call.ended else ()):
            if tool.get("output_format"):
                continue
            given = evidence.content(call.ended, tool["c"]) if call.ended and tool.get("c") else None
            shown = shorten(called(given.value), _MOST) if given and not given.missing else tool["name"]
            if call.ended and tool["name"]:
                return str(shown), call.ended
    return None


def _overridden(
    acts: Sequence[Entry],
    about: Sequence[CallStory[Entry]],
    proposed: tuple[str, Entry] | None,
    story: Story,
    evidence: Evidence,
) -> Sentence:
    last = acts[-1]
    who, did = name_of(str(last.act), evidence), verb_of(last)
    facts = [pointer(last, "facts.action"), pointer(last, "act")]
    workflow = last.workflow or (about[0].first.workflow if about else None) or _workflow(story)
    if proposed:
        text = f"{workflow} proposed {proposed[0]}, and {who} {did} it"
        facts.insert(0, pointer(proposed[1], "facts.tool_calls"))
    elif len(story.every) > 1:
        text = f"{who} {did} what one of the {len(story.every)} calls of {workflow} did"
    else:
        text = f"{who} {did} what the call of {workflow} did"
    others = len(acts) - 1
    more = f"; {in_numbers(others, 'further decision')} by people on record" if others else ""
    return Sentence(f"{text}{more}.", tuple(dict.fromkeys(facts)))


def _ended(story: Story, proposed: tuple[str, Entry] | None) -> tuple[str, list[str]]:
    """Say how the calls ended, and the tool call that is left to stand."""
    calls = story.every
    facts = [pointer(call.ended or call.first) for call in story.calls]
    tool = f"; it proposed {proposed[0]}" if proposed else ""
    facts += [pointer(proposed[1], "facts.tool_calls")] if proposed else []
    if len(calls) > 1:
        said = each_of([call.result for call in calls])
        return f"Of {len(calls)} calls of {_workflow(story)} {said}{tool}", facts
    call = story.calls[0]
    name = f" to {call.route}" if call.route else ""
    said = f"The call of {_workflow(story)}{name} {each_of([call.result])}"
    if call.ended and call.ended.kind == "call.refused":
        said += f" by the gateway before anything was sent: {refused_for(call.ended.facts)}"
    return said + tool, facts


def _refused_all(story: Story) -> bool:
    return all(call.result == "refused" for call in story.every)


def _did(entry: Entry, story: Story, evidence: Evidence) -> str:
    if entry.kind == "approval.decided":
        return f"{verb_of(entry)} it"
    if not entry.kind.startswith("stop."):
        return verb_of(entry)
    lead = "stopped" if entry.kind == "stop.engaged" else "lifted the stop of"
    return f"{lead} {stopped(entry, story, evidence)}"


def _workflow(story: Story) -> str:
    names = {call.first.workflow for call in story.every}
    return f"{len(names)} workflows" if len(names) > 1 else next(iter(names)) or "no workflow"
