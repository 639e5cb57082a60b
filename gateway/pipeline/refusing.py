"""Refusals on record: one of stages 1 to 6 is an entry of its own, one of stage 7 comes from its transaction."""

from collections.abc import Callable
from datetime import datetime

from gateway.approvals.asking import asking, shown_request
from gateway.approvals.standing import NEEDED, Holding, asked_for, waits_for
from gateway.call import Asking, Call, Principal
from gateway.days import day_in_zone
from gateway.dialects.words import decoded
from gateway.errors import EvidenceLost, Refused
from gateway.pipeline.ports import Ports
from gateway.pipeline.record import Record, record_of
from gateway.prompts import with_prompt
from gateway.rules.snapshot import Rules
from gateway.state.changes import changes_of, changes_of_all
from gateway.state.rollup import row_of
from ledger.entry import NOTHING, Draft
from ledger.errors import LedgerError, LogWentBack
from ledger.ids import new_id
from ledger.unit import State, Step, Unit


def refused_draft(
    refusal: Refused, dialect: str, call: Call | None, principal: Principal, record: Record, rules: Rules | None,
    ports: Ports, day: str, *, route: str | None = None, call_id: str | None = None,
) -> Draft:  # fmt: skip
    """Return the entry of a refusal: a refusal is evidence too."""
    facts = {
        "boot": ports.boot, "environment": principal.environment, "key": principal.key, "reason_ref": refusal.code,
        "stage": refusal.stage, "inputs": refusal.inputs, "day": day,
        "dialect": dialect, "task_source": call.task_source if call else "none", "content": record.content,
    }  # fmt: skip
    facts |= {"approval_ref": refusal.inputs["approval"]} if "approval" in refusal.inputs else {}
    facts |= {"found": dict(record.found)} if record.found else {}
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
    asks = refusal.code == NEEDED
    if call and rules and asks:
        call = with_prompt(call, principal.environment, rules.prompts)  # as it is compared when it comes back
    if call:
        named = None if route else call.asked.model
        try:
            record = await record_of(call, principal, workflow, ports, requested=named, asks=asks)
        except Refused:  # nobody can say what stands in it, so nothing of it is kept
            call = call._replace(content="none")
            record = await record_of(call, principal, workflow, ports, requested=named, asks=asks)
    else:
        record = Record(entry_id=new_id("ent", ports.clock()))
    day = day_in_zone(rules.configuration.organisation.time_zone if rules else "UTC", ports.clock())
    draft = refused_draft(refusal, dialect, call, principal, record, rules, ports, day, route=route, call_id=call_id)
    rows = [row_of(day, draft.workflow, draft.facts, NOTHING), *(record.holding.rows if record.holding else ())]
    ask = _asking(refusal, draft, call, record, ports) if call and asks else None
    unit = Unit(keys=lambda _at: rows, run=lambda state, at: _refused(draft, state, at, record.holding, ask))
    try:
        written = await ports.evidence.submit(unit)
    except LedgerError as error:
        raise EvidenceLost(code_of(error), f"the refusal could not be recorded: {error}") from error
    if waits := written.answer:
        refusal.inputs["approval"], refusal.message = waits, asked_for(waits, f" (policy {refusal.inputs['policy']})")


def _asking(
    refusal: Refused, draft: Draft, call: Call, record: Record, ports: Ports
) -> Callable[[datetime], Draft] | None:
    """Return what makes the entry by which a held request asks for a person."""
    assert record.holding is not None, "record_of was told that it asks"
    reason = Asking("request", f"policy: {refusal.inputs['policy']}")
    shown = shown_request(decoded(call.body), ports.contents.pseudonym)
    told = ports.rules.now.configuration.alerts.webhook is not None
    return asking(draft, record.holding, [reason], shown, ports.contents, ports.clock(), deliver=told)


def _refused(
    draft: Draft, state: State, at: datetime, holding: Holding | None, ask: Callable[[datetime], Draft] | None
) -> Step:
    """Refuse; ask a person once, however often the same request comes."""
    if ask is None or holding is None:
        return Step(drafts=[draft], changes=changes_of(draft, state))
    known = waits_for(state, at, holding)
    named = draft._replace(facts=dict(draft.facts) | {"approval_ref": known or holding.new})
    drafts = [named] if known else [named, ask(at)]
    return Step(drafts=drafts, changes=changes_of_all(drafts, state), answer=known or holding.new)


def code_of(error: LedgerError) -> str:
    """Return by which code a caller learns that the ledger took no entry; only one of them is worth another try."""
    return "ledger_halted" if isinstance(error, LogWentBack) else "ledger_unavailable"
