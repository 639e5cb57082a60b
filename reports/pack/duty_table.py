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


def duty_rows(duties: Iterable[Duty], systems: Sequence[System], counts: Mapping[str, int]) -> tuple[DutyRow, ...]:
    """Return a row for every duty in the books.

    Args:
        counts: entries of each kind in the period, of all workflows and of none.
    """
    return tuple(_row(duty, systems, counts) for duty in duties)


def _row(duty: Duty, systems: Sequence[System], counts: Mapping[str, int]) -> DutyRow:
    reasons = {system.name: _excluded(duty, system) for system in systems}
    concerned = tuple(name for name, reason in reasons.items() if not reason)
    records = {kind: counts.get(kind, 0) for kind in kinds_of(duty)}
    if systems and not concerned:
        common = Counter(reason for reason in reasons.values() if reason).most_common(1)[0][0]
        status, reason = "not applicable", common
    else:
        status, reason = _shown(duty, systems, records, counts)
    return DutyRow(
        duty=duty, status=status, reason=reason, concerns=concerned,
        records={kind: count for kind, count in records.items() if count}, starts=_starts(duty),
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


def _shown(
    duty: Duty, systems: Sequence[System], records: Mapping[str, int], counts: Mapping[str, int]
) -> tuple[str, str]:
    there = [kind for kind, count in records.items() if count]
    if "risk_classification" in duty.records and any(system.contradictions for system in systems):
        return "contradicted", "traffic contradicts what was declared"
    if "gap" in duty.records and counts.get("gap.declared"):
        return "gap declared", "signed entries were lost in the period"
    if duty.evidence_class == "none" or not there:
        return "not evidenced by this system", "no such record in the period"
    if duty.evidence_class == "attested":
        said = {"attestation.recorded", "training.recorded", "workflow.classified"} & set(there)
        return ("attested only", "statements of named people") if said else _ABSENT
    if duty.evidence_class == "attached":
        return ("attached only", "by digest, content not checked") if "document.attached" in there else _ABSENT
    needed = [kind for record in duty.records if record != "gap" for kind in kinds_of(duty, record)]
    if duty.whole and all(records[kind] for kind in needed):
        return "evidenced", "what it asks for is itself on record"
    return "partly evidenced", "some of what it asks for is on record"


_ABSENT = ("not evidenced by this system", "records beside it, none of the kind that shows it")


def _starts(duty: Duty) -> tuple[str, ...]:
    return tuple(sorted(set(duty.starts.values())))
