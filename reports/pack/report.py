"""Everything a pack prints beside its calls, put together: the law of its day, systems, duties, tests, registers."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from classifiers.law.duties import duties_on
from classifiers.law.records import Law, data, law_on, stale_line
from classifiers.text import source_said
from ledger.entry import Entry
from reports.pack.classes import ClassPage, class_page
from reports.pack.controls import Controls, Tested
from reports.pack.duty_table import DutyRow, duty_rows
from reports.pack.kept import Kept
from reports.pack.systems import System, Systems
from reports.ports import Evidence
from reports.times import UTC, day_in

_APART = ("notice_for", "duty")
"""Members by which entries of one kind are told apart in the duty table."""


class Watch:
    """All that looks at the entries of a range while they are read."""

    def __init__(self, workflow: str | None, systems: Iterable[System]) -> None:
        self.systems, self.controls, self.kept = Systems(systems), Controls(workflow), Kept(workflow)
        self.kinds: dict[str | None, Counter[str]] = {}
        self._workflow = workflow

    def see(self, entry: Entry) -> None:
        if self._workflow is None or entry.workflow in (self._workflow, None):
            seen = self.kinds.setdefault(entry.workflow, Counter())
            seen.update((entry.kind, *(f"{entry.kind}:{entry.facts[name]}" for name in _APART if name in entry.facts)))
        self.systems.see(entry)
        self.controls.see(entry)
        self.kept.see(entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the sections of a pack are written from."""

    day: str
    """The last day of the period, or of the pack where that is earlier: its law is printed."""
    law: Law
    stale: str | None
    standing_line: str
    systems: tuple[System, ...]
    classes: Mapping[str, ClassPage]
    duties: tuple[DutyRow, ...]
    statuses: tuple[tuple[str, int], ...]
    tests: tuple[Tested, ...]
    kept: Mapping[str, tuple[dict[str, Any], ...]]
    dates: tuple[tuple[str, str, str], ...]
    """What starts to bind, on which day, and where that stands."""
    disputes: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...]
    roles: tuple[str, ...]
    """What the company is by the answers of the classes that hold."""

    @property
    def annex_iv(self) -> bool:
        """A view by Annex IV is given for a high-risk class only that is confirmed, and released."""
        return any(system.released and _high_risk(system.tier) for system in self.systems)


def _high_risk(tier: str | None) -> bool:
    return tier in data()[0]["duties"]["chapter_iii_classes"]


def report_of(watch: Watch, evidence: Evidence, *, end: str, made: str, zone: str = UTC) -> Report:
    """Put a report together.

    Args:
        end: the instant at which the period ends.
        made: the instant of the pack; both RFC 3339.
        zone: of the days.
    """
    day = last_day(end, made, zone)
    law = law_on(day)
    systems = tuple(watch.systems.found.values())
    duties = duty_rows(duties_on(day), systems, watch.kinds)
    shown = Counter(row.status for row in duties)
    return Report(
        day=day, law=law, stale=stale_line(day_in(made, zone)),
        standing_line=data()[0]["sources"]["standing_line"],
        systems=systems, duties=duties, statuses=tuple(sorted(shown.items())), tests=tuple(watch.controls.tests),
        classes={one.name: class_page(one.classified, evidence) for one in systems if one.classified},
        kept=watch.kept.tables(evidence), dates=tuple(_dates(law)), disputes=tuple(_disputes(day)),
        roles=tuple(sorted({role for one in systems for role in one.roles_by_answers})),
    )  # fmt: skip


def last_day(end: str, made: str, zone: str) -> str:
    """Return the last day of a period, or that of the pack where it is earlier; never before the law data begin."""
    before = datetime.fromisoformat(end) - timedelta(microseconds=1)
    last = day_in(before.isoformat(), zone)
    return max(min(last, day_in(made, zone)), str(data()[0]["dates"]["first_day"]))


def _dates(law: Law) -> list[tuple[str, str, str]]:
    starts = data()[0]["dates"]["starts"]
    rows = []
    for name, day in sorted(law.starts.items(), key=lambda one: one[1]):
        valid = next(one for one in starts[name]["versions"] if one["day"] == day)
        rows.append((starts[name]["title"], day, source_said(f"{valid['source']['id']}: {valid['source']['locus']}")))
    return rows


def _disputes(day: str) -> list[tuple[str, tuple[tuple[str, str, str], ...]]]:
    """Return the disputes of a day: two readings or more of texts that were in the books then."""
    sources, found = data()[0]["sources"]["sources"], []
    for dispute in data()[0]["duties"]["disputes"].values():
        readings = tuple(
            (one["says"], one["because"], source_said(f"{one['source']['id']}: {one['source']['locus']}"))
            for one in dispute["readings"]
            if sources[one["source"]["id"]].get("since", day) <= day
        )
        if len(readings) > 1 and dispute.get("printed", True):
            found.append((dispute["question"], readings))
    return found


def open_findings(report: Report) -> Sequence[str]:
    """List in words what the summary has to name: exceptions of tests, contradictions, what has no confirmed class."""
    found = [
        f"{test.id}: {test.exceptions} of {test.population}: {test.fails}" for test in report.tests if test.exceptions
    ]
    if report.kept["incident"]:
        found.append(f"Incidents are on record: {len(report.kept['incident'])} entries, section 13.")
    if report.stale:
        found.append(report.stale)
    for system in report.systems:
        if system.calls and system.tier is None:
            why = "changed since its class was confirmed" if system.classified else "has no confirmed risk class"
            found.append(f"Workflow {system.name} made {system.calls} calls and {why}.")
        if system.roles_by_answers and system.role not in system.roles_by_answers:
            found.append(f"Workflow {system.name}: declared as {system.role}, but not by the answers of section 4.")
        elif len(system.roles_by_answers) > 1:
            roles = " and ".join(system.roles_by_answers)
            found.append(f"Workflow {system.name}: declared as {system.role}, {roles} by the answers of section 4.")
        if system.name in report.classes and report.classes[system.name].readings and system.tier:
            found.append(f"Workflow {system.name}: its class is debatable, section 4 shows the other reading.")
        if (review := system.declared.get("next_review")) and review < report.day:
            found.append(f"Workflow {system.name}: its review of {review} is overdue.")
        if system.undeclared_models:
            models = ", ".join(system.undeclared_models)
            found.append(f"Workflow {system.name}: answered by models that it does not declare: {models}.")
    return found
