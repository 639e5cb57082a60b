"""Which calls of tools in an answer break the rule of their tool, and how that is put on record. Pure."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from gateway.call import Check, ToolCall
from gateway.configuration.tools import ToolRule
from gateway.dialects.protocol import Called
from gateway.dialects.words import as_identifier
from gateway.tools.arguments import objection_to

Rules = Mapping[str, ToolRule]
"""By the name of a tool, or by the beginning of names with a star."""
NONE: Rules = MappingProxyType({})


def rule_of(name: str, rules: Rules) -> ToolRule | None:
    """Return the rule of a tool: its own, or that of the longest beginning; None where it has none."""
    if not rules or name in rules:
        return rules.get(name)
    beginnings = [one for one in rules if one.endswith("*") and name.startswith(one[:-1])]
    return rules[max(beginnings, key=len)] if beginnings else None


def broken_in(calls: Sequence[Called | ToolCall], rules: Rules, request: Mapping[str, Any]) -> str:
    """Return the first tool whose rule is broken and which part of it, without any value; empty where none is."""
    for one in calls:
        rule = rule_of(one.name, rules)
        if rule and (said := objection_to(one.arguments, rule, request)):
            return f"{one.name}: {said}"
    return ""


def rule_checks(
    calls: Sequence[ToolCall], rules: Rules, request: Mapping[str, Any], *, broken: str, whole: bool
) -> tuple[Check, ...]:
    """Return the check of an answer that calls tools which have a rule; none where it calls no such tool.

    Args:
        broken: what `broken_in` found as the answer came, if it looked.
        whole: all of the answer came and could be read. What nobody could judge is never passed.
    """
    ruled = sum(rule_of(one.name, rules) is not None for one in calls)
    inputs: dict[str, Any] = {"called": ruled}
    if not ruled:
        return ()
    if broken := broken or (broken_in(calls, rules, request) if whole else ""):
        tool, _, part = broken.partition(": ")
        inputs |= {"tool": as_identifier(tool), "broken": part}
        return (Check("tool-arguments", "deny", "a call breaks the rule of its tool", inputs),)
    if not whole:
        return (Check("tool-arguments", "flag", "not all of the answer could be judged", inputs),)
    return (Check("tool-arguments", "pass", inputs=inputs),)
