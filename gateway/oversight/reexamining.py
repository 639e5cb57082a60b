"""When the law data change: every confirmed class is worked out again, and what comes of it is an entry.

A person confirmed answers and a class by the data of their day. New data can lead the same answers elsewhere; then the
class is stale until a person confirms it again. Also what changes for a workflow on the days to come.
"""

from datetime import datetime
from typing import Any

from classifiers.facts import UNDETERMINED, FactsInvalid
from classifiers.law.records import data, law_on
from classifiers.risk import classify
from gateway.state.changes import changes_of
from gateway.state.rows import class_of
from gateway.store.installation import Installation
from ledger.entry import Draft, Entry
from ledger.ids import new_id
from ledger.unit import State, Step, Unit


def reexamine(installation: Installation) -> list[str]:
    """Work out anew each class that rests on other law data than those here; returns what came of it, in words."""
    said = []
    for name in installation.reader.states("workflow:"):
        row = installation.reader.state(name) or {}
        if class_of(row) == "confirmed" and row.get("law") != data()[1]:
            said += _again(installation, name)
    return said


def classified_entry(installation: Installation, row: str) -> Entry | None:
    """Return the entry of the confirmed class of a workflow."""
    standing = installation.reader.state(row) or {}
    found = installation.reader.entries(installation.reader.find("workflow", row.removeprefix("workflow:")))
    return next((one for one in found if one.id == standing.get("classified")), None)


def _again(installation: Installation, row: str) -> list[str]:
    entry = classified_entry(installation, row)
    if entry is None:
        return []
    today, facts = installation.clock().date().isoformat(), entry.facts
    tier = _tier(facts, today)

    def run(state: State, at: datetime) -> Step:
        now = state.get(row) or {}
        if now.get("classified") != entry.id or now.get("law") == data()[1]:
            return Step(answer=[])
        draft = Draft(
            id=new_id("ent", at), kind="workflow.reexamined", workflow=entry.workflow,
            facts={"workflow_ref": str(entry.workflow), "classified": entry.id, "asked_for": today, "tier": tier,
                   "tier_before": facts["tier"], "same": tier == facts["tier"],
                   "law_version": law_on(today).version, "draft_guidance": facts["draft_guidance"]},
            refs={"workflow": entry.refs["workflow"], "law": data()[1]},
        )  # fmt: skip
        what = "the same class" if tier == facts["tier"] else f"now {tier}; a person has to confirm it again"
        return Step(drafts=[draft], changes=changes_of(draft, state), answer=[f"{entry.workflow}: {what}"])

    return list(installation.log.append(Unit(keys=lambda _at: (row,), run=run)).answer)


def _tier(facts: Any, day: str) -> str:
    """Return the class that the answers lead to; open where the vocabulary does not know one of them any more."""
    try:
        return classify(
            facts["answers"], complete=facts["answers_complete"], at=day, draft=facts["draft_guidance"]
        ).tier
    except FactsInvalid:
        return UNDETERMINED


def calendar(installation: Installation) -> list[tuple[str, str, str]]:
    """Return what begins or ends for each workflow with a class that holds: day, workflow, what; in order of days."""
    today = installation.clock().date().isoformat()
    rows: list[tuple[str, str, str]] = []
    for row in installation.reader.states("workflow:"):
        entry = classified_entry(installation, row)
        if entry is None or class_of(installation.reader.state(row)) != "confirmed":
            continue
        facts, law = entry.facts, law_on(today)
        before = _effects(facts, today)
        for day in sorted({day for day in law.starts.values() if day > today}):
            after = _effects(facts, day)
            rows += [(day, str(entry.workflow), f"begins: {law.said(name)}") for name in sorted(after - before)]
            rows += [(day, str(entry.workflow), f"ends: {law.said(name)}") for name in sorted(before - after)]
            before = after
    return sorted(rows)


def _effects(facts: Any, day: str) -> set[str]:
    result = classify(facts["answers"], complete=facts["answers_complete"], at=day, draft=facts["draft_guidance"])
    return set(result.in_effect)
