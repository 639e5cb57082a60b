"""A sentence of the narrative with the facts that it states, and those about held calls."""

from dataclasses import dataclass

from ledger.amounts import counted
from ledger.entry import Entry
from reports.ports import Evidence
from reports.times import clock
from reports.why.words import asks_said, person, pointer, quoted, verb_of, when


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence and the facts it states."""

    text: str
    facts: tuple[str, ...]
    call: str | None = None
    """The call that it tells of, if it tells of one."""


_WHY = {
    "role": "their role does not allow it", "requester": "they had asked for the call, or it is about them",
    "twice": "they had approved it before, and another person was needed", "over": "its time was over",
    "decided": "it had been decided before", "shown": "they had been shown something else",
}  # fmt: skip


def waited(entry: Entry, evidence: Evidence) -> Sentence:
    """Tell of an entry about a held call: that a person was asked, who decided what, what became of it in time."""
    facts, at = entry.facts, when(entry, evidence)
    if entry.kind == "approval.requested":
        why = "; ".join(f"{one['tool']}: {asks_said(one['because'])}" for one in facts["asks"])
        who = f"{counted(facts['people'], 'person')} with the role {' or '.join(facts['roles'])}"
        text = f"At {at} it was held for {who} until {clock(facts['until'], evidence.zone)} ({why})."
        return Sentence(text, tuple(pointer(entry, f"facts.{name}") for name in ("asks", "people", "roles", "until")))
    if entry.kind == "approval.decided":
        text = f"At {at} {person(entry, evidence)} {verb_of(entry)} it: {quoted(entry, 'reason', evidence)}."
        if facts["state"] == "requested":
            text += f" {facts['needed']} people must approve; these were {facts['have']}."
        return Sentence(text, (pointer(entry, "facts.decision"), pointer(entry, "act"), pointer(entry, "c.reason")))
    if entry.kind == "approval.objected":
        why = _WHY.get(facts["because"], facts["because"])
        text = f"At {at} {person(entry, evidence)} tried to {facts['decision']} it, which did not count: {why}."
        return Sentence(text, (pointer(entry, "facts.because"), pointer(entry, "act")))
    if entry.kind == "approval.escalated":
        roles = " or ".join(facts["roles"])
        text = f"At {at} nobody had decided in time; people with the role {roles} were asked next."
        return Sentence(text, (pointer(entry, "facts.roles"),))
    through = "; the workflow lets it through then" if facts["state"] == "lapsed" else ""
    return Sentence(f"At {at} nobody had decided in time{through}.", (pointer(entry, "facts.state"),))
