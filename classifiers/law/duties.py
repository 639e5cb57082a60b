"""The duties that a gateway's records can touch, in the wording and with the dates of a day."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from classifiers.law.records import Source, data, in_books


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """One duty as it stood in the books on a day. `starts` has a day for each case that the law tells apart."""

    id: str
    article: str
    obligation: str
    source: Source
    bearer: tuple[str, ...]
    applies_to: tuple[str, ...]
    evidence_class: str
    evidence_needed: tuple[str, ...]
    records: tuple[str, ...]
    cannot_prove: str
    starts: Mapping[str, str]
    disputes: tuple[Mapping[str, Any], ...]
    deadlines: Mapping[str, Any]
    overlays: tuple[str, ...]
    """The overlays of a class that bring this duty; empty: it does not depend on one."""

    whole: bool
    """Records can evidence it, not partly only."""
    decisive: tuple[str, ...] | None
    """Kinds of entries without which nothing is shown; `None`: no single kind decides."""

    @property
    def annex_iv(self) -> bool:
        """It is an item of the technical documentation's list."""
        return self.id.startswith("annexIV")

    def status(self, at: str) -> str:
        """Return `disputed`, `adopted_not_applicable` when no start has come, or `in_force`."""
        if any("date" in one for dispute in self.disputes for one in dispute["readings"]):
            return "disputed"
        return "in_force" if min(self.starts.values()) <= at else "adopted_not_applicable"


@lru_cache(maxsize=64)
def duties_on(at: str) -> tuple[Duty, ...]:
    """Return the duties in the books on a day; not those whose source nobody opened, nor what is no duty."""
    said, sources = data()[0]["duties"], data()[0]["sources"]["sources"]
    found = []
    for row in said["duties"]:
        valid, dates = in_books(row["versions"], at), in_books(said["dates"][row["applies_from"]], at)
        if valid and dates and not row.get("no_duty") and sources[valid["source"]["id"]]["how"] != "memory":
            found.append(_duty(row, valid, dates["values"], said["disputes"]))
    return tuple(found)


def _duty(row: Mapping[str, Any], valid: Mapping[str, Any], starts: Mapping[str, str], disputes: Any) -> Duty:
    return Duty(
        id=row["id"], article=row["article"], obligation=valid["obligation"], source=Source(**valid["source"]),
        bearer=row["bearer"], applies_to=row["applies_to"], evidence_class=row["evidence_class"],
        evidence_needed=row["evidence_needed"], records=row["ledger_records"], cannot_prove=row["cannot_prove"],
        starts=starts, disputes=tuple(disputes[name] for name in row.get("readings", ())),
        deadlines=row.get("deadlines", {}), overlays=row.get("overlays", ()),
        whole=row.get("whole", False), decisive=row.get("decisive"),
    )  # fmt: skip


def classes() -> Mapping[str, str]:
    """Return what each class is called in `applies_to` of a duty."""
    found: Mapping[str, str] = data()[0]["duties"]["classes"]
    return found


def decided_roles() -> tuple[str, ...]:
    """Return the bearers of which the answers of a classification say whether the company is one."""
    found: tuple[str, ...] = data()[0]["duties"]["decided_roles"]
    return found


def roles_with(roles: Iterable[str], overlays: Iterable[str]) -> set[str]:
    """Return roles, and those that overlays bring."""
    brought = data()[0]["duties"]["roles_of_overlays"]
    return {*roles, *(brought[one] for one in overlays if one in brought)}


def kinds_of(duty: Duty, record: str | None = None) -> tuple[str, ...]:
    """Return the kinds of entries that are records of a duty, or those of one of its record types."""
    types = data()[0]["duties"]["record_types"]
    names = duty.records if record is None else (record,)
    return tuple(dict.fromkeys(kind for name in names for kind in types[name]["kinds"]))


def unprintable() -> tuple[str, ...]:
    """Return the ids of the duties that are left out because nobody opened their source."""
    said, sources = data()[0]["duties"], data()[0]["sources"]["sources"]
    return tuple(
        row["id"] for row in said["duties"]
        if any(sources[one["source"]["id"]]["how"] == "memory" for one in row["versions"])
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Recheck:
    """A record whose check is due: what it is, when it was checked, and why it is open."""

    what: str
    checked_on: str
    why: str


def due_for_recheck(today: str) -> list[Recheck]:
    """List what is to be checked again: everything once the day has passed, disputes and drafts always named."""
    files = data()[0]
    dates = files["dates"]
    found = []
    if today > dates["recheck_by"]:
        found.append(Recheck(what="all law data", checked_on=dates["checked_on"], why=f"due by {dates['recheck_by']}"))
    for name, source in files["sources"]["sources"].items():
        if source["how"] in ("draft", "memory") or source["compared_with_eurlex"] is None:
            why = {"draft": "a draft: look for the final text", "memory": "nobody opened it: it is not printed"}
            not_compared = "not compared with the Official Journal"
            found.append(Recheck(
                what=f"{name}: {source['title']}", checked_on=source["read_on"] or "never",
                why=why.get(source["how"], not_compared),
            ))  # fmt: skip
    for name, dispute in files["duties"]["disputes"].items():
        found.append(Recheck(what=f"{name}: {dispute['question']}", checked_on=dates["checked_on"], why="disputed"))
    return found
