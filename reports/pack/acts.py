"""Rows of what people did: approvals, overrides, and what they set up, granted, stopped or took back."""

from typing import Any

from ledger.entry import Entry
from reports.ports import Evidence
from reports.why.words import coded, name_of, person, quoted, verb_of, when

KINDS = {
    "config.activated": "activated the configuration",
    "prompt.registered": "registered a version of prompt",
    "prompt.promoted": "promoted a version of prompt",
    "workflow.registered": "registered workflow",
    "workflow.released": "released workflow",
    "workflow.classified": "confirmed the risk class of",
    "stop.engaged": "stopped",
    "stop.released": "lifted the stop of",
    "key.issued": "issued a gateway key",
    "key.revoked": "revoked a gateway key",
    "person.enrolled": "enrolled",
    "role.granted": "granted a role to",
    "role.revoked": "took a role from",
    "token.issued": "issued a new personal token to",
    "token.revoked": "revoked the personal token of",
    "translation.confirmed": "confirmed a translation",
}


DECISIONS = ("override.recorded", "approval.decided")
"""What people decide about calls."""


def is_approval(entry: Entry) -> bool:
    return entry.kind in DECISIONS and "approve" in (entry.facts.get("action"), entry.facts.get("decision"))


def decision(entry: Entry, evidence: Evidence) -> dict[str, Any]:
    """Return the row of a person's decision about a call, with what they saw and changed."""
    given = quoted(entry, "reason", evidence) if "reason" in entry.c or not coded(entry) else ""
    return {
        "at": when(entry, evidence),
        "seq": entry.seq,
        "call": entry.call,
        "person": person(entry, evidence),
        "action": verb_of(entry),
        "reason": (coded(entry) + given).removesuffix(", "),
        "seen": [(label, quoted(entry, name, evidence)) for label, name in _SEEN if name in entry.c],
    }


_SEEN = (("shown to them", "presented"), ("before", "before"), ("after", "after"))


def act(entry: Entry, evidence: Evidence) -> dict[str, Any]:
    """Return the row of another act."""
    about, named = _about(entry, evidence)
    return {
        "at": when(entry, evidence),
        "seq": entry.seq,
        "person": person(entry, evidence),
        "what": f"{KINDS[entry.kind]} {about}".strip(),
        "id": named,
        "stop": entry.kind.startswith("stop."),
        "reason": quoted(entry, "reason", evidence) if "reason" in entry.c else "",
    }


def _about(entry: Entry, evidence: Evidence) -> tuple[str, str]:
    """Return in words what an act was about, and the id of it where the words do not name it."""
    facts = entry.facts
    if whom := facts.get("person_ref"):
        roles = f": {', '.join(facts['roles'])}" if facts.get("roles") else ""
        return name_of(str(whom), evidence) + roles, ""
    if name := facts.get("prompt_ref"):
        place = f" in {facts['environment']}" if "environment" in facts else ""
        return f"{name}, version {facts['version']}{place}", ""
    if key := facts.get("key"):
        whose = f"of {entry.workflow} " if entry.workflow else ""
        room = f"in {facts['environment']}" if "environment" in facts else ""
        return f"{whose}{room}", str(key)
    noun, _, what = str(facts.get("scope", "")).partition(":")
    if noun in ("task", "key"):
        return f"a {noun}", what
    return ("everything" if noun == "all" else f"{noun} {what}" if what else entry.workflow or ""), ""
