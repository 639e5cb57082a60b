"""Stage 10 of 10: the entry that closes a call and settles its reservation."""

import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from gateway.approvals.asking import asking, shown_calls
from gateway.call import Attempt, Call, Check, Opened, Outcome, Plan, Principal, Target
from gateway.charging.charge import Charge
from gateway.dialects.words import OTHER, as_finish, as_identifier, as_tier
from gateway.errors import CallEnded
from gateway.pipeline.ports import Ports
from gateway.pipeline.record import SAME_LENGTH, Record
from gateway.repeats import UNDELIVERED, digest_of
from gateway.state.changes import changes_of_all
from gateway.state.rows import rows_of_end
from gateway.tools.answered import same_call
from ledger.entry import Draft, Sealed, format_time
from ledger.errors import ContentGone
from ledger.ids import new_id
from ledger.unit import State, Step, Unit

MAX_TOOL_CALLS = 64


def close_unit(
    call: Call, principal: Principal, plan: Plan, record: Record, opened: Opened, attempts: Sequence[Attempt],
    target: Target | None, outcome: Outcome, charged: Charge, timing: dict[str, int], ports: Ports,
) -> Unit:  # fmt: skip
    """Return the unit that settles the reservation and appends `call.closed`, and asks a person where it is held."""
    entry_id = new_id("ent", ports.clock())
    c, contents, tools = _sealed(outcome, attempts, record, entry_id, ports)
    found = dict(record.keeping.found) if record.keeping else {}
    checks = (*outcome.checks, *charged.checks, *_overrun(charged.amount, opened))
    facts = {
        "boot": ports.boot, "environment": principal.environment, "key": principal.key, "route": plan.route,
        "opened_seq": opened.seq, "result": outcome.result,
        "finish": as_finish(outcome.finish) if outcome.finish else None,
        "attempts": [one.facts() for one in attempts], "tool_calls": tools,
        "usage": charged.usage.facts() if charged.usage else None,
        "cost_nano_eur": charged.amount, "cost_state": charged.state,
        "cache": _cache_word(outcome, plan), "timing_ms": timing,
        "passed": [check.id for check in checks if check.verdict == "pass"],
        "checks": [check.facts() for check in checks if check.verdict != "pass"],
    }  # fmt: skip
    if target is not None and not outcome.cached_from:
        facts |= _served(target, attempts, outcome, charged, ports)
    elif outcome.cached_from:
        facts |= {"cached_from_ref": outcome.cached_from, "saved_nano_eur": outcome.saved}
    if charged.look_ups:
        facts |= {"look_ups": list(charged.look_ups), "fx": ports.rules.now.rate.facts}
    if outcome.result in UNDELIVERED and charged.amount > charged.looked_up:
        digest = digest_of(call, principal, ports.contents.pseudonym)
        facts |= {"undelivered": digest, "undelivered_at": format_time(ports.clock())}
    facts |= {"similar": dict(outcome.similar)} if outcome.similar else {}
    facts |= {"found": found} if found else {}
    facts |= {"prompt": call.prompt.label} if call.prompt else {}
    facts |= {"component": call.component} if call.component else {}
    if outcome.response_id:
        facts["response_ref"] = ports.contents.pseudonym("response", outcome.response_id)
    facts |= {"released_ref": outcome.released_from} if outcome.released_from else {}
    draft = Draft(
        id=entry_id, kind="call.closed", call=call.id, task=record.task, workflow=principal.workflow, sub=record.sub,
        facts=facts, refs={"build": ports.build}, c=c, contents=contents,
    )  # fmt: skip
    rows = rows_of_end(call.id, opened.budgets, principal.workflow, record.task, facts)
    ask: Callable[[datetime], Draft] | None = None
    if outcome.result == "held" and record.holding:
        deliver = ports.rules.now.configuration.alerts.webhook is not None
        shown = shown_calls(outcome.tool_calls, ports.contents.pseudonym)
        ask = asking(draft, record.holding, outcome.asked, shown, ports.contents, ports.clock(), deliver=deliver)
    return Unit(keys=lambda _at: rows, run=lambda state, at: _close(draft, state, at, ask))


def _cache_word(outcome: Outcome, plan: Plan) -> str:
    if outcome.cached_from:
        return "similar" if outcome.similar else "hit"
    return "miss" if plan.cache_ttl else "off"


def _close(draft: Draft, state: State, at: datetime, ask: Callable[[datetime], Draft] | None) -> Step:
    if f"call:{draft.call}" not in state:
        # Another process held us for dead and closed the call as interrupted: there must not be two ends.
        raise CallEnded(f"{draft.call} is already closed")
    drafts = [draft, *([ask(at)] if ask else ())]
    return Step(drafts=drafts, changes=changes_of_all(drafts, state))


def _overrun(amount: int, opened: Opened) -> tuple[Check, ...]:
    if amount <= opened.reserved:
        return ()
    inputs = {"cost_nano_eur": amount, "reserved_nano_eur": opened.reserved}
    return (Check(id="within-reservation", verdict="flag", reason="cost above the reservation", inputs=inputs),)


def _served(
    target: Target, attempts: Sequence[Attempt], outcome: Outcome, charged: Charge, ports: Ports
) -> dict[str, Any]:
    """Return who answered and at which price."""
    served: dict[str, Any] = dict(target.facts)
    if outcome.model:
        served["reported_model"] = as_identifier(outcome.model)
    if outcome.service_tier:
        served["service_tier"] = as_tier(outcome.service_tier)
    facts: dict[str, Any] = {"served": served, "fx": ports.rules.now.rate.facts}
    if charged.price:
        facts["price"] = charged.price.facts_for(charged.usage) if charged.usage else charged.price.facts
    if charged.beside:
        facts["beside"] = list(charged.beside)
    if charged.stated is not None:
        facts |= {"computed_nano_eur": charged.computed, "stated_nano_eur": charged.stated}
    if attempts and attempts[-1].request_id not in (None, OTHER):
        facts["request_ref"] = attempts[-1].request_id
    return facts


def _sealed(
    outcome: Outcome, attempts: Sequence[Attempt], record: Record, entry_id: str, ports: Ports
) -> tuple[dict[str, str], Sealed | None, list[dict[str, Any]]]:
    """Seal answer and tool arguments; list the tool calls by name where the name was granted."""
    values: dict[str, object] = {}
    tools: list[dict[str, Any]] = []
    for number, one in enumerate(outcome.tool_calls[:MAX_TOOL_CALLS]):
        listed: dict[str, Any] = {"granted": one.granted, "name": as_identifier(one.name) if one.granted else None}
        if one.output_format:
            listed["output_format"] = True
        if record.task and not one.provider_run and not one.output_format:
            said = ports.contents.pseudonym("tool_call", same_call(one.name, one.arguments))
            listed["same_ref"] = said[:SAME_LENGTH]
        if one.provider_run:
            listed["provider_run"] = True
        if one.effect:
            listed["effect"] = one.effect
        if record.keep:
            listed["c"] = f"tool_call_{number}"
            values[listed["c"]] = {"name": one.name, "arguments": one.arguments}
        tools.append(listed)
    if record.keep and outcome.answer is not None:
        values["answer"] = outcome.answer
    if record.keep and outcome.raw_usage is not None:
        values["usage"] = outcome.raw_usage
    if record.keep:
        values |= {f"attempt_error_{number}": one.said for number, one in enumerate(attempts) if one.said}
    if values:
        with contextlib.suppress(ContentGone):  # the person's key was destroyed while the call ran: nothing is kept
            c, contents = ports.contents.seal(values, entry_id=entry_id, key_ref=record.key_ref, keeping=record.keeping)
            return c, contents, tools
    return {}, None, tools
