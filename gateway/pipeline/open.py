"""Stage 7 of 10: one transaction decides everything that counts or is consumed, and puts the call on record.

The unit runs under the head lock of the ledger. It looks again at what earlier stages could only guess (the key, stops,
the configuration, the release), checks caps and calls per task, and yields either `call.opened` with the worst case
reserved, or `call.refused`. Both are durable before `open_call` returns; no byte has gone to a provider yet.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

from gateway.approvals.standing import require_approval
from gateway.call import Call, Check, Opened, Plan, Principal
from gateway.configuration.model import Workflow
from gateway.days import day_in_zone
from gateway.dialects.words import as_identifier
from gateway.errors import ConfigurationMoved, EvidenceLost, Refused
from gateway.pipeline.ports import Ports
from gateway.pipeline.record import Record
from gateway.pipeline.refusing import code_of, refused_draft
from gateway.pipeline.screen import output_format, stopped, unreleased
from gateway.repeats import digest_of, require_new
from gateway.rules.similar import is_trusted
from gateway.rules.snapshot import Rules, stop_among
from gateway.rules.tasks import require_within
from gateway.state.changes import changes_of
from gateway.state.rollup import row_of
from gateway.state.rows import CONTROL, UNDELIVERED, control_of, release_of, similar_row, task_row
from gateway.tools.answered import released_check
from ledger.amounts import cap_of, eur
from ledger.entry import NOTHING, Draft, format_time
from ledger.errors import LedgerError
from ledger.ids import new_id
from ledger.unit import Receipt, State, Step, Unit


async def open_call(
    call: Call, principal: Principal, workflow: Workflow, plan: Plan, checks: Sequence[Check], record: Record,
    rules: Rules, ports: Ports,
) -> Opened:  # fmt: skip
    """Put the call on record and reserve its worst case; durable when this returns.

    Raises:
        Refused: the transaction refused it, and recorded that.
        ConfigurationMoved: decide again.
        EvidenceLost: the ledger could not commit; nothing was sent and nothing may be.
    """
    unit = open_unit(call, principal, workflow, plan, checks, record, rules, ports)
    try:
        written = await ports.evidence.submit(unit)
    except LedgerError as error:
        raise EvidenceLost(
            code_of(error), f"the call was not sent, because it could not be recorded: {error}"
        ) from error
    if isinstance(written.answer, Refused):
        raise written.answer
    return written.answer(written.receipts[0])  # type: ignore[no-any-return]


def open_unit(
    call: Call, principal: Principal, workflow: Workflow, plan: Plan, checks: Sequence[Check], record: Record,
    rules: Rules, ports: Ports,
) -> Unit:  # fmt: skip
    """Return the unit of `open_call`. `rules` are those that were decided by, not newer ones."""
    first, zone = plan, rules.configuration.organisation.time_zone
    plan_words = {"environment": principal.environment, "route": plan.route, "key": principal.key, **call.prompt_facts}

    def keys(at: datetime) -> Sequence[str]:
        rows = [CONTROL, UNDELIVERED, f"key:{principal.key}", f"workflow:{principal.workflow}", f"boot:{ports.boot}"]
        if record.task:
            rows.append(task_row(principal.workflow, record.task))
        if plan.similar:
            rows.append(similar_row(principal.workflow, plan.route))
        rows += record.holding.rows if record.holding else []
        rows += [row for row, _ in budget_rows(plan.caps, zone, at)]
        rows.append(row_of(day_in_zone(zone, at), principal.workflow, NOTHING, plan_words))
        return rows

    def run(state: State, at: datetime) -> Step:
        return _run(stepped(first, state, budget_rows(first.caps, zone, at)), state, at)

    def _run(plan: Plan, state: State, at: datetime) -> Step:
        _require_lease(state, ports.boot, at)
        _require_current(state, rules)
        try:
            admitted = _require_admission(state, at, principal, workflow, record)
            admitted += require_approval(state, at, record.holding) if record.holding else ()
            _require_unused(state, at, call, principal, workflow, plan, record, ports)
            admitted += _require_released(state, principal, workflow, record) if record.answered else ()
            extra = [one for one in admitted if one.id not in {check.id for check in checks}]
            counted = _require_headroom(state, budget_rows(plan.caps, zone, at), plan, call.dialect.limit_name)
        except Refused as refusal:
            day = day_in_zone(zone, at)
            draft = refused_draft(
                refusal, call.dialect.name, call, principal, record, rules, ports, day, route=plan.route
            )
            return Step(drafts=[draft], changes=changes_of(draft, state), answer=refusal)
        facts = _facts(call, principal, workflow, plan, [*checks, *extra], record, ports) | {"budgets": counted}
        facts |= _similar(state, principal, plan) if plan.similar else {}
        facts |= {"step_down": {"percent": first.step_down_at}} if plan.stepped_down else {}
        draft = Draft(
            id=record.entry_id, kind="call.opened", call=call.id, task=record.task, workflow=principal.workflow,
            sub=record.sub, facts=facts, refs=rules.refs() | _own_refs(state, call, principal, ports), c=record.c,
            contents=record.contents,
        )  # fmt: skip
        return Step(drafts=[draft], changes=changes_of(draft, state), answer=_answer(draft, plan))

    return Unit(keys=keys, run=run)


def _require_current(state: State, rules: Rules) -> None:
    control = control_of(state)
    stated = (control["config"], control["prices"], control.get("prompts"))
    if stated != (rules.config_digest, rules.prices_digest, rules.prompts_since):
        raise ConfigurationMoved


def _similar(state: State, principal: Principal, plan: Plan) -> dict[str, Any]:
    """Return whether the answer to a similar question may be given, and what of such answers was verified so far."""
    assert plan.similar is not None
    row = state.get(similar_row(principal.workflow, plan.route)) or {"verified": 0, "wrong": 0}
    serves = plan.similar.mode == "serve" and is_trusted(row["verified"], row["wrong"])
    by = {"embedder": plan.embedder.facts, "reserved_nano_eur": plan.look_up_reserved} if plan.embedder else {}
    return {"similar": {"mode": plan.similar.mode, **row, "serves": serves} | by}


def _require_unused(
    state: State, at: datetime, call: Call, principal: Principal, workflow: Workflow, plan: Plan, record: Record,
    ports: Ports,
) -> None:  # fmt: skip
    """Refuse what was bought a moment ago, and a task that has used up what it may come to."""
    undelivered = state.get(UNDELIVERED) if record.released is None else None
    if (undelivered or ports.undelivered.known) and not call.may_repeat:
        digest = partial(digest_of, call, principal, ports.contents.pseudonym)
        require_new(undelivered, ports.undelivered, plan.repeat_window, at, digest)
    if record.task:
        row = state.get(task_row(principal.workflow, record.task))
        require_within(row, call, workflow, plan.reserved, record.request or "")


def _require_released(state: State, principal: Principal, workflow: Workflow, record: Record) -> tuple[Check, ...]:
    """Say whether the results in a request answer calls that were given out; refuse where the workflow asks for it."""
    check = released_check(record.answered, state.get(task_row(principal.workflow, record.task)))
    if check.verdict == "flag" and workflow.unreleased_results == "deny":
        words = f"it has {check.reason}; send the history as it was, or allow it: `unreleased_results: flag`"
        raise Refused("policy_denied", words, stage=7, inputs=check.inputs)
    return (check,)


def _own_refs(state: State, call: Call, principal: Principal, ports: Ports) -> dict[str, str]:
    version = (state.get(f"workflow:{principal.workflow}") or {}).get("version")
    prompt = {"prompt": call.prompt.digest} if call.prompt else {}
    return {"build": ports.build, **prompt} | ({"workflow": version} if version else {})


@lru_cache(maxsize=1024)
def budget_rows(caps: tuple[tuple[str, int], ...], zone: str, at: datetime) -> tuple[tuple[str, int], ...]:
    """Return (row, cap) of the budgets that a call opened at `at` counts in: those of its day.

    A day is a date on the wall in the organisation's time zone: 23 or 25 hours long when the clocks change.
    """
    day = day_in_zone(zone, at)
    return tuple((f"budget:{scope}:{day}", cap) for scope, cap in caps)


def _answer(draft: Draft, plan: Plan) -> Callable[[Receipt], Opened]:
    rows = tuple([one["row"] for one in draft.facts["budgets"]])
    return lambda receipt: Opened(
        call=draft.call or "", seq=receipt.seq, entry=draft.id, workflow=draft.workflow, task=draft.task,
        budgets=rows, reserved=plan.reserved, at=receipt.at, stepped_down=plan.stepped_down,
        serves_similar=bool(draft.facts.get("similar", {}).get("serves")),
    )  # fmt: skip


def stepped(plan: Plan, state: State, budgets: Sequence[tuple[str, int]]) -> Plan:
    """Return what is done once the route has used up the share of its cap at which it steps down, else the plan."""
    if plan.lower is None:
        return plan
    row, cap = next((row, cap) for row, cap in budgets if row.startswith("budget:route:"))
    used = state.get(row) or {"spent": 0, "reserved": 0}
    if 100 * (used["spent"] + used["reserved"]) < plan.step_down_at * cap:
        return plan
    return plan.lower._replace(stepped_down=True)


def _require_lease(state: State, boot: str, at: datetime) -> None:
    """A process whose lease ran out may be held for dead: it opens nothing before it has renewed it."""
    lease = state.get(f"boot:{boot}")
    if lease is None or lease["until"] < format_time(at):
        raise EvidenceLost(
            "ledger_unavailable",
            "the lease of this process on the ledger ran out; try again in a moment, and restart it if this lasts",
        )


def _require_admission(
    state: State, at: datetime, principal: Principal, workflow: Workflow, record: Record
) -> list[Check]:
    key = state.get(f"key:{principal.key}")
    if key is None or key["status"] != "active":
        raise Refused("key_revoked", "this key was revoked; ask an engineer for a new one", stage=7)
    scope = stop_among(control_of(state)["stops"], key=principal.key, workflow=principal.workflow, task=record.task)
    if scope:
        raise stopped(scope, stage=7)
    release = release_of(state.get(f"workflow:{principal.workflow}"), str(at.date()))
    flags = [] if release == "released" else [unreleased(principal, release, stage=7)]
    return [item for item in flags if item.verdict == "flag"]


def _require_headroom(
    state: State, budgets: Sequence[tuple[str, int]], plan: Plan, limit_name: str
) -> list[dict[str, Any]]:
    """Return the budgets the call counts in, with the arithmetic; a worst case that does not fit is refused whole."""
    counted = []
    for row, cap in budgets:
        used = state.get(row) or {"spent": 0, "reserved": 0}
        facts = {"row": row, "cap": cap, "spent": used["spent"], "reserved": used["reserved"]}
        if used["spent"] + used["reserved"] + plan.reserved > cap:
            raise Refused(
                "budget_exceeded",
                f"the daily cap of {cap_of(row)} is {eur(cap)}; {eur(used['spent'])} is spent, "
                f"{eur(used['reserved'])} reserved, and this call may cost up to "
                f"{eur(plan.reserved)}. {f'Lower {limit_name}' if limit_name else 'Send less'}, wait for tomorrow, or "
                "raise the cap",
                stage=7,
                inputs=facts | {"needed": plan.reserved},
            )
        counted.append(facts)
    return counted


def _facts(
    call: Call,
    principal: Principal,
    workflow: Workflow,
    plan: Plan,
    checks: Sequence[Check],
    record: Record,
    ports: Ports,
) -> dict[str, Any]:
    more: dict[str, Any] = {"prompt": call.prompt.label, "prompt_by": call.prompt.by} if call.prompt else {}
    if call.asked.instructions and not call.prompt and record.keep:
        more["instructions"] = ports.contents.pseudonym("instructions", call.asked.instructions)
    if record.request:
        more["same_ref"] = record.request
    if call.approval:  # the transaction has found it to be for this request
        more["approval_ref"] = call.approval
    if record.found:
        more["found"] = dict(record.found)
    if record.screening:
        more["screening"] = dict(record.screening)
    if call.asked.tool_rounds:
        more["tool_rounds"] = call.asked.tool_rounds
    if call.asked.stored:
        more["provider_stores"] = True
    if call.component:
        more["component"] = call.component
    if shape := output_format(call, workflow):
        more["output_format"] = as_identifier(shape)
    return more | {
        "boot": ports.boot, "dialect": call.dialect.name, "stream": call.asked.stream,
        "environment": principal.environment, "key": principal.key, "route_ref": plan.route, "direct": plan.direct,
        **plan.facts, "task_source": call.task_source,
        "content": record.content, "tools_defined": len(call.asked.tools),
        "input_bound_tokens": call.asked.input_bound, "output_bound_tokens": plan.output_limit * call.asked.choices,
        "output_limit_set": plan.output_limit_set, "cache_ttl": plan.cache_ttl,
        "reserved_nano_eur": plan.reserved,
        "passed": [check.id for check in checks if check.verdict == "pass"],
        "checks": [check.facts() for check in checks if check.verdict != "pass"],
    }  # fmt: skip


def extend_unit(opened: Opened, amount: int, caps: Sequence[tuple[str, int]], ports: Ports) -> Unit:
    """Reserve another worst case for a further attempt after one that may have been billed.

    The answer is True when it fitted; when it did not, nothing changes.
    """

    def run(state: State, at: datetime) -> Step:
        call = state.get(f"call:{opened.call}")
        if call is None:
            return Step(answer=False)
        for row, (_, cap) in zip(opened.budgets, caps, strict=True):
            used = state.get(row) or {"spent": 0, "reserved": 0}
            if used["spent"] + used["reserved"] + amount > cap:
                return Step(answer=False)
        draft = Draft(
            id=new_id("ent", at), kind="call.extended", call=opened.call, task=opened.task,
            workflow=call["workflow"], refs={"build": ports.build},
            facts={"boot": ports.boot, "reserved_nano_eur": amount, "reason": "ambiguous_attempt"},
        )  # fmt: skip
        return Step(drafts=[draft], changes=changes_of(draft, state), answer=True)

    rows = (f"call:{opened.call}", *opened.budgets, *([task_row(opened.workflow, opened.task)] if opened.task else ()))
    return Unit(keys=lambda _at: rows, run=run)
