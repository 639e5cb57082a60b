"""Correcting a cost that was charged at its worst case because nobody reported the real one.

A call that was cut (a killed process, a time-out after sending) stays counted at the most it can have cost. When the
provider's invoice shows what it did cost, a named person says so; the budgets of the call's day move by the difference.
"""

from datetime import datetime

from gateway.oversight.people import Actor, ActRefused
from gateway.state.changes import changes_of
from gateway.state.rows import task_row
from gateway.store.installation import Installation
from ledger.amounts import eur
from ledger.entry import Draft
from ledger.ids import new_id
from ledger.unit import State, Step, Unit


def correct_cost(installation: Installation, actor: Actor, call: str, cost: int, reason: str) -> int:
    """Lower the cost of a call that was charged at its upper bound; returns the cost before, nano-EUR.

    Args:
        cost: what it did cost, nano-EUR; not more than what is on record.

    Raises:
        ActRefused: no such call, its cost was reported, the new one is higher, no reason, or not finance or admin.
    """
    if not reason.strip():
        raise ActRefused("a reason is needed: which invoice or report says what the call cost")
    entries = installation.reader.entries(installation.reader.find("call", call))
    opened = next((one for one in entries if one.kind == "call.opened"), None)
    ended = next((one for one in entries if one.kind in ("call.closed", "call.interrupted")), None)
    if opened is None or ended is None:
        raise ActRefused(f"{call} is no call that has ended")
    if ended.facts["cost_state"] != "upper_bound":
        raise ActRefused("its cost is what the provider reported; only an upper bound can be corrected")
    bound = installation.reader.state(f"bound:{call}") or {}
    row, charged = f"corrected:{call}", int(ended.facts["cost_nano_eur"])
    entry_id = new_id("ent", installation.clock())
    c, contents = installation.vault.seal({"reason": reason}, entry_id=entry_id)
    budgets = [one["row"] for one in opened.facts["budgets"]]

    def run(state: State, at: datetime) -> Step:
        actor.require(state, at, "finance", "admin")
        before = int((state.get(row) or {"cost": charged})["cost"])
        if cost > before:
            raise ActRefused(f"{eur(before)} is on record as the most it can have cost; a correction lowers it")
        facts = {
            "before_nano_eur": before, "after_nano_eur": cost, "budgets": budgets, "assurance": actor.assurance
        }  # fmt: skip
        draft = Draft(
            id=entry_id, kind="cost.corrected", call=call, task=opened.task, workflow=opened.workflow,
            act=actor.pseudonym, facts=facts, c=c, contents=contents,
        )  # fmt: skip
        return Step(drafts=[draft], changes=changes_of(draft, state), answer=before)

    rows = [actor.row, row, f"bound:{call}", *budgets, *bound.values()]
    if opened.task:
        rows.append(task_row(opened.workflow, opened.task))
    written = installation.log.append(Unit(keys=lambda _at: rows, run=run))
    return int(written.answer)
