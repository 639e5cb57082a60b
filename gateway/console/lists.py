"""What stands now, newest first: keys, people, releases of workflows, stops in force. Secrets are in none of it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.oversight.looking import within
from gateway.oversight.people import has_token, held_roles
from gateway.state.rows import CONTROL, control_of, release_of
from gateway.store.evidence import LiveEvidence
from gateway.store.installation import Installation
from ledger.entry import Entry
from reports.why.words import name_of

Row = dict[str, Any]
Scope = Collection[str] | None
STATUSES = ("active", "revoked")
RELEASES = {"released": "released", "stale": "changed since it was released", "none": "not released"}


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of rows. `before` is the entry where the next page goes on; nothing when there is no more."""

    rows: tuple[Row, ...]
    before: int | None


def list_keys(installation: Installation, chosen: Mapping[str, str], scope: Scope) -> list[Row]:
    """Return the gateway keys: who issued and who revoked each, and when."""
    found = {row.removeprefix("key:"): value for row, value in installation.reader.states("key:").items()}
    kept = {key: row for key, row in found.items() if within(row["workflow"], scope) and _fits(row, chosen)}
    evidence = LiveEvidence(installation)
    acts = evidence.find_each("key", kept)
    return [_key(key, row, acts.get(key, []), evidence) for key, row in kept.items()]


def _key(key: str, row: Mapping[str, Any], acts: Iterable[Entry], evidence: LiveEvidence) -> Row:
    by_kind = {entry.kind: entry for entry in acts}
    issued, revoked = by_kind.get("key.issued"), by_kind.get("key.revoked")
    return {
        "entry": issued.seq if issued else 0, "key": key, "environment": row["environment"],
        "workflow": row["workflow"], "status": row["status"], "max_daily_nano_eur": row.get("cap"),
        **_done("issued", issued, evidence), **_done("revoked", revoked, evidence),
    }  # fmt: skip


def list_people(installation: Installation, chosen: Mapping[str, str]) -> list[Row]:
    """Return the people: their names, the roles that they hold now, and since when they are enrolled."""
    evidence, now = LiveEvidence(installation), installation.clock()
    rows = []
    for name, value in installation.reader.states("person:").items():
        pseudonym, roles = name.removeprefix("person:"), held_roles(value, now)
        enrolled = evidence.first("person", pseudonym)
        if enrolled is None or (chosen.get("role") and chosen["role"] not in roles):
            continue
        box = value.get("box") or {}
        rows.append({
            "entry": enrolled.seq, "person": pseudonym, "name": name_of(pseudonym, evidence), "roles": roles,
            "since": enrolled.at, "token": "valid" if has_token(value) else "revoked",
            "auditor_until": box.get("until"), "auditor_workflows": box.get("workflows", []),
        })  # fmt: skip
    return rows


def list_releases(installation: Installation, chosen: Mapping[str, str], scope: Scope) -> list[Row]:
    """Return the workflows on record and how each stands: who released it, and whether it changed since."""
    evidence, day = LiveEvidence(installation), installation.clock().date().isoformat()
    rows = []
    for name, value in installation.reader.states("workflow:").items():
        workflow, state = name.removeprefix("workflow:"), release_of(value, day)
        row = {"workflow": workflow, "state": state}
        if not within(workflow, scope) or not _fits(row, chosen):
            continue
        acts = {entry.id: entry for entry in evidence.find("workflow", workflow)}
        registered, released = acts.get(value["registered"]), acts.get(value["released"])
        last = released or registered
        rows.append({"entry": last.seq if last else 0, **row, **_done("released", released, evidence)})
    return rows


def list_stops(installation: Installation, scope: Scope) -> list[Row]:
    """Return the stops in force: since when, by whom and why. A revoked key is no stop; it can only be replaced."""
    evidence = LiveEvidence(installation)
    stops = control_of({CONTROL: installation.reader.state(CONTROL)})["stops"]
    rows = []
    for what, by in stops.items():
        engaged = next((entry for entry in evidence.find("scope", what) if entry.id == by), None)
        touched = _workflows(installation, what, evidence)
        if engaged is None or not (what == "all" or any(within(one, scope) for one in touched)):
            continue
        first = evidence.first("task", what.removeprefix("task:")) if what.startswith("task:") else None
        task = evidence.content(first, "task").value if first and "task" in first.c else None
        reason = evidence.content(engaged, "reason")
        rows.append({
            "entry": engaged.seq, "scope": what, "workflow": touched[0] if len(touched) == 1 else None, "task": task,
            **_done("stopped", engaged, evidence), "reason": reason.value if reason.missing is None else None,
        })  # fmt: skip
    return rows


def stop_said(row: Mapping[str, Any]) -> str:
    """Say what a stop in the list is of: everything, a workflow, a key, or a task by its name where that is kept."""
    noun, _, what = str(row["scope"]).partition(":")
    if noun == "task":
        return f"task \u201c{row['task']}\u201d" if row["task"] else "a task"
    return "everything" if noun == "all" else f"{noun} {what}"


def _workflows(installation: Installation, scope: str, evidence: LiveEvidence) -> list[str | None]:
    """Return the workflows that a stop touches; of a task, those whose calls are in it, or none that is known."""
    noun, _, name = scope.partition(":")
    if noun == "workflow":
        return [name]
    if noun == "key":
        return [(installation.reader.state(scope) or {}).get("workflow")]
    found = [one.workflow for one in evidence.find_task(name) if one.call] if noun == "task" else []
    return list(dict.fromkeys(found)) or [None]


def page_of(rows: Iterable[Row], limit: int, before: int | None) -> Listed:
    """Return the newest rows before an entry."""
    ordered = sorted((row for row in rows if before is None or row["entry"] < before), key=_newest)
    shown = ordered[:limit]
    return Listed(tuple(shown), shown[-1]["entry"] if len(ordered) > limit else None)


def _newest(row: Row) -> int:
    return -int(row["entry"])


def _fits(row: Mapping[str, Any], chosen: Mapping[str, str]) -> bool:
    return all(row[name] == value for name, value in chosen.items() if value)


def _done(verb: str, entry: Entry | None, evidence: LiveEvidence) -> Row:
    """Say when something was done and by whom; nothing where it was not."""
    by = name_of(entry.act, evidence) if entry and entry.act else None
    return {f"{verb}_at": entry.at if entry else None, f"{verb}_by": by}
