"""Refusals on record: one of stages 1 to 6 is an entry of its own, one of stage 7 comes from its transaction."""

from gateway.call import Call, Principal
from gateway.days import day_in_zone
from gateway.errors import EvidenceLost, Refused
from gateway.pipeline.ports import Ports
from gateway.pipeline.record import Record, record_of
from gateway.rules.snapshot import Rules
from gateway.state.changes import changes_of
from gateway.state.rollup import row_of
from ledger.entry import NOTHING, Draft
from ledger.errors import LedgerError, LogWentBack
from ledger.ids import new_id
from ledger.unit import Step, Unit


def refused_draft(
    refusal: Refused, dialect: str, call: Call | None, principal: Principal, record: Record, rules: Rules | None,
    ports: Ports, day: str, *, route: str | None = None, call_id: str | None = None,
) -> Draft:  # fmt: skip
    """Return the entry of a refusal: a refusal is evidence too."""
    facts = {
        "boot": ports.boot, "environment": principal.environment, "key": principal.key, "reason_ref": refusal.code,
        "stage": refusal.stage, "inputs": refusal.inputs, "day": day,
        "dialect": dialect, "task_source": call.task_source if call else "none",
    }  # fmt: skip
    facts |= {"approval_ref": refusal.inputs["approval"]} if "approval" in refusal.inputs else {}
    facts |= ({"route": route} if route else {}) | (call.prompt_facts if call else {})
    return Draft(
        id=record.entry_id, kind="call.refused", call=call.id if call else call_id, task=record.task,
        workflow=principal.workflow, sub=record.sub, facts=facts,
        refs=(rules.refs_of(principal.workflow) if rules else {}) | {"build": ports.build}, c=record.c,
        contents=record.contents,
    )  # fmt: skip


async def refuse(
    refusal: Refused, call_id: str, call: Call | None, principal: Principal, ports: Ports, *, dialect: str
) -> None:
    """Put a refusal of stages 1 to 6 on record; durable when this returns.

    A revoked key gets a few entries a minute, not one per try, so that a stranger who found it cannot write the log.
    """
    if refusal.code == "key_revoked" and not ports.evidence.may_record_refusal_of(principal.key):
        return
    try:
        rules: Rules | None = ports.rules.now
    except Refused:
        rules = None
    workflow = rules.workflow(principal.workflow) if rules else None
    route = call.asked.model if call and rules and rules.configuration.route(call.asked.model) else None
    if call:
        record = await record_of(call, principal, workflow, ports, requested=None if route else call.asked.model)
    else:
        record = Record(entry_id=new_id("ent", ports.clock()))
    day = day_in_zone(rules.configuration.organisation.time_zone if rules else "UTC", ports.clock())
    draft = refused_draft(refusal, dialect, call, principal, record, rules, ports, day, route=route, call_id=call_id)
    rows = [row_of(day, draft.workflow, draft.facts, NOTHING)]
    unit = Unit(keys=lambda _at: rows, run=lambda state, _at: Step(drafts=[draft], changes=changes_of(draft, state)))
    try:
        await ports.evidence.submit(unit)
    except LedgerError as error:
        raise EvidenceLost(code_of(error), f"the refusal could not be recorded: {error}") from error


def code_of(error: LedgerError) -> str:
    """Return by which code a caller learns that the ledger took no entry; only one of them is worth another try."""
    return "ledger_halted" if isinstance(error, LogWentBack) else "ledger_unavailable"
