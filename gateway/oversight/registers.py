"""What people put on record beside calls: notices, marks, training, statements, documents, requests, incidents.

Fields are closed answers, days and counts, so that no personal data gets into an entry; words are sealed. What a
register takes is data (reports/registers.yaml).
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from classifiers.facts import FactsInvalid, day
from classifiers.law.duties import duties_on
from gateway.oversight.acts import act
from gateway.oversight.people import Actor, ActRefused
from gateway.store.installation import Installation
from ledger.entry import Entry, b64
from ledger.ids import new_id
from reports.registers import registers

MOST_PEOPLE = 1_000_000


def record(
    installation: Installation, actor: Actor, register: str, workflow: str | None, fields: Mapping[str, str],
    *, words: str = "", content: bytes | None = None, incident: str | None = None,
    alert: str | None = None,
) -> str:  # fmt: skip
    """Put a fact on record and return the id of its entry; of an incident, the id of the incident.

    Args:
        words: sealed; what was said, shown or stated.
        content: of a document; only its SHA-256 is kept.
        incident: the incident that this goes on with.
        alert: of an incident that begins, the alert that told of it; its workflow is the alert's.

    Raises:
        ActRefused: unknown register, field, answer or workflow; something required is missing; or no role for it.
    """
    if register not in registers():
        raise ActRefused(f"registers are {', '.join(registers())}; not {register}")
    row = registers()[register]
    facts = _facts(row, fields, installation.clock().date().isoformat(), follows=incident is not None)
    raised = _raised(installation, row, incident, alert) if alert else None
    workflow = raised.workflow if raised and workflow is None else workflow
    if workflow is not None and installation.reader.state(f"workflow:{workflow}") is None:
        raise ActRefused(f"workflow {workflow} is not registered")
    if bool(row.get("file")) != (content is not None):
        raise ActRefused(f"{register}: give the file with --file" if row.get("file") else f"{register} takes no file")
    kind, more = _kind(installation, row, facts, incident)
    refs = {"document": b64(hashlib.sha256(content).digest())} if content is not None else {}
    written = act(
        installation, kind, actor, roles=row["roles"], workflow=workflow, refs=refs,
        facts=facts | more | ({"alert_ref": alert} if alert else {}),
        texts={"words": words} if words.strip() else None,
    )  # fmt: skip
    return str(more.get("incident_ref") or written.receipts[0].id)


def _raised(installation: Installation, row: Mapping[str, Any], incident: str | None, alert: str) -> Entry:
    if "follow_up" not in row or incident is not None:
        raise ActRefused("only an incident that begins is opened by an alert")
    found = installation.reader.entries(installation.reader.find("alert", alert))
    raised = next((one for one in found if one.kind == "alert.raised"), None)
    if raised is None:
        raise ActRefused(f"there is no alert {alert}")
    return raised


def _kind(
    installation: Installation, row: Mapping[str, Any], facts: Mapping[str, Any], incident: str | None
) -> tuple[str, dict[str, Any]]:
    if "follow_up" not in row:
        if incident:
            raise ActRefused("only an incident is gone on with")
        return str(row["kind"]), {}
    if incident is None:
        return str(row["kind"]), {"incident_ref": new_id("inc", installation.clock())}
    if not installation.reader.find("incident", incident):
        raise ActRefused(f"there is no incident {incident}")
    return str(row["follow_up"][facts.get("state", "updated")]), {"incident_ref": incident}


def _facts(row: Mapping[str, Any], fields: Mapping[str, str], today: str, *, follows: bool) -> dict[str, Any]:
    if strange := sorted(set(fields) - set(row["fields"])):
        raise ActRefused(f"no field {', '.join(strange)}; there are {', '.join(row['fields'])}")
    missing = [] if follows else [name for name in row["required"] if name not in fields]
    if missing:
        raise ActRefused(f"still needed: {', '.join(missing)}")
    return {name: _read(name, row["fields"][name], given, today) for name, given in fields.items()}


def _read(name: str, kind: Any, given: str, today: str) -> Any:
    if kind == "day":
        return _past_day(name, given, today)
    if kind == "count":
        if not (given.isascii() and given.isdecimal() and int(given[:8]) <= MOST_PEOPLE and len(given) <= 8):
            raise ActRefused(f"{name}: {given!r} is no number of people")
        return int(given)
    known = [duty.id for duty in duties_on(today)] if kind == "duty" else list(kind)
    if given not in known:
        raise ActRefused(f"{name}: {given!r} is not one of {', '.join(known)}")
    return given


def _past_day(name: str, given: str, today: str) -> str:
    """Return a day on which something can have happened: what lies ahead is no record."""
    try:
        found = day(given, name)
    except FactsInvalid as error:
        raise ActRefused(str(error)) from None
    if found > today:
        raise ActRefused(f"{name}: {found} lies ahead; put on record what has happened")
    return found
