"""What entries of approvals do to the state rows. Pure."""

from typing import Any

from gateway.state.rows import approval_row, held_row, undecided_row
from ledger.entry import Draft, Entry
from ledger.unit import State

Changes = dict[str, Any]
_KEPT = (
    "digest", "shown", "roles", "people", "minutes", "until", "on_timeout", "escalate_to", "requesters", "environment",
    "key", "asked_at", "of", "stream",
)  # fmt: skip


def changes_of_approval(item: Draft | Entry, state: State) -> Changes:
    """Return the rows that an entry of an approval changes; what waits is sent by webhook where there is one."""
    facts = item.facts
    message = {"type": item.kind, "workflow": item.workflow, "data": dict(facts)}
    moved: Changes = {}
    if facts.get("deliver"):
        moved = {f"deliver:{item.id}": {"tries": 0, "next": "", "message": message}}
    return moved | _moved(item, state)


def _moved(item: Draft | Entry, state: State) -> Changes:
    facts = item.facts
    name = approval_row(facts["approval_ref"])
    if item.kind == "approval.requested":
        said = dict(facts) | {"digest": facts["request"], "escalate_to": facts.get("escalate_to", [])}
        header = {"call": item.call, "task": item.task, "workflow": item.workflow, "sub": item.sub}
        row = {key: said[key] for key in _KEPT} | header | {"state": "requested"}
        undecided = {undecided_row(facts["approval_ref"]): {"until": facts["until"]}}
        return {name: row | {"escalated": False, "approved": []}, held_row(facts["request"]): _of(facts)} | undecided
    old = state.get(name)
    if old is None:
        return {}
    if item.kind == "approval.escalated":
        undecided = {undecided_row(facts["approval_ref"]): {"until": facts["until"]}}
        return {name: old | {"escalated": True, "until": facts["until"]}} | undecided
    if item.kind == "approval.expired":
        return _settled(facts, old | {"state": facts["state"], "until": facts["until"]}, state)
    approved = [*old["approved"], item.act] if facts["decision"] == "approve" else old["approved"]
    row = old | {"approved": approved, "state": facts["state"], "until": facts["until"], "waited": facts["waited_s"]}
    return {name: row} if facts["state"] == "requested" else _settled(facts, row, state)


def _of(facts: Any) -> dict[str, Any]:
    return {"approval": facts["approval_ref"]}


def _settled(facts: Any, row: dict[str, Any], state: State) -> Changes:
    """Return the rows of an approval that nobody is asked about any more."""
    held = _let_go(row, facts["approval_ref"], state) if row["state"] in ("rejected", "expired") else {}
    return {approval_row(facts["approval_ref"]): row, undecided_row(facts["approval_ref"]): None} | held


def _let_go(row: dict[str, Any], approval: str, state: State) -> Changes:
    """A request that waits for another approval by now goes on waiting."""
    name = held_row(row["digest"])
    return {name: None} if state.get(name) == {"approval": approval} else {}


def changes_of_use(call: str | None, approval: str, state: State) -> Changes:
    """Return the rows that change when a call has what was approved: it is good for one."""
    old = state.get(approval_row(approval))
    if old is None:
        return {}
    used = old | {"state": "used", "used_by": call}
    return {approval_row(approval): used, undecided_row(approval): None} | _let_go(old, approval, state)
