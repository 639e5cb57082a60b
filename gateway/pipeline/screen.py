"""Stages 3, 4 and 5 of 10: admit, screen, decide. Pure: the same call under the same rules gives the same checks.

What counts or is consumed (caps, calls of a task, a key's status) is looked at here only to refuse early; stage 7
decides it again inside the transaction. What texts hold is for `gateway.policies`; here it is the tools that a request
defines. Each entry lists the checks that ran.
"""

from collections.abc import Sequence
from typing import NamedTuple

from gateway.call import Call, Check, Principal
from gateway.configuration.model import Workflow
from gateway.dialects.words import as_identifier
from gateway.errors import Refused
from gateway.rules.snapshot import Rules
from gateway.rules.tasks import require_shape
from gateway.tools.definitions import changed_in
from gateway.tools.grants import grants_of, named

RELEASED = (Check(id="workflow-released", verdict="pass"),)
ALLOWED = (Check(id="granted-tools", verdict="pass"), Check(id="allowed-routes", verdict="pass"))
HELD = (Check(id="whole-input", verdict="flag", reason="a part of the input is held by the provider"),)


def admit(principal: Principal, call: Call, rules: Rules) -> tuple[Workflow, tuple[Check, ...]]:
    """Stage 3: the workflow is registered, may be used in this environment, and nothing stops it.

    Raises:
        Refused: key_revoked, stopped, workflow_unknown, workflow_not_released, tool_rounds_exceeded.
    """
    if principal.status != "active":
        raise Refused("key_revoked", "this key was revoked; ask an engineer for a new one", stage=2)
    if stop := rules.stop_for(key=principal.key, workflow=principal.workflow, task_id=call.task_id):
        raise stopped(stop, stage=3)
    workflow = rules.workflow(principal.workflow)
    if workflow is None:
        raise Refused(
            "workflow_unknown",
            f"workflow {principal.workflow} is not registered; describe it in the configuration",
            stage=3,
        )
    require_shape(call, workflow)
    release = rules.released.get(principal.workflow or "", "none")
    if release == "released":
        return workflow, RELEASED
    return workflow, (unreleased(principal, release, stage=3),)


def unreleased(principal: Principal, release: str, *, stage: int) -> Check:
    """A workflow that nobody has released as it is now is refused in prod and flagged elsewhere."""
    code, reason = ("release_stale", "changed after it was released") if release == "stale" else (
        "workflow_not_released", "not released"
    )  # fmt: skip
    if principal.environment == "prod":
        raise Refused(
            code,
            f"workflow {principal.workflow} was {reason}: whyledger workflow release {principal.workflow}",
            stage=stage,
            inputs={"environment": principal.environment},
        )
    return Check(id="workflow-released", verdict="flag", reason=reason)


def stopped(scope: str, *, stage: int) -> Refused:
    shown = scope.partition(":")[0]
    return Refused(
        "stopped",
        f"a person has stopped this {shown}; see the why link, or `whyledger stop --release`",
        stage=stage,
        inputs={"scope": scope},
    )


class Findings(NamedTuple):
    """Stage 4: what the request brings along."""

    ungranted: tuple[str, ...]
    defined: int
    changed: Sequence[tuple[str, str]] = ()
    """Name and digest of definitions that are pinned to others."""


NO_TOOLS = Findings((), 0)


def output_format(call: Call, workflow: Workflow) -> str:
    """Return the function that describes the form of the answer and that nothing executes; empty where there is none.

    What a request forces is the shape of one answer: the model has no choice whether to use it, and libraries for
    structured output make such a function up for each type.
    """
    if workflow.forced_tool == "none":
        return ""
    if call.asked.forced in call.asked.tools:
        return call.asked.forced
    only = workflow.forced_tool == "required" and call.asked.required and len(call.asked.tools) == 1
    return call.asked.tools[0] if only else ""


def screen(call: Call, workflow: Workflow) -> Findings:
    """Stage 4: compare the tools the request defines with the granted ones."""
    if not call.asked.tools:
        return NO_TOOLS
    grants = grants_of(workflow.tools, output_format(call, workflow))
    ungranted = tuple(name for name in call.asked.tools if not grants.allow(name))
    changed = changed_in(call.asked.fields, call.asked.tools, workflow.tool_rules) if workflow.tool_rules else ()
    return Findings(ungranted, len(call.asked.tools), changed)


def decide(call: Call, principal: Principal, workflow: Workflow, findings: Findings) -> tuple[Check, ...]:
    """Stage 5: policy over findings.

    Raises:
        Refused: policy_denied, with the determining inputs.
    """
    if findings.ungranted:
        inputs = {
            "rule": "granted-tools", "defined": findings.defined, "ungranted": len(findings.ungranted),
            "names": named(map(as_identifier, findings.ungranted)),
        }  # fmt: skip
        raise Refused(
            "policy_denied",
            f"workflow {principal.workflow} is not granted "
            f"{named(name[:100] for name in findings.ungranted)}; "
            "remove them from the request or grant them in the configuration (`tools:` takes beginnings too: mcp__*)",
            stage=5,
            inputs=inputs,
        )
    if findings.changed:
        names = named(f"{as_identifier(name)} ({digest or 'no digest'})" for name, digest in findings.changed)
        raise Refused(
            "policy_denied",
            f"workflow {principal.workflow} pins another definition of {names}; look at what is new in it, and add its "
            "digest to `definition` in `tool_rules` if it may be used",
            stage=5,
            inputs={"rule": "pinned-definitions", "names": names},
        )
    if call.asked.held and workflow.held_input == "deny":
        raise Refused(
            "policy_denied",
            "a part of the input is held by the provider (an earlier response, a conversation, a cache, a container), "
            "so nobody here can read it; send the whole input, or allow it for the workflow: `held_input: flag`",
            stage=5,
            inputs={"rule": "whole-input"},
        )
    if workflow.routes and call.asked.model not in workflow.routes:
        raise Refused(
            "policy_denied",
            f"workflow {principal.workflow} may not use `{call.asked.model[:100]}`; "
            f"it may use {', '.join(workflow.routes)}",
            stage=5,
            inputs={"rule": "allowed-routes"},
        )
    return ALLOWED + HELD if call.asked.held else ALLOWED
