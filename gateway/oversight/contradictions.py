"""Holding the traffic of classified workflows against what was declared; what does not fit becomes an entry.

It runs beside the calls, over entries that are durable already, and reads a bounded number of entries each time. It
changes no class: `workflow.contradicted` names the calls, and a person looks.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from classifiers.contradictions import Seen, Signal, Tally
from classifiers.facts import answered
from classifiers.law.records import vocabulary
from gateway.oversight.reexamining import classified_entry
from gateway.state.changes import changes_of_all
from gateway.state.rows import class_of
from gateway.store.evidence import LiveEvidence
from gateway.store.installation import Installation
from ledger.entry import Draft, Entry, decode
from ledger.ids import new_id
from ledger.store.reader import Reader
from ledger.unit import State, Step, Unit
from reports.why.transcript import said, turns

LOOK = 2_000
"""Entries that one look goes back at most."""


class Lookout:
    """One look after another at the calls that ended since the last; the first goes back `LOOK` entries."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._since = max(0, installation.reader.head().size - LOOK)
        self._tallies: dict[str, Tally] = {}
        """By the entry of the class: a workflow that is classified again is counted from nothing."""

    def look(self) -> list[str]:
        """Count the calls that ended since the last look; returns in words what was raised."""
        size, classes = self._installation.reader.head().size, self._classes()
        self._tallies = {key: tally for key, tally in self._tallies.items() if key in classes.values()}
        if classes:
            self._count(classes, max(self._since, size - LOOK), size)
        self._since = size
        return [line for workflow, key in classes.items() for line in self._raise(workflow, key)]

    def _classes(self) -> dict[str, str]:
        """Return for each workflow with a class that holds the entry of it."""
        rows = self._installation.reader.states("workflow:").items()
        return {name.removeprefix("workflow:"): row["classified"] for name, row in rows if class_of(row) == "confirmed"}

    def _count(self, classes: Mapping[str, str], low: int, high: int) -> None:
        reader, evidence, opened = self._installation.reader, LiveEvidence(self._installation), dict[str, Entry]()
        for entry in map(decode, reader.raw(low, high)):
            self._since = entry.seq + 1  # so that a look that fails counts no call twice
            if not entry.workflow or entry.workflow not in classes or not entry.call:
                continue
            if entry.kind == "call.opened":
                opened[entry.call] = entry
            elif entry.kind in ("call.closed", "call.refused"):
                begun = opened.get(entry.call) or _begun(reader, entry)
                if tally := self._tally(entry.workflow, classes[entry.workflow]):
                    tally.add(entry.call, _seen(begun, entry, evidence))

    def _tally(self, workflow: str, key: str) -> Tally | None:
        if key not in self._tallies and (entry := classified_entry(self._installation, f"workflow:{workflow}")):
            if entry.id != key:
                return None  # classified again since this look began
            self._tallies[key] = Tally(answered(vocabulary(), entry.facts["answers"], complete=True))
        return self._tallies.get(key)

    def _raise(self, workflow: str, key: str) -> list[str]:
        """Record what enough calls showed; each signal once for a confirmed class."""
        row, tally = f"workflow:{workflow}", self._tallies.get(key)
        if tally is None or not _new(tally, self._installation.reader.state(row)):
            return []

        def run(state: State, at: datetime) -> Step:
            now = state.get(row) or {}
            new = _new(tally, now) if now.get("classified") == key else []
            drafts = [
                Draft(
                    id=new_id("ent", at), kind="workflow.contradicted", workflow=workflow,
                    facts={"workflow_ref": workflow, "signal": signal.name, "calls": calls, "seen": shown,
                           "looked_at": tally.looked_at, "classified": key},
                    refs={"workflow": now["classified_version"]},
                )
                for signal, shown, calls in new
            ]  # fmt: skip
            said = [f"{workflow}: {signal.says}" for signal, _, _ in new]
            return Step(drafts=drafts, changes=changes_of_all(drafts, state), answer=said)

        return list(self._installation.log.append(Unit(keys=lambda _at: (row,), run=run)).answer)


def _new(tally: Tally, row: Mapping[str, Any] | None) -> list[tuple[Signal, int, list[str]]]:
    raised = (row or {}).get("contradicted", ())
    return [one for one in tally.raised() if one[0].name not in raised]


def _begun(reader: Reader, ended: Entry) -> Entry | None:
    """Return the `call.opened` of a call that began before this look."""
    seq = ended.facts.get("opened_seq")
    return next(iter(reader.entries([seq])), None) if seq is not None else None


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
