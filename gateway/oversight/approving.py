"""What people decide about held calls, and what becomes of those about which nobody decides in time."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gateway.approvals.standing import deciders, later, standing
from gateway.configuration.model import Configuration
from gateway.oversight.acts import active_configuration, require_reason
from gateway.oversight.people import Actor, ActRefused, held_roles
from gateway.state.changes import changes_of_all
from gateway.state.rows import approval_row, held_row, undecided_row
from gateway.store.installation import Installation
from ledger.entry import Draft, Sealed, format_time, parse_time
from ledger.ids import is_id, new_id
from ledger.unit import State, Step, Unit

DECISIONS = ("approve", "reject")
REFUSALS = {
    "unknown": "there is no such approval",
    "role": "this needs the role {roles}; the person has {held}",
    "requester": "whoever asks for a call, or whom it is about, does not decide about it: ask somebody else",
    "twice": "you have approved it; another person must too",
    "over": "it is over: nobody decided in time",
    "decided": "it was decided before: it stands as {state}",
    "shown": "what you were shown is not what is held now; open it again",
}
"""Why a decision is not taken, by the word that stands in the entry."""


def decide(installation: Installation, actor: Actor, approval: str, decision: str, reason: str, shown: str) -> str:
    """Record what a person decides about a held call; returns how it stands then: requested, approved or rejected.

    Args:
        shown: the digest of what they were shown.

    Raises:
        ActRefused: and that somebody tried is on record, unless they gave no reason or no decision.
    """
    require_reason(reason)
    if decision not in DECISIONS:
        raise ActRefused(f"a decision is one of {', '.join(DECISIONS)}")
    row = installation.reader.state(approval_row(approval)) if is_id(approval, "appr") else None
    if row is None:
        raise ActRefused(REFUSALS["unknown"])
    deliver = active_configuration(installation)[0].alerts.webhook is not None
    entry_id = new_id("ent", installation.clock())
    sealed = installation.vault.seal({"reason": reason}, entry_id=entry_id)
    rows = [approval_row(approval), undecided_row(approval), held_row(row["digest"]), actor.row]

    def run(state: State, at: datetime) -> Step:
        actor.require_token(state)
        known = state[approval_row(approval)]
        why = _refusal(known, state, actor, at, decision, shown)
        if why:
            facts = {"approval_ref": approval, "decision": decision, "because": why, "assurance": actor.assurance}
            draft = _draft("approval.objected", entry_id, known, actor, facts, sealed)
            return Step([draft], changes_of_all([draft], state), ActRefused(_said(why, known, state, actor, at)))
        facts = _facts(approval, known, decision, at) | {"assurance": actor.assurance, "shown": shown}
        draft = _draft("approval.decided", entry_id, known, actor, facts | {"deliver": deliver}, sealed)
        return Step([draft], changes_of_all([draft], state), facts["state"])

    answer = installation.log.append(Unit(keys=lambda _at: rows, run=run)).answer
    if isinstance(answer, ActRefused):
        raise answer
    return str(answer)


def _refusal(row: Mapping[str, Any], state: State, actor: Actor, at: datetime, decision: str, shown: str) -> str:
    """Return why a person may not decide so; empty where they may."""
    stands = standing(row, format_time(at))
    if stands != "requested":
        return "over" if stands in ("expired", "lapsed") else "decided"
    if not set(held_roles(state.get(actor.row), at)) & set(deciders(row, format_time(at))):
        return "role"
    if actor.pseudonym in row["requesters"]:
        return "requester"
    if decision == "approve" and actor.pseudonym in row["approved"]:
        return "twice"
    return "" if shown == row["shown"] else "shown"


def _said(why: str, row: Mapping[str, Any], state: State, actor: Actor, at: datetime) -> str:
    held = ", ".join(held_roles(state.get(actor.row), at)) or "none"
    roles = " or ".join(deciders(row, format_time(at)))
    return REFUSALS[why].format(roles=roles, held=held, state=row["state"])


def _facts(approval: str, row: Mapping[str, Any], decision: str, at: datetime) -> dict[str, Any]:
    """Return what a decision changes: one who rejects is enough, who approve must be as many as the workflow asks."""
    now = format_time(at)
    have = len(row["approved"]) + (decision == "approve")
    state = "rejected" if decision == "reject" else "approved" if have >= row["people"] else "requested"
    until = row["until"] if state == "requested" else later(now, row["minutes"])
    waited = int((at - parse_time(row["asked_at"])).total_seconds())
    return {
        "approval_ref": approval, "decision": decision, "state": state, "until": until, "have": have,
        "needed": row["people"], "waited_s": max(0, waited),
    }  # fmt: skip


def _draft(
    kind: str, entry_id: str, row: Mapping[str, Any], actor: Actor | None, facts: Mapping[str, Any],
    sealed: tuple[Mapping[str, str], Sealed | None] = ({}, None),
) -> Draft:  # fmt: skip
    return Draft(
        id=entry_id, kind=kind, call=row["call"], task=row["task"], workflow=row["workflow"], sub=row["sub"],
        act=actor.pseudonym if actor else None, facts=facts, c=sealed[0], contents=sealed[1],
    )  # fmt: skip


class Deadlines:
    """Puts on record what becomes of held calls about which nobody has decided in time; one process does."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation

    def look(self, configuration: Configuration) -> None:
        """Escalate, let through or end what is over."""
        installation = self._installation
        now = format_time(installation.clock())
        for name, waiting in installation.reader.states("undecided:").items():
            if waiting["until"] <= now and installation.checkpointer.has_turn():
                self._end(name.removeprefix("undecided:"), deliver=configuration.alerts.webhook is not None)

    def _end(self, approval: str, *, deliver: bool) -> None:
        row = self._installation.reader.state(approval_row(approval))
        rows = [approval_row(approval), undecided_row(approval), held_row(row["digest"])] if row else []

        def run(state: State, at: datetime) -> Step:
            known, now = state.get(approval_row(approval)), format_time(at)
            if not known or known["state"] != "requested" or known["until"] > now:
                return Step()
            kind, facts = _what_becomes(known, now)
            facts |= {"approval_ref": approval, "deliver": deliver}
            draft = _draft(kind, new_id("ent", at), known, None, facts)
            return Step([draft], changes_of_all([draft], state))

        self._installation.log.append(Unit(keys=lambda _at: rows, run=run))


def _what_becomes(row: Mapping[str, Any], now: str) -> tuple[str, dict[str, Any]]:
    """Return kind and facts of the entry about an approval whose time is over."""
    if row["on_timeout"] == "escalate" and not row["escalated"]:
        return "approval.escalated", {"roles": list(row["escalate_to"]), "until": later(now, row["minutes"])}
    through = row["on_timeout"] == "allow_with_flag"
    until = later(row["until"], row["minutes"]) if through else row["until"]
    return "approval.expired", {
        "state": "lapsed" if through else "expired",
        "until": until,
        "have": len(row["approved"]),
    }
