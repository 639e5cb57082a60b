"""What would become of a request, without sending or recording anything: the same functions that decide on calls."""

from dataclasses import dataclass, field
from typing import Any

from gateway.call import Arrival, Call, Check, Plan, Principal
from gateway.dialects.pairs import DIALECTS
from gateway.dialects.protocol import Server
from gateway.errors import Refused
from gateway.minimisation.minimiser import Minimiser
from gateway.pipeline.open import budget_rows, stepped
from gateway.pipeline.parse import parse
from gateway.pipeline.screen import admit, decide, screen
from gateway.policies.evaluating import applying, asked_by, decide_by
from gateway.policies.parts import parts_of
from gateway.policies.screening import NOTHING_SEEN, Screen
from gateway.prompts import with_prompt
from gateway.rules.route import plan_route
from gateway.rules.snapshot import Rules
from gateway.store.dictionaries import Dictionaries
from gateway.store.installation import Installation


@dataclass(frozen=True, slots=True)
class Explained:
    """What would become of a request now. Amounts are nano-EUR."""

    requested: str
    dialect: str
    refused: str = ""
    """By which code it would be refused; empty where it would be sent."""
    why: str = ""
    """In words."""
    checks: tuple[dict[str, Any], ...] = ()
    targets: tuple[dict[str, Any], ...] = ()
    """In the order in which they are tried: provider, model, format, and what the format has no place for."""
    rejected: tuple[dict[str, str], ...] = ()
    reserved: int = 0
    """The worst case of one attempt."""
    budgets: tuple[dict[str, Any], ...] = ()
    """What each cap has used, and whether the worst case fits."""
    step_down: dict[str, Any] = field(default_factory=dict)
    """From which share of the route's cap cheaper models serve, and whether they do now; empty where there are none."""

    @property
    def fits(self) -> bool:
        return all(one["fits"] for one in self.budgets)


def explain_route(
    installation: Installation, rules: Rules, body: bytes, *, dialect: str, path: str, environment: str,
    workflow: str | None,
) -> Explained:  # fmt: skip
    """Return what would become of a request.

    Args:
        path: below the base URL, for formats that name the model there.
    """
    principal = Principal(key="none", environment=environment, workflow=workflow, status="active")
    requested = ""
    try:
        call = parse(Arrival("call_none", {}, body, DIALECTS[dialect], path))
        requested = call.asked.model
        described, admitted = admit(principal, call, rules)
        call = with_prompt(call, environment, rules.prompts)
        checks = (*admitted, *decide(call, principal, described, screen(call, described)))
        policies = applying(rules.configuration.policies, workflow, environment, requested)
        seen = Screen().read(parts_of(call.asked.fields), asked_by(policies)) if policies else NOTHING_SEEN
        checks = (*checks, *decide_by(policies, call, described, seen))
        call, replaced = Minimiser(Dictionaries(installation.settings.dictionaries)).sent_now(call, policies)
        checks = (*checks, *replaced)
        plan = plan_route(call, principal, rules, installation.clock())
    except Refused as refusal:
        rejected = tuple(refusal.inputs.get("rejected", ()))
        return Explained(requested, dialect, refusal.code, refusal.message, rejected=rejected)
    return _of_plan(installation, rules, call, plan, checks)


def _of_plan(installation: Installation, rules: Rules, call: Call, first: Plan, checks: tuple[Check, ...]) -> Explained:
    zone = rules.configuration.organisation.time_zone
    rows = budget_rows(first.caps, zone, installation.clock())
    used = {row: installation.reader.state(row) or {"spent": 0, "reserved": 0} for row, _ in rows}
    plan, step_down = stepped(first, used, rows), {}
    if first.lower:
        cheaper = first.lower.targets[0].model
        step_down = {"percent": first.step_down_at, "now": plan.stepped_down, "first": cheaper}
    budgets = [
        {"row": row, "cap": cap, **used[row]}
        | {"fits": used[row]["spent"] + used[row]["reserved"] + plan.reserved <= cap}
        for row, cap in rows
    ]
    missing = [one["row"] for one in budgets if not one["fits"]]
    return Explained(
        requested=call.asked.model, dialect=call.dialect.name, checks=tuple([one.facts() for one in checks]),
        refused="budget_exceeded" if missing else "",
        why=f"its worst case does not fit under {', '.join(missing)}" if missing else "",
        targets=tuple([_target(one, call, plan) for one in plan.targets]),
        rejected=tuple({"model": model, "reason": reason} for model, reason in plan.rejected),
        reserved=plan.reserved, budgets=tuple(budgets), step_down=step_down,
    )  # fmt: skip


def _target(target: Any, call: Call, plan: Plan) -> dict[str, Any]:
    server = Server(target.model, plan.output_limit, target.limit_field, target.asks_usage)
    dropped = target.pair.outgoing(call.asked, server).dropped
    return {
        "provider": target.provider, "model": target.model, "format": target.pair.server.name, "dropped": list(dropped),
    }  # fmt: skip
