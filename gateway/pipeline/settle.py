"""Stage 10 of 10: what the call cost, and the entry that closes it.

Reported usage is charged as it is, even above the reservation (flagged then). Where an answer or an attempt may have
been billed and nobody reported how much, its worst case is charged and the cost says `upper_bound`.
"""

import contextlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gateway.economics.money import cost
from gateway.errors import CallEnded
from gateway.pipeline.call import Attempt, Call, Check, Opened, Outcome, Plan, Principal, Target
from gateway.pipeline.open import Record
from gateway.pipeline.ports import Ports
from gateway.state import changes_of
from ledger.entry import Draft, Sealed
from ledger.errors import ContentGone
from ledger.ids import new_id
from ledger.unit import State, Step, Unit

MAX_TOOL_CALLS = 64


def charge(
    plan: Plan, attempts: Sequence[Attempt], target: Target | None, outcome: Outcome, ports: Ports
) -> tuple[int, str]:
    """Return the cost of a call in nano-EUR and its state: none, provider_reported or upper_bound."""
    ambiguous = sum(plan.reserved for one in attempts if one.billed == "unknown")
    if outcome.cached_from or target is None:
        return ambiguous, "upper_bound" if ambiguous else "none"
    if outcome.usage is None:
        return ambiguous + plan.reserved, "upper_bound"
    reported = cost(outcome.usage, target.price, ports.rules.now.rate)
    if not outcome.complete:
        return ambiguous + max(plan.reserved, reported), "upper_bound"
    return ambiguous + reported, "upper_bound" if ambiguous else "provider_reported"


def close_unit(
    call: Call, principal: Principal, plan: Plan, record: Record, opened: Opened, attempts: Sequence[Attempt],
    target: Target | None, outcome: Outcome, charged: tuple[int, str], timing: dict[str, int], ports: Ports,
) -> Unit:  # fmt: skip
    """Return the unit that settles the reservation and appends `call.closed`."""
    amount, state_of_cost = charged
    entry_id = new_id("ent", ports.clock())
    c, contents, tools = _sealed(outcome, record, entry_id, ports)
    facts = {
        "boot": ports.boot, "environment": principal.environment, "key": principal.key, "route": plan.route,
        "opened_seq": opened.seq, "result": outcome.result, "finish": _enumerable(outcome.finish),
        "attempts": [one.facts() for one in attempts], "tool_calls": tools,
        "usage": outcome.usage.facts() if outcome.usage else None,
        "cost_nano_eur": amount, "cost_state": state_of_cost,
        "cache": "hit" if outcome.cached_from else "miss" if plan.cache_ttl else "off", "timing_ms": timing,
        "passed": [check.id for check in outcome.checks if check.verdict == "pass"],
        "checks": [check.facts() for check in (*outcome.checks, *_overrun(amount, opened)) if check.verdict != "pass"],
    }  # fmt: skip
    if target is not None and not outcome.cached_from:
        facts["served"] = target.facts
        facts["price"] = target.price.facts
        facts["fx"] = ports.rules.now.rate.facts
    if outcome.cached_from:
        facts["cached_from_ref"] = outcome.cached_from
    if outcome.response_id:
        facts["response_ref"] = ports.contents.pseudonym("response", outcome.response_id)
    draft = Draft(
        id=entry_id, kind="call.closed", call=call.id, task=record.task, workflow=principal.workflow, sub=record.sub,
        facts=facts, refs={"build": ports.build}, c=c, contents=contents,
    )  # fmt: skip
    return Unit(keys=lambda _at: (f"call:{call.id}", *opened.budgets), run=lambda state, at: _close(draft, state, at))


def _close(draft: Draft, state: State, _at: datetime) -> Step:
    if f"call:{draft.call}" not in state:
        # Another process held us for dead and closed the call as interrupted: there must not be two ends.
        raise CallEnded(f"{draft.call} is already closed")
    return Step(drafts=[draft], changes=changes_of(draft, state))


def _overrun(amount: int, opened: Opened) -> tuple[Check, ...]:
    if amount <= opened.reserved:
        return ()
    inputs = {"cost_nano_eur": amount, "reserved_nano_eur": opened.reserved}
    return (Check(id="within-reservation", verdict="flag", reason="cost above the reservation", inputs=inputs),)


def _enumerable(finish: str | None) -> str | None:
    """Finish reasons are the provider's words: known ones are facts, others only `other`."""
    known = {"stop", "length", "tool_calls", "content_filter", "function_call"}
    return finish if finish is None or finish in known else "other"


def _sealed(
    outcome: Outcome, record: Record, entry_id: str, ports: Ports
) -> tuple[dict[str, str], Sealed | None, list[dict[str, Any]]]:
    """Seal answer and tool arguments; list the tool calls by name where the name was granted."""
    values: dict[str, object] = {}
    tools: list[dict[str, Any]] = []
    for number, one in enumerate(outcome.tool_calls[:MAX_TOOL_CALLS]):
        listed: dict[str, Any] = {"granted": one.granted, "name": one.name if one.granted else None}
        if record.keep:
            listed["c"] = f"tool_call_{number}"
            values[listed["c"]] = {"name": one.name, "arguments": one.arguments}
        tools.append(listed)
    if record.keep and outcome.answer is not None:
        values["answer"] = outcome.answer
    if values:
        with contextlib.suppress(ContentGone):  # the person's key was destroyed while the call ran: nothing is kept
            c, contents = ports.contents.seal(values, entry_id=entry_id, key_ref=record.key_ref)
            return c, contents, tools
    return {}, None, tools
