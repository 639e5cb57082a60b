"""One model call from arrival to evidence. Read this file first.

The order of the stages is the product's promise:

* the call is on record, durably, with its worst case reserved (7) before a provider sees a byte (8);
* the end of the answer waits (9) until the outcome is on record too (10), however the call ends;
* a refusal is evidence as well;
* stages 3 to 6 are pure, so a recorded decision can be replayed.
"""

import hashlib
from collections.abc import Sequence
from time import monotonic

from gateway.call import Arrival, Call, Principal
from gateway.dialects.strict import written
from gateway.errors import ConfigurationMoved, Refused
from gateway.pipeline.open import open_call
from gateway.pipeline.parse import parse
from gateway.pipeline.ports import Ports
from gateway.pipeline.record import record_of
from gateway.pipeline.refusing import refuse
from gateway.pipeline.relay import Relay
from gateway.pipeline.screen import admit, decide, screen
from gateway.policies.evaluating import Applying, applying, asked_by, asks_of_task, decide_by
from gateway.policies.parts import parts_of
from gateway.policies.screening import NOTHING_SEEN
from gateway.prompts import with_prompt
from gateway.rules.route import plan_route

ACTS = ("release_stale", "workflow_not_released", "prompt_invalid")
"""Refusals that a person may have mended a moment ago."""


async def authenticate(secret: str | None, ports: Ports) -> Principal:
    """Stage 2, which comes first: who may not call may not make us read or parse a body.

    Raises:
        Refused: unknown_key; counted, not recorded one by one.
    """
    return await ports.keys.principal_of(secret)  # 2


async def handle_call(arrival: Arrival, principal: Principal, ports: Ports) -> Relay:
    """Take a request through stages 1 and 3 to 7 and return the relay, which runs 8 to 10 as the web layer drains it.

    Raises:
        Refused: the call was refused, and that is on record.
        EvidenceLost: the ledger could not commit; nothing was sent.
    """
    call: Call | None = None
    try:
        call = parse(arrival)  # 1
        try:
            return await _open(call, principal, ports)
        except ConfigurationMoved:
            await ports.rules.refresh()
            return await _open(call, principal, ports)
        except Refused as refusal:
            if refusal.code not in ACTS or not await _moved(ports):
                raise
            return await _open(call, principal, ports)
    except Refused as refusal:
        if refusal.stage != 7:
            await refuse(refusal, arrival.call, call, principal, ports, dialect=arrival.dialect.name)
        elif refusal.code in ("key_revoked", "stopped"):
            # Stage 7 recorded it in its own transaction, because our rules were older: let the next try end earlier.
            await ports.rules.refresh()
        raise


async def _moved(ports: Ports) -> bool:
    """Read the rules again; tell whether they are others."""
    before = ports.rules.now
    await ports.rules.refresh()
    return ports.rules.now is not before


async def _open(call: Call, principal: Principal, ports: Ports) -> Relay:
    began = monotonic()
    rules = ports.rules.now
    workflow, admitted = admit(principal, call, rules)  # 3
    call = with_prompt(call, principal.environment, rules.prompts)  # 3: what is judged and sent has its text
    findings = screen(call, workflow)  # 4
    policies = applying(rules.configuration.policies, principal.workflow, principal.environment, call.asked.model)
    looks = any(one.policy.when for one in policies)
    seen = await ports.screen.look(parts_of(call.asked.fields), asked_by(policies)) if looks else NOTHING_SEEN  # 4
    checks = (*admitted, *decide(call, principal, workflow, findings))  # 5
    before = asks_of_task(policies) and await ports.tasks.had_data(principal.workflow, call.task_id)
    checks = (*checks, *decide_by(policies, call, workflow, seen, data_before=before))  # 5
    call, replaced = await ports.minimiser.sent(call, policies)  # 5: what a provider gets may be less
    checks = (*checks, *replaced)
    plan = plan_route(call, principal, rules, ports.clock(), ports.breaker.open_at(monotonic()))  # 6
    record = await record_of(call, principal, workflow, ports)
    record = record._replace(screening=seen.facts) if looks else record
    if record.released is not None:
        plan = plan.with_nothing_bought()
    # Nothing that can fail may stand between 7 and the relay that closes the call.
    key = cache_key(call, principal, policies) if plan.cache_ttl else ""
    decided = monotonic()
    opened = await open_call(call, principal, workflow, plan, checks, record, rules, ports)  # 7: durable from here on
    if opened.stepped_down and plan.lower:
        plan = plan.lower._replace(stepped_down=True)
    return Relay(  # 8, 9, 10
        call=call,
        principal=principal,
        workflow=workflow,
        plan=plan,
        policies=policies,
        record=record,
        opened=opened,
        cache_key=key,
        ports=ports,
        stages={"decide": decided - began, "open": monotonic() - decided},
    )


def cache_key(call: Call, principal: Principal, policies: Sequence[Applying]) -> str:
    """Return what must be equal for one answer to serve two calls: dialect, environment, workflow, policies, subject,
    request.

    Gemini's model stands in the path, and so does whether it streams.
    """
    parts = (
        call.dialect.name,
        call.asked.path,
        call.asked.headers,
        principal.environment,
        principal.workflow,
        call.subject_id,
        [one.policy.version for one in policies],
        written(call.asked.fields, ordered=True),
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()
