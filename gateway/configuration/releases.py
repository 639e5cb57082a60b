"""What the release of a workflow is bound to: what it is for, what it may call, and which models may answer it."""

import json
from typing import Any

from gateway.configuration.load import digest, provider_of
from gateway.configuration.model import UNDESCRIBED, Configuration, Workflow


def released_parts(configuration: Configuration, name: str) -> dict[str, Any]:
    """Return the parts of a configuration that a person who releases this workflow answers for.

    Caps, time-outs and retries are none of them: a release stays in force when a cap is raised.
    """
    workflow = configuration.workflows.get(name, UNDESCRIBED)
    routes = [one for one in configuration.routes if not workflow.routes or one.intent in workflow.routes]
    return {
        "purpose": workflow.purpose, "owner": workflow.owner, "role": workflow.role, "tools": list(workflow.tools),
        "content": workflow.content,
        "routes": {route.intent: [_served_by(configuration, model) for model in route.every_model] for route in routes},
        **({} if workflow.forced_tool == "named" else {"forced_tool": workflow.forced_tool}),
        **({"tool_rules": _rules_of(workflow)} if workflow.tool_rules else {}),
        **({} if workflow.held_input == "deny" else {"held_input": workflow.held_input}),
        **({} if workflow.unreleased_results == "flag" else {"unreleased_results": workflow.unreleased_results}),
        **({"approvals": workflow.approvals.model_dump(mode="json")} if workflow.asks else {}),
        **({"policies": policies} if (policies := _policies_of(configuration, name)) else {}),
        **({"regions": list(workflow.regions)} if workflow.regions else {}),
    }  # fmt: skip


def _policies_of(configuration: Configuration, name: str) -> dict[str, Any]:
    applying = [(key, one) for key, one in configuration.policies.items() if not one.workflows or name in one.workflows]
    return {key: one.model_dump(mode="json", exclude_defaults=True) for key, one in applying}


def _rules_of(workflow: Workflow) -> dict[str, Any]:
    return {name: one.model_dump(mode="json", exclude_defaults=True) for name, one in workflow.tool_rules.items()}


def served_models(configuration: Configuration, intent: str) -> dict[str, Any]:
    """Return which models answer an intent, and where."""
    route = configuration.route(intent)
    return {intent: [_served_by(configuration, model) for model in route.every_model] if route else []}


def release_digest(configuration: Configuration, name: str) -> str:
    """Return the digest by which registration, release and calls name what is in force of a workflow."""
    return digest(json.dumps(released_parts(configuration, name), sort_keys=True))


def _served_by(configuration: Configuration, written: str) -> str:
    model = configuration.aliases.get(written, written)
    found = provider_of(configuration, model)
    return f"{model} at {found[0]}" if found else model
