"""Rows of what people put on record beside calls: notices, marks, training, statements, documents, incidents."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ledger.entry import Entry
from reports.pack.calls import MAX_ROWS
from reports.ports import Evidence
from reports.registers import by_kind, counted_by, in_words, registers, report_by
from reports.times import day_in
from reports.why.words import person, quoted, when


class Kept:
    """Sees entries in the order of the log; keeps those of registers."""

    def __init__(self, workflow: str | None) -> None:
        self._workflow = workflow
        self._entries: dict[str, list[Entry]] = {name: [] for name in registers()}
        self.numbers: Counter[str] = Counter()

    def see(self, entry: Entry) -> None:
        known = by_kind().get(entry.kind)
        if known is None or (self._workflow is not None and entry.workflow not in (self._workflow, None)):
            return
        name, _ = known
        self.numbers[name] += 1
        if len(self._entries[name]) < MAX_ROWS:
            self._entries[name].append(entry)

    def tables(self, evidence: Evidence) -> Mapping[str, tuple[dict[str, Any], ...]]:
        """Return the rows of each register by its name."""
        return {name: tuple(self._rows(name, evidence)) for name in registers()}

    def _rows(self, name: str, evidence: Evidence) -> Iterator[dict[str, Any]]:
        for entry in self._entries[name]:
            row = registers()[name]
            yield {
                "at": when(entry, evidence), "seq": entry.seq, "workflow": entry.workflow or "",
                "person": person(entry, evidence),
                "said": "; ".join(filter(None, (counted_by(entry.facts), in_words(row, entry.facts)))),
                "words": quoted(entry, "words", evidence) if "words" in entry.c else "",
                "digest": entry.refs.get("document", ""), "incident": entry.facts.get("incident_ref", ""),
                "clock": _clock(entry, self._entries[name], evidence.zone),
            }  # fmt: skip


def _clock(entry: Entry, entries: Iterable[Entry], zone: str) -> str:
    """Say by when a report of an incident is due, and whether any entry of it says that one was made."""
    if entry.kind != "incident.opened":
        return ""
    same = [one for one in entries if one.facts["incident_ref"] == entry.facts["incident_ref"]]
    reported = next((one.facts["reported_on"] for one in same if "reported_on" in one.facts), None)
    stated = {name: value for one in same for name, value in one.facts.items()}  # what was said last counts
    last, why = report_by(stated, day_in(entry.at, zone))
    told = f"reported on {reported}, as stated" if reported else "no report is on record in the period"
    when = f"report by {last}: {why}" if last else f"no day for a report: {why}"
    return f"If the duty to report applies (section 6): {when}; {told}"
