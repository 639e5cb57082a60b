"""Holding the traffic of classified workflows against what was declared; what does not fit becomes an entry.

It runs beside the calls, over entries that are durable already, and reads a bounded number of calls each time. It
changes no class: `workflow.contradicted` names the calls, and a person looks.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from classifiers.contradictions import Seen, contradictions
from classifiers.facts import answered
from classifiers.law.records import vocabulary
from gateway.oversight.reexamining import classified_entry
from gateway.state import changes_of, class_of
from gateway.store.evidence import LiveEvidence
from gateway.store.installation import Installation
from ledger.entry import Draft, Entry, decode
from ledger.ids import new_id
from ledger.unit import State, Step, Unit
from reports.why.transcript import said, turns

LOOK = 2_000
"""Entries that one look goes back at most."""
NAMED = 16


def look(installation: Installation, since: int = 0) -> tuple[int, list[str]]:
    """Look at the calls that ended since an entry; returns where the next look goes on, and what was raised."""
    size = installation.reader.head().size
    rows = installation.reader.states("workflow:")
    wanted = {name.removeprefix("workflow:"): row for name, row in rows.items() if class_of(row) == "confirmed"}
    if not wanted or since >= size:
        return size, []
    raised: list[str] = []
    for workflow, calls in _calls(installation, max(since, size - LOOK), size, set(wanted)).items():
        raised += _raise(installation, workflow, calls)
    return size, raised


def _calls(installation: Installation, low: int, high: int, wanted: set[str]) -> dict[str, dict[str, Seen]]:
    evidence = LiveEvidence(installation)
    opened: dict[str, Entry] = {}
    found: dict[str, dict[str, Seen]] = {}
    for entry in map(decode, installation.reader.raw(low, high)):
        if entry.workflow not in wanted or not entry.call:
            continue
        if entry.kind == "call.opened":
            opened[entry.call] = entry
        elif entry.kind in ("call.closed", "call.refused"):
            found.setdefault(str(entry.workflow), {})[entry.call] = _seen(opened.get(entry.call), entry, evidence)
    return found


def _seen(opened: Entry | None, ended: Entry, evidence: LiveEvidence) -> Seen:
    prompt = evidence.content(opened, "prompt") if opened and "prompt" in opened.c else None
    answer = evidence.content(ended, "answer") if "answer" in ended.c else None
    flags = [one["id"] for one in ended.facts.get("checks", ())]
    rule = ended.facts.get("inputs", {}).get("rule") if ended.kind == "call.refused" else None
    return Seen(
        prompt="\n".join(text for _, text in turns(str(prompt.value))) if prompt and not prompt.missing else "",
        answer=said(str(answer.value)) if answer and not answer.missing else "",
        tools=tuple(str(one["name"]) for one in ended.facts.get("tool_calls", ()) if one.get("name")),
        checks=tuple([*flags, *([str(rule)] if rule else [])]),
    )


def _raise(installation: Installation, workflow: str, calls: Mapping[str, Seen]) -> list[str]:
    row = f"workflow:{workflow}"
    entry = classified_entry(installation, row)
    if entry is None:
        return []
    answers = _answers(entry.facts)
    found = list(contradictions(answers, calls))

    def run(state: State, at: datetime) -> Step:
        """Each signal is raised once for a confirmed class."""
        now = state.get(row) or {}
        if now.get("classified") != entry.id:
            return Step(answer=[])
        new = [(signal, ids) for signal, ids in found if signal.name not in now.get("contradicted", ())]
        drafts = [
            Draft(
                id=new_id("ent", at), kind="workflow.contradicted", workflow=workflow,
                facts={"workflow_ref": workflow, "signal": signal.name, "calls": ids[:NAMED], "seen": len(ids),
                       "looked_at": len(calls), "classified": entry.id},
                refs={"workflow": entry.refs["workflow"]},
            )
            for signal, ids in new
        ]  # fmt: skip
        working, changes = dict(state), dict[str, Any]()
        for one in drafts:
            moved = changes_of(one, working)
            working |= moved
            changes |= moved
        return Step(drafts=drafts, changes=changes, answer=[f"{workflow}: {signal.says}" for signal, _ in new])

    return list(installation.log.append(Unit(keys=lambda _at: (row,), run=run)).answer) if found else []


def _answers(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return all answers that a class rests on, those that its person let stand as assumed among them."""
    return dict(answered(vocabulary(), facts["answers"], complete=True))
