"""The answer to "why": headline, narrative, timeline, three levels of approval, fourteen questions, and the unknown."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ledger.amounts import counted, eur_short
from ledger.entry import Entry
from ledger.links import Brief
from reports.ports import Evidence, Integrity
from reports.why.moments import moments
from reports.why.narrative import narrate
from reports.why.questions import Answered, answers, decided_by, unknowns
from reports.why.rows import rows
from reports.why.sentences import Sentence
from reports.why.story import Story, collect
from reports.why.subject import SUBJECT, AboutSubject, about_subject, heading
from reports.why.verdict import verdict
from reports.why.words import each_of, people_decided

SCHEMA = "whyledger.why/1"
BOUNDARY = (
    "This explains why the system was allowed to act and what it did. It does not claim to explain the model's "
    "internal reasoning."
)


class NothingFound(Exception):
    """No entry is linked to this reference; or there is no such page of it, and the message says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyAnswer:
    """Everything one reference leads to, or a page of it. `as_of_seq` is the size of the log it was taken from."""

    ref: str
    kind: str
    as_of_seq: int
    verdict: Sentence
    """What happened, to what, and who decided."""
    headline: str
    """How many calls, what they cost, how many decisions of people."""
    narrative: tuple[Sentence, ...]
    timeline: tuple[dict[str, Any], ...]
    approvals: dict[str, Any]
    decisions: tuple[dict[str, str], ...]
    """What people decided about any of the calls, with the verb: approved, reversed, stopped."""
    questions: tuple[Answered, ...]
    unknown: tuple[str, ...]
    integrity: Integrity
    calls: tuple[dict[str, Any], ...]
    """All calls of the reference, whatever the page."""
    told: tuple[dict[str, Any], ...]
    """The calls of this page: when, to which route, how it ended, which model, what was said in it."""
    subject: AboutSubject | None
    """The short form, where the reference is a person whom calls are about."""
    page: int
    pages: int

    def as_json(self) -> dict[str, Any]:
        """Return the answer as plain values. Field by field: `asdict` would copy every sentence deeply."""
        flat = {one.name: getattr(self, one.name) for one in fields(self)}
        flat |= {"narrative": [_flat(one) for one in self.narrative], "verdict": _flat(self.verdict)}
        flat |= {"questions": [asdict(one) for one in self.questions], "integrity": asdict(self.integrity)}
        flat |= {"subject": asdict(self.subject) if self.subject else None}
        return {"schema": SCHEMA, "boundary": BOUNDARY} | flat


def why(
    ref: str, kind: str, found: Sequence[Entry | Brief], evidence: Evidence, *, page: int | None = None
) -> WhyAnswer:
    """Explain what is found through a reference.

    Args:
        page: which page of calls to tell of in full, from 1; None tells of all. Headline, total, list of calls and
            human acts are of all calls always.

    Raises:
        NothingFound: there are none that belong to a call, or fewer pages.
    """
    story = collect(ref, kind, found, evidence, page=page)
    if not story.every:
        raise NothingFound
    if not story.calls:
        raise NothingFound(f"there is no page {page} of {ref}, the last one is {story.pages}")
    check = evidence.integrity(story.entries)
    check = replace(check, failures=(*check.failures, *story.contradictions))
    return WhyAnswer(
        ref=ref,
        kind=kind,
        as_of_seq=evidence.size(),
        verdict=verdict(story, evidence),
        headline=heading(story, evidence) if kind == SUBJECT else _headline(story),
        narrative=narrate(story, evidence),
        timeline=tuple(moments(story, evidence)),
        approvals=_approvals(story, evidence),
        decisions=tuple(decided_by((*story.acts, *story.stops), evidence)),
        questions=answers(story, evidence, check),
        unknown=tuple(unknowns(story, evidence)),
        integrity=check,
        calls=tuple(
            {"call": call.id, "route": call.route, "result": call.result, "cost_nano_eur": call.cost}
            for call in story.every
        ),
        told=tuple(rows(story, evidence)),
        subject=about_subject(story, evidence) if kind == SUBJECT else None,
        page=page or 1,
        pages=story.pages,
    )


def _flat(one: Sentence) -> dict[str, Any]:
    return {"text": one.text, "facts": one.facts} | ({"call": one.call} if one.call else {})


def _headline(story: Story) -> str:
    results = [call.result for call in story.every]
    people = len(story.acts) + len(story.stops)
    acts = people_decided(people) if people else "no person decided anything about it"
    ended = each_of(results) if len(results) > 1 else f"it {each_of(results)}"
    return f"{counted(len(results), 'call')}: {ended}; {eur_short(story.cost)}; {acts[:1].lower()}{acts[1:]}."


def _approvals(story: Story, evidence: Evidence) -> dict[str, Any]:
    """Approval at three levels; where no person is recorded, it says so. A reversal or a stop is no approval."""
    others = len(story.acts) + len(story.stops) - len(story.approvals)
    nobody_here = "No person approved this call."
    changed = "The workflow was changed after its last release; nobody has released it as it was here."
    levels = {
        "this_call": (story.approvals, nobody_here + (" What people did decide is listed apart." if others else "")),
        "rules_in_force": (story.activations, "No activation of the rules is on record."),
        "workflow_release": (
            story.releases, changed if story.stale_releases else "Nobody has released the workflow."
        ),
        "risk_class": (story.classifications, "Nobody has confirmed a risk class of the workflow as it was here."),
    }  # fmt: skip
    return {
        name: {"people": decided_by(entries, evidence), "said": "" if entries else nobody}
        for name, (entries, nobody) in levels.items()
    }
