"""The table of duties: which may concern the workflows of a pack, what the records show, and what they do not.

Nothing here says that a duty is met. The eight status words speak of evidence only.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from classifiers.law.duties import Duty, classes, decided_roles, kinds_of, roles_with
from reports.pack.systems import System

WORDS = (
    "evidenced", "partly evidenced", "attested only", "attached only", "not evidenced by this system",
    "not applicable", "gap declared", "contradicted",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyRow:
    """One duty: its status word, why, for which workflows, and how many records of each kind there are."""

    duty: Duty
    status: str
    reason: str
    concerns: tuple[str, ...]
    records: Mapping[str, int]
    starts: tuple[str, ...]


Counts = Mapping[str | None, Mapping[str, int]]
"""Entries of each kind, by workflow; under `None` those that belong to no workflow."""


def duty_rows(duties: Iterable[Duty], systems: Sequence[System], counts: Counts) -> tuple[DutyRow, ...]:
    """Return a row for every duty in the books."""
    return tuple(_row(duty, systems, counts) for duty in duties)


def _row(duty: Duty, systems: Sequence[System], counts: Counts) -> DutyRow:
    reasons = {system.name: _excluded(duty, system) for system in systems}
    concerned = tuple(name for name, reason in reasons.items() if not reason)
    seen = Counter[str]()
    for name in (*concerned, None):  # records of other workflows show nothing about this duty
        seen.update(counts.get(name, {}))
    kinds = (*kinds_of(duty), *(duty.decisive or ()), f"document.attached:{duty.id}", f"attestation.recorded:{duty.id}")
    if systems and not concerned:
        common = Counter(reason for reason in reasons.values() if reason).most_common(1)[0][0]
        status, reason = "not applicable", common
    else:
        status, reason = _shown(duty, [system for system in systems if system.name in concerned], seen)
    return DutyRow(
        duty=duty, status=status, reason=reason, concerns=concerned,
        records={kind: seen[kind] for kind in dict.fromkeys(kinds) if seen[kind]},
        starts=tuple(sorted(set(duty.starts.values()))),
    )  # fmt: skip


def _excluded(duty: Duty, system: System) -> str:
    """Say why a duty does not concern a workflow; empty where it does, or where no confirmed class decides it."""
    if system.classified is None or system.tier is None:
        return ""
    facts = system.classified.facts
    roles = roles_with(facts.get("roles", ()), facts["overlays"])
    if set(duty.bearer) <= set(decided_roles()) and not roles & set(duty.bearer):
        are = " and ".join(sorted(roles)) or "none of these"
        return f"bearer is {' or '.join(duty.bearer)}; by its answers the company is {are}".replace("_", " ")
    missing = duty.overlays and not set(duty.overlays) & set(facts["overlays"])
    if missing or ("any" not in duty.applies_to and classes().get(system.tier) not in duty.applies_to):
        return "the confirmed class does not bring this duty"
    return ""


def _shown(duty: Duty, systems: Sequence[System], seen: Mapping[str, int]) -> tuple[str, str]:
    if "risk_classification" in duty.records and any(system.contradictions for system in systems):
        return "contradicted", "traffic does not fit what was declared"
    if "gap" in duty.records and seen["gap.declared"]:
        return "gap declared", "signed entries were lost in the period"
    if duty.evidence_class == "attached" or seen[f"document.attached:{duty.id}"]:
        return ("attached only", "by digest, content not checked") if seen[f"document.attached:{duty.id}"] else _NONE
    if duty.evidence_class == "attested" or duty.decisive is not None:
        return ("attested only", "statements of named people") if _stated(duty, seen) else _NONE
    needed = [kind for record in duty.records if record != "gap" for kind in kinds_of(duty, record)]
    if duty.evidence_class == "none" or not any(seen[kind] for kind in needed):
        return _NONE
    if duty.whole and all(seen[kind] for kind in needed):
        return "evidenced", "what it asks for is itself on record"
    return "partly evidenced", "some of what it asks for is on record"


def _stated(duty: Duty, seen: Mapping[str, int]) -> bool:
    kinds = duty.decisive or (() if duty.decisive is not None else _STATEMENTS & set(kinds_of(duty)))
    return any(seen[kind] for kind in (*kinds, f"attestation.recorded:{duty.id}"))


_STATEMENTS = {"training.recorded", "workflow.classified"}
_NONE = ("not evidenced by this system", "no record in the period shows it")
