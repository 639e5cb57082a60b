"""What entries do to the state rows: one pure function, used when they are appended and when the state is rebuilt.

Because every unit takes its changes from here, the rows are a projection of the log by construction, apart from those
in `rows.EPHEMERAL`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gateway.state import rollup
from gateway.state.approvals import changes_of_approval, changes_of_use
from gateway.state.holds import changes_of_hold
from gateway.state.outcomes import changes_of_outcome
from gateway.state.rows import (
    CONTROL,
    UNDELIVERED,
    alert_row,
    control_of,
    day_of,
    human_row,
    imported_row,
    prompt_row,
    quality_row,
    review_row,
    scheduled_row,
    similar_row,
    task_row,
)
from ledger.entry import Draft, Entry
from ledger.unit import GAP, HALT, State

MOST_UNDELIVERED = 64
MOST_SAME = 32
"""How many different calls, and calls of tools, a task's row remembers, the latest."""
SHORT, REMEMBERED = 8, 128
"""Characters of a keyed digest by which a task remembers a call of a tool that was given out, and how many it does."""
_NO_CALLS: dict[str, Any] = {"calls": 0, "cost": 0}
Item = Draft | Entry
Changes = dict[str, Any]


def changes_of(item: Item, state: State) -> Changes:
    """Return the rows that `item` changes, given the rows before it. A kind without a rule changes none."""
    rule = _RULES.get(item.kind)
    return rule(item, state) if rule else {}


def changes_of_all(items: Iterable[Item], state: State) -> Changes:
    """Return the rows that `items` change, one after another."""
    working, changes = dict(state), Changes()
    for one in items:
        moved = changes_of(one, working)
        working |= moved
        changes |= moved
    return changes


def _exported(item: Item, _state: State) -> Changes:
    facts = item.facts
    if "scheduled" not in facts:
        return {}
    row = scheduled_row(facts["scheduled"], item.workflow, facts["scope"]["from"], brief=facts["brief"])
    return {row: {"pack": facts["pack_ref"]}}


def _human(item: Item, state: State) -> Changes:
    if "day" not in item.facts:  # of an early build
        return {}
    row = human_row(item.facts["day"], item.workflow)
    old, action = state.get(row) or {}, item.facts.get("action", "stop")
    return {row: old | {action: old.get(action, 0) + 1}}


def _incident(item: Item, state: State) -> Changes:
    row, facts = f"incident:{item.facts['incident_ref']}", item.facts
    message = {"type": item.kind, "workflow": item.workflow, "data": dict(facts)}
    waits = {f"deliver:{item.id}": {"tries": 0, "next": "", "message": message}} if facts.get("deliver") else {}
    said = {"severity": facts["severity"]} if "severity" in facts else {}
    if item.kind == "incident.opened":
        return waits | {row: {"workflow": item.workflow, "day": facts.get("day", ""), "open": True} | said}
    return waits | ({row: state[row] | said | {"open": item.kind != "incident.closed"}} if row in state else {})


def _scored(item: Item, state: State) -> Changes:
    facts, row = item.facts, quality_row(item.facts, item.workflow)
    old = state.get(row) or {"drawn": {}, "always": {}}
    among = "drawn" if facts["drawn"] else "always"
    counted = old[among] | {facts["verdict"]: old[among].get(facts["verdict"], 0) + 1}
    cost = facts.get("cost_nano_eur", 0)
    moved = {row: old | {among: counted, "cost": old.get("cost", 0) + cost}}
    if item.task and cost:  # what it cost to score an answer is a cost of the task
        name = task_row(item.workflow, item.task)
        known = state.get(name) or _NO_CALLS
        moved[name] = known | {"evaluation": known.get("evaluation", 0) + cost}
    return moved


def _imported(item: Item, _state: State) -> Changes:
    kept = {name: value for name, value in item.facts.items() if name not in ("digest", "assurance", "suite")}
    return {imported_row(item.workflow, item.facts): kept}


def _reviewed(item: Item, state: State) -> Changes:
    facts, row = item.facts, review_row(item.facts)
    old = state.get(row) or {}
    pair = f"{facts['judged']}>{facts['verdict']}"
    return {row: old | {pair: old.get(pair, 0) + 1}}


def _alerted(item: Item, _state: State) -> Changes:
    """What was raised is active until it is resolved; each message waits until it was delivered."""
    facts = item.facts
    message = {"type": item.kind, "workflow": item.workflow, "data": dict(facts)}
    waiting = {f"deliver:{item.id}": {"tries": 0, "next": "", "message": message}} if facts["deliver"] else {}
    row = {"alert": facts["alert_ref"], "workflow": item.workflow, "said_at": facts["said_at"]}
    active = None if item.kind == "alert.resolved" else row
    return waiting | {alert_row(facts["rule"], facts["subject"]): active}


def _outcome(item: Item, state: State) -> Changes:
    return changes_of_outcome(item.task or "", item.id, item.facts, state)


def _opened(item: Item, state: State) -> Changes:
    facts = item.facts
    changes: Changes = {
        f"call:{item.call}": {
            "boot": facts["boot"],
            "budgets": [one["row"] for one in facts["budgets"]],
            "reserved": facts["reserved_nano_eur"],
            "task": item.task,
            "workflow": item.workflow,
            "environment": facts["environment"],
            "key": facts["key"],
            "route": facts["route_ref"],
            **({"prompt": facts["prompt"]} if "prompt" in facts else {}),
            **({"same": facts["same_ref"]} if "same_ref" in facts else {}),
        }
    }
    if item.task:
        row = task_row(item.workflow, item.task)
        old = state.get(row) or _NO_CALLS
        day = day_of(changes[f"call:{item.call}"]["budgets"])
        changes[row] = old | {"calls": old["calls"] + 1, "first": old.get("first") or day, "last": day}
        if not facts.get("tool_rounds") and "tools" in old:  # a person has spoken: what was called before is past
            changes[row]["tools"] = []
        if facts.get("screening", {}).get("data"):
            changes[row]["data"] = True
        changes[row]["reserved"] = old.get("reserved", 0) + facts["reserved_nano_eur"]
    if "approval_ref" in facts:
        changes |= changes_of_use(item.call, facts["approval_ref"], state)
    return changes | _move(state, changes[f"call:{item.call}"]["budgets"], reserved=facts["reserved_nano_eur"])


def _extended(item: Item, state: State) -> Changes:
    call = state[f"call:{item.call}"]
    more = item.facts["reserved_nano_eur"]
    grown: Changes = {f"call:{item.call}": call | {"reserved": call["reserved"] + more}}
    if item.task and (old := state.get(row := task_row(item.workflow, item.task))):
        grown[row] = old | {"reserved": old.get("reserved", 0) + more}
    return grown | _move(state, call["budgets"], reserved=more)


def _ended(item: Item, state: State) -> Changes:
    call, facts = state[f"call:{item.call}"], item.facts
    cost, named = facts["cost_nano_eur"], item.task is not None
    moved = _move(state, call["budgets"], reserved=-call["reserved"], spent=cost)
    row = rollup.row_of(day_of(call["budgets"]), item.workflow, facts, call)
    moved[row] = rollup.plus(state.get(row), facts, named=named, result=facts.get("result", "interrupted"))
    if named:
        row_of_task = task_row(item.workflow, item.task)
        moved[row_of_task] = _used_in_task(state.get(row_of_task) or _NO_CALLS, call, facts)
    if "undelivered" in facts:
        known = {key: one for key, one in (state.get(UNDELIVERED) or {}).items() if key != facts["undelivered"]}
        kept = dict(sorted(known.items(), key=lambda one: str(one[1]["at"]))[-MOST_UNDELIVERED + 1 :])
        moved[UNDELIVERED] = kept | {facts["undelivered"]: {"call": item.call, "at": facts["undelivered_at"]}}
    if (agreed := facts.get("similar", {}).get("agreed")) is not None:
        name = similar_row(item.workflow, facts["route"])
        old = state.get(name) or {"verified": 0, "wrong": 0}
        moved[name] = {"verified": old["verified"] + 1, "wrong": old["wrong"] + (not agreed)}
    if facts["cost_state"] == "upper_bound":
        moved[f"bound:{item.call}"] = {"sum": row}
    return {f"call:{item.call}": None} | moved


def _used_in_task(old: dict[str, Any], call: dict[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Count the end of a call in its task: its cost, its retries, what was the same and which tools were called."""
    used = old | {"cost": old.get("cost", 0) + facts["cost_nano_eur"]}
    used["reserved"] = max(0, old.get("reserved", 0) - call["reserved"])
    if more := max(0, len(facts.get("attempts", ())) - 1):
        used["retries"] = old.get("retries", 0) + more
    if facts.get("result") == "answered" and "same" in call and "cached_from_ref" not in facts:
        known = [one for one in old.get("same", ()) if one[0] != call["same"]]
        again = dict(old.get("same", ())).get(call["same"], 0) + 1
        used["same"] = [*known, [call["same"], again]][-MOST_SAME:]
    if tools := [one["same_ref"] for one in facts.get("tool_calls", ()) if "same_ref" in one]:
        used["tools"] = [*old.get("tools", ()), *tools][-MOST_SAME:]
        if facts.get("result") not in ("refused_answer", "held"):
            used["released"] = [*old.get("released", ()), *(one[:SHORT] for one in tools)][-REMEMBERED:]
    return used


def _spent_in_task(row: str, state: State, cost: int) -> Changes:
    old = state.get(row) or _NO_CALLS
    return {row: old | {"cost": old.get("cost", 0) + cost}}


def _refused(item: Item, state: State) -> Changes:
    facts = item.facts
    if "day" not in facts:  # by an unknown key, or of an early build
        return {}
    row = rollup.row_of(facts["day"], item.workflow, facts, {})
    return {row: rollup.plus(state.get(row), facts, named=item.task is not None, result="refused")}


def _move(state: State, rows: list[str], *, reserved: int, spent: int = 0) -> Changes:
    changes: Changes = {}
    for row in rows:
        old = state.get(row) or {"spent": 0, "reserved": 0}
        changes[row] = {"spent": old["spent"] + spent, "reserved": old["reserved"] + reserved}
    return changes


def _corrected(item: Item, state: State) -> Changes:
    facts = item.facts
    before, after = facts["before_nano_eur"], facts["after_nano_eur"]
    moved = _move(state, facts["budgets"], reserved=0, spent=after - before)
    if bound := state.get(f"bound:{item.call}"):
        named, first = item.task is not None, f"corrected:{item.call}" not in state
        row = bound["sum"]
        moved[row] = rollup.corrected(state[row], before, after, named=named, first=first)
        if named:
            moved |= _spent_in_task(task_row(item.workflow, item.task), state, after - before)
    return {f"corrected:{item.call}": {"cost": after}} | moved


def _controlled(item: Item, state: State) -> Changes:
    control = control_of(state)
    control = control | {"generation": control["generation"] + 1}
    if item.kind == "config.activated":
        control |= {"config": item.refs["config"], "prices": item.refs["prices"]}
        control["changed"] = {"kind": item.kind, "entry": item.id}
    if item.kind.startswith("prompt."):
        control["prompts"] = item.id
    if item.kind == "prompt.promoted":
        what = f"{item.facts['prompt_ref']}@{item.facts['version']}"
        control["changed"] = {"kind": item.kind, "entry": item.id, "what": what}
    elif item.kind == "stop.engaged":
        control["stops"] = control["stops"] | {item.facts["scope"]: item.id}
    elif item.kind == "stop.released":
        control["stops"] = {scope: by for scope, by in control["stops"].items() if scope != item.facts["scope"]}
    return {CONTROL: control}


def _prompt(item: Item, state: State) -> Changes:
    facts = item.facts
    name = prompt_row(facts["prompt_ref"])
    row = state.get(name) or {"versions": [], "promoted": {}}
    if item.kind == "prompt.registered":
        row = row | {"versions": [*row["versions"], item.refs["prompt"]]}
    else:
        row = row | {"promoted": row["promoted"] | {facts["environment"]: facts["version"]}}
    return {name: row} | _controlled(item, state)


def _key_issued(item: Item, _state: State) -> Changes:
    facts = item.facts
    row = {"status": "active", "environment": facts["environment"], "workflow": item.workflow}
    return {f"key:{facts['key']}": row | {"cap": facts.get("max_daily_nano_eur")}}


def _key_revoked(item: Item, state: State) -> Changes:
    name = f"key:{item.facts['key']}"
    control = _controlled(item, state)[CONTROL]
    control["stops"] = control["stops"] | {name: item.id}  # what runs under this key ends
    return {name: state[name] | {"status": "revoked"}, CONTROL: control}


def _person(item: Item, state: State) -> Changes:
    name = f"person:{item.facts['person_ref']}"
    row = state.get(name) or {"roles": []}
    roles, given = set(row["roles"]), set(item.facts["roles"])
    row = row | {"roles": sorted(roles - given if item.kind == "role.revoked" else roles | given)}
    if item.kind == "role.revoked" and "auditor" in given:
        row = {name: value for name, value in row.items() if name != "box"}
    if "until" in item.facts:
        row = row | {"box": {"until": item.facts["until"], "workflows": list(item.facts["workflows"])}}
    return {name: row}


def _token(item: Item, state: State) -> Changes:
    name = f"person:{item.facts['person_ref']}"
    return {name: state[name] | {"token": item.facts.get("token")}}


def _workflow(item: Item, state: State) -> Changes:
    name = f"workflow:{item.workflow}"
    row = state.get(name) or {"released": None, "registered": None}
    if item.kind == "workflow.classified":
        facts = {"classified": item.id, "classified_version": item.refs["workflow"], "tier": item.facts["tier"]}
        row = row | facts | {"law": item.refs["law"], "barred": item.facts["bars"], "contradicted": []}
        row["bars_from"] = item.facts["bars_from"]
        return {name: row | ({"released": None} if item.facts["bars"] else {})} | _controlled(item, state)
    if item.kind == "workflow.reexamined":  # a class that new law data lead elsewhere is stale
        moved = {} if item.facts["same"] else {"classified_version": None}
        return {name: row | {"law": item.refs["law"]} | moved}
    if item.kind == "workflow.contradicted":  # changes nothing that decides on a call
        return {name: row | {"contradicted": [*row.get("contradicted", ()), item.facts["signal"]]}}
    if item.kind == "workflow.released":
        return {name: row | {"released": item.id, "released_version": item.refs.get("workflow")}} | _controlled(
            item, state
        )
    return {name: row | {"registered": item.id, "version": item.refs["workflow"]}} | _controlled(item, state)


def _gap_declared(item: Item, _state: State) -> Changes:
    return {HALT: None, GAP: {"id": item.id} | ({"day": item.facts["day"]} if "day" in item.facts else {})}


_RULES: dict[str, Callable[[Item, State], Changes]] = {
    "call.opened": _opened,
    "call.extended": _extended,
    "call.closed": _ended,
    "call.interrupted": _ended,
    "call.refused": _refused,
    "cost.corrected": _corrected,
    "gap.declared": _gap_declared,
    "config.activated": _controlled,
    "stop.engaged": lambda item, state: _controlled(item, state) | _human(item, state),
    "override.recorded": _human,
    "incident.opened": _incident,
    "incident.updated": _incident,
    "incident.closed": _incident,
    "hold.placed": changes_of_hold,
    "hold.lifted": changes_of_hold,
    "stop.released": _controlled,
    "key.issued": _key_issued,
    "evaluation.scored": _scored,
    "evaluation.imported": _imported,
    "review.recorded": _reviewed,
    "approval.requested": changes_of_approval,
    "approval.decided": changes_of_approval,
    "approval.escalated": changes_of_approval,
    "approval.expired": changes_of_approval,
    "alert.raised": _alerted,
    "alert.reminded": _alerted,
    "alert.resolved": _alerted,
    "alert.delivered": lambda item, _state: {f"deliver:{item.facts['delivered_ref']}": None},
    "outcome.recorded": _outcome,
    "pack.exported": _exported,
    "key.revoked": _key_revoked,
    "prompt.registered": _prompt,
    "prompt.promoted": _prompt,
    "person.enrolled": _person,
    "role.granted": _person,
    "role.revoked": _person,
    "token.issued": _token,
    "token.revoked": _token,
    "workflow.registered": _workflow,
    "workflow.released": _workflow,
    "workflow.classified": _workflow,
    "workflow.contradicted": _workflow,
    "workflow.reexamined": _workflow,
}
