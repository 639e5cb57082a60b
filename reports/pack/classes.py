"""The confirmed class of a system, as its page prints it: answers, class, basis, other readings, and by whom."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from classifiers.law.duties import classes
from classifiers.law.records import Law, law_on
from classifiers.risk import Classification, classify
from classifiers.text import source_said
from ledger.entry import Entry
from reports.ports import Evidence
from reports.why.words import clock, person, quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassPage:
    """What is printed of one confirmed class."""

    tier: str
    words: str
    asked_for: str
    confirmed: str
    answers: tuple[tuple[str, str], ...]
    complete: bool
    basis: tuple[tuple[str, str, str], ...]
    """Provision, sentence, source."""
    duties: tuple[tuple[str, str], ...]
    """Class and overlays in words, and from when they bind."""
    readings: tuple[tuple[str, str], ...]
    recomputed: str
    conditions: tuple[str, ...]
    """The provisions that an exemption relies on; empty where there is none."""


def class_page(entry: Entry, evidence: Evidence) -> ClassPage:
    """Return the page of a `workflow.classified`, worked out again from its answers."""
    facts = entry.facts
    law = law_on(facts["asked_for"], draft=facts["draft_guidance"])
    again = classify(
        facts["answers"], complete=facts["answers_complete"], at=facts["asked_for"], draft=facts["draft_guidance"]
    )
    return ClassPage(
        tier=facts["tier"], words=law.said(facts["tier"]), asked_for=facts["asked_for"],
        confirmed=f"{person(entry, evidence)}, {clock(entry.at)}: {quoted(entry, 'reason', evidence)}",
        answers=tuple((law.facts[name].question, _answer(law, name, value)) for name, value in facts["answers"].items()
                      if name in law.facts),
        complete=facts["answers_complete"], basis=_basis(again), duties=tuple(_duties(law, facts)),
        readings=tuple((law.said(one.tier), " ".join(one.because)) for one in again.readings),
        recomputed=_recomputed(entry, again, law), conditions=_conditions(law, again),
    )  # fmt: skip


def _conditions(law: Law, result: Classification) -> tuple[str, ...]:
    if classes().get(result.tier) != "annex_iii_exempt":
        return ()
    return tuple(one.provision for one in law.group("exemption") if one.provision in result.legal_basis)


def _answer(law: Law, name: str, value: Any) -> str:
    words = law.facts[name].values
    if isinstance(value, list):
        return "; ".join(words.get(one, one) for one in value) or "none of them"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return words.get(value, str(value)) if value is not None else "nobody relies on an earlier start"


def _basis(result: Classification) -> tuple[tuple[str, str, str], ...]:
    met = {(step.provision, step.sentence, step.source) for step in result.trace if step.effect == "met"}
    return tuple(
        (provision, sentence, source_said(source)) for provision, sentence, source in sorted(met)
        if provision in result.legal_basis
    )  # fmt: skip


def _duties(law: Law, facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for name in (facts["tier"], *facts["overlays"]):
        if name in facts["applies_from"]:
            start = facts["applies_from"][name]
            rows.append((law.said(name), f"from {start}" if start else "not under the present facts"))
    return rows


def _recomputed(entry: Entry, again: Classification, law: Law) -> str:
    if entry.refs.get("law") == law.digest:
        return "recomputed from the answers for this page, by the same law data: " + (
            "the same class" if again.tier == entry.facts["tier"] else f"ANOTHER class, {law.said(again.tier)}"
        )
    return f"confirmed by other law data than today's; by today's the same answers give: {law.said(again.tier)}"
