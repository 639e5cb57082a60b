"""A named person confirms the risk class of a workflow, as it is registered now and by the law data in force.

The class comes from the answers alone; what a person adds is that they stand by the answers. It is no electronic
signature in the sense of Regulation (EU) No 910/2014 and is never called one.
"""

from datetime import date
from typing import Any

from classifiers.cases import Case
from classifiers.facts import UNDETERMINED, FactsInvalid
from classifiers.law.records import law_on
from classifiers.risk import Classification, classify
from gateway.configuration.releases import release_digest
from gateway.oversight.acts import act, active_configuration, require_reason
from gateway.oversight.people import Actor, ActRefused
from gateway.store.installation import Installation
from ledger.amounts import counted
from ledger.unit import State

CLASSIFIERS = ("compliance", "admin")


def confirm_class(
    installation: Installation, actor: Actor, workflow: str, case: Case, reason: str, *, draft: bool = True
) -> Classification:
    """Record the class that the answers lead to, confirmed by a person; returns it.

    A class that bars a workflow (a prohibition that binds) takes its release back.

    Raises:
        ActRefused: not registered, changed meanwhile, no reason, answers that cannot be used or leave the class open,
            or neither compliance nor admin.
    """
    require_reason(reason)
    row = f"workflow:{workflow}"
    if installation.reader.state(row) is None:
        raise ActRefused(
            f"workflow {workflow} is not registered: describe it in the configuration, or `whyledger key create --new`"
        )
    today = installation.clock().date()
    if abs((date.fromisoformat(case.at) - today).days) > 1:  # a day's difference is one of time zones
        raise ActRefused(f"a class is confirmed for today, {today}, not for {case.at}")
    result = _result(case, draft=draft)
    configuration, config = active_configuration(installation)
    seen = release_digest(configuration, workflow)

    def check(state: State) -> None:
        if (state.get(row) or {}).get("version") != seen:
            raise ActRefused(f"{workflow} is registered as something else: activate the configuration, then classify")

    law = law_on(case.at, draft=draft)
    act(
        installation, "workflow.classified", actor, roles=CLASSIFIERS, keys=(row,),
        facts=facts_of(workflow, case, result, draft=draft), texts={"reason": reason}, workflow=workflow,
        refs={"workflow": seen, "config": config, "law": law.digest}, check=check,
    )  # fmt: skip
    return result


def _result(case: Case, *, draft: bool) -> Classification:
    try:
        result = classify(case.facts, complete=case.answers_complete, at=case.at, draft=draft)
    except FactsInvalid as error:
        raise ActRefused(str(error)) from None
    if result.tier == UNDETERMINED:
        some = ", ".join(result.ask[:8]) + (", ..." if len(result.ask) > 8 else "")
        raise ActRefused(f"the class is open: {counted(len(result.ask), 'question')} can still change it ({some})")
    return result


def facts_of(workflow: str, case: Case, result: Classification, *, draft: bool) -> dict[str, Any]:
    """Return what an entry says of a class: the answers, what came of them, and the law data. No personal data."""
    law = law_on(case.at, draft=draft)
    return {
        "workflow_ref": workflow, "asked_for": case.at, "tier": result.tier, "overlays": list(result.overlays),
        "legal_basis": list(result.legal_basis), "applies_from": dict(result.applies_from),
        "in_effect": list(result.in_effect), "conservative_tier": result.conservative_tier,
        "readings": [{"tier": one.tier, "rules": list(one.rules)} for one in result.readings[:16]],
        "answers": {name: value for name, value in sorted(case.facts.items())},
        "roles": list(result.roles), "answers_complete": case.answers_complete, "law_version": law.version,
        "draft_guidance": draft,
        "bars": result.tier in result.in_effect and result.tier == law.severity[-1],
        "bars_from": result.applies_from.get(law.severity[-1]),
    }  # fmt: skip
