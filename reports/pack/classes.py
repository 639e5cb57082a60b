"""The confirmed class of a system, as its page prints it: answers, class, basis, other readings, and by whom."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from classifiers.facts import FactsInvalid
from classifiers.law.duties import classes
from classifiers.law.records import Law, law_on
from classifiers.risk import Classification, classify
from classifiers.text import carried_by
from ledger.entry import Entry
from reports.ports import Evidence
from reports.why.words import person, quoted, when


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
    again = _again(facts)
    return ClassPage(
        tier=facts["tier"], words=law.said(facts["tier"]), asked_for=facts["asked_for"],
        confirmed=f"{person(entry, evidence)}, {when(entry, evidence)}: {quoted(entry, 'reason', evidence)}",
        answers=tuple(_answer(law, name, value) for name, value in facts["answers"].items()),
        complete=facts["answers_complete"], duties=tuple(_duties(law, facts)),
        basis=tuple(carried_by(again) if again else ((one, *_OLDER) for one in facts["legal_basis"])),
        readings=tuple((law.said(one.tier), " ".join(one.because)) for one in again.readings) if again else (),
        recomputed=_recomputed(entry, again, law), conditions=_conditions(law, again),
    )  # fmt: skip


def _again(facts: Mapping[str, Any]) -> Classification | None:
    """Work a class out again; nothing where today's law data do not know one of its answers any more."""
    try:
        return classify(
            facts["answers"], complete=facts["answers_complete"], at=facts["asked_for"], draft=facts["draft_guidance"]
        )
    except FactsInvalid:
        return None


_OLDER = ("as it was confirmed", "the law data of that day")
"""In place of sentence and source, where the class cannot be worked out again."""


def _answer(law: Law, name: str, value: Any) -> tuple[str, str]:
    return (law.facts[name].question, law.facts[name].said(value)) if name in law.facts else (name, str(value))


def _conditions(law: Law, result: Classification | None) -> tuple[str, ...]:
    if result is None or classes().get(result.tier) != "annex_iii_exempt":
        return ()
    return tuple(one.provision for one in law.group("exemption") if one.provision in result.legal_basis)


def _duties(law: Law, facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for name in (facts["tier"], *facts["overlays"]):
        if name in facts["applies_from"]:
            start = facts["applies_from"][name]
            rows.append((law.said(name), f"from {start}" if start else "not under the present facts"))
    return rows


def _recomputed(entry: Entry, again: Classification | None, law: Law) -> str:
    if again is None:
        return "confirmed by other law data than today's, which do not know one of its answers: NOT recomputed"
    if entry.refs.get("law") == law.digest:
        return "recomputed from the answers for this page, by the same law data: " + (
            "the same class" if again.tier == entry.facts["tier"] else f"ANOTHER class, {law.said(again.tier)}"
        )
    return f"confirmed by other law data than today's; by today's the same answers give: {law.said(again.tier)}"
