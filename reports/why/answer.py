"""The answer to "why": headline, narrative, timeline, three levels of approval, fourteen questions, and the unknown."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ledger.amounts import eur
from ledger.entry import Entry
from ledger.links import Brief
from reports.ports import Evidence, Integrity
from reports.times import clock
from reports.why.narrative import Sentence, narrate
from reports.why.questions import Answered, answers, decided_by, unknowns
from reports.why.story import Story, collect
from reports.why.subject import SUBJECT, AboutSubject, about_subject, heading
from reports.why.words import RESULTS

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
    headline: str
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
    subject: AboutSubject | None
    """The short form, where the reference is a person whom calls are about."""
    page: int
    pages: int

    def as_json(self) -> dict[str, Any]:
        """Return the answer as plain values. Field by field: `asdict` would copy every sentence deeply."""
        flat = {one.name: getattr(self, one.name) for one in fields(self)}
        flat |= {"narrative": [{"text": one.text, "facts": one.facts} for one in self.narrative]}
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
        headline=heading(story, evidence) if kind == SUBJECT else _headline(story),
        narrative=narrate(story, evidence),
        timeline=tuple(_moment(entry, evidence.zone) for entry in story.entries),
        approvals=_approvals(story, evidence),
        decisions=tuple(decided_by((*story.acts, *story.stops), evidence)),
        questions=answers(story, evidence, check),
        unknown=tuple(unknowns(story, evidence)),
        integrity=check,
        calls=tuple(
            {"call": call.id, "route": call.route, "result": call.result, "cost_nano_eur": call.cost}
            for call in story.every
        ),
        subject=about_subject(story, evidence) if kind == SUBJECT else None,
        page=page or 1,
        pages=story.pages,
    )


def _headline(story: Story) -> str:
    total = eur(story.cost)
    people = len(story.acts) + len(story.stops)
    acts = f"{people} decision(s) by people on record" if people else "no person decided anything about it"
    if len(story.every) == 1:
        name = f" to {story.calls[0].route}" if story.calls[0].route else ""
        return f"The call{name} {RESULTS.get(story.calls[0].result)}; {total}; {acts}."
    return f"{len(story.every)} calls ({story.results}); {total}; {acts}."


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
    "person.enrolled": "person enrolled",
    "role.granted": "role given to a person",
    "role.revoked": "role taken from a person",
    "token.issued": "new personal token issued",
    "token.revoked": "personal token revoked",
    "workflow.registered": "workflow registered",
    "workflow.contradicted": "traffic does not fit what was declared: {signal}",
    "access.recorded": "an auditor opened {page}",
    "pack.exported": "evidence pack exported",
    "gap.declared": "loss of entries declared",
    "signer.added": "keys of the log recorded",
    "alert.raised": "alert raised: {rule}",
}


def moment(entry: Entry) -> str:
    """Say in a few words what an entry records; of a kind without words of its own, its name."""
    return _MOMENTS.get(entry.kind, entry.kind.replace(".", " ").replace("_", " ")).format_map(dict(entry.facts))


def _moment(entry: Entry, zone: str) -> dict[str, Any]:
    return {
        "at": entry.at,
        "shown": clock(entry.at, zone),
        "kind": entry.kind,
        "seq": entry.seq,
        "call": entry.call,
        "text": moment(entry),
    }


def _approvals(story: Story, evidence: Evidence) -> dict[str, Any]:
    """Approval at three levels; where no person is recorded, it says so. A reversal or a stop is no approval."""
    others = len(story.acts) + len(story.stops) - len(story.approvals)
    nobody_here = "No person approved this call."
    changed = "The workflow was changed after its last release; nobody has released it as it was here."
    levels = {
        "this_call": (story.approvals, nobody_here + (" What people did decide stands below." if others else "")),
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
