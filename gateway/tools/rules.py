"""Which calls of tools in an answer break the rule of their tool, and how that is put on record. Pure."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from gateway.call import Asking, Check, ToolCall
from gateway.configuration.tools import ToolRule
from gateway.dialects.protocol import Called
from gateway.dialects.words import as_identifier
from gateway.tools.arguments import asks_for_approval, objection_to
from gateway.tools.provenance import Said

Rules = Mapping[str, ToolRule]
"""By the name of a tool, or by the beginning of names with a star."""
NONE: Rules = MappingProxyType({})


class Broken(NamedTuple):
    """A tool whose rule a call breaks, as an identifier, and which part of the rule; no value of the call."""

    tool: str
    part: str


def rule_of(name: str, rules: Rules) -> ToolRule | None:
    """Return the rule of a tool: its own, or that of the longest beginning; None where it has none."""
    if not rules or name in rules:
        return rules.get(name)
    beginnings = [one for one in rules if one.endswith("*") and name.startswith(one[:-1])]
    return rules[max(beginnings, key=len)] if beginnings else None


def are_judged(calls: Sequence[Called | ToolCall], rules: Rules) -> int:
    """Return of how many calls the arguments are judged."""
    return sum(bool((rule := rule_of(one.name, rules)) and rule.judges) for one in calls) if rules else 0


def broken_in(calls: Sequence[Called], rules: Rules, said: Said) -> Broken | None:
    """Return the first call that breaks its rule; None where none does. What is unclear keeps to no rule."""
    for one in calls:
        rule = rule_of(one.name, rules)
        if not rule or not rule.judges:
            continue
        # A person is shown one set of arguments; where some clients would read another one, they decide about nothing.
        if rule.approval != "never" and one.others:
            return Broken(as_identifier(one.name), "its arguments cannot be judged")
        objections = (objection_to(arguments, rule, said) for arguments in (one.arguments, *one.others))
        part = "its arguments cannot be judged" if one.unclear else next(filter(None, objections), "")
        if part:
            return Broken(as_identifier(one.name), part)
    return None


def asked_in(calls: Sequence[Called], rules: Rules, said: Said) -> tuple[Asking, ...]:
    """Return which tools are called in a way that waits for a person, and why; of calls that break no rule."""
    found: dict[str, str] = {}
    for one in calls:
        rule = rule_of(one.name, rules)
        if rule and (because := asks_for_approval(one.arguments, rule, said)):
            found.setdefault(as_identifier(one.name), because)
    return tuple([Asking(tool, because) for tool, because in found.items()])


def approval_checks(asked: Sequence[Asking], *, given: bool) -> tuple[Check, ...]:
    """Return the check of an answer with calls that wait for a person, or that a person has approved."""
    if not asked:
        return ()
    inputs = {"tools": len(asked), "tool": asked[0].tool, "broken": asked[0].because}
    if given:
        return (Check("tool-approval", "pass", inputs=inputs),)
    return (Check("tool-approval", "hold", "a call waits for a person", inputs),)


def rule_checks(judged: int, broken: Broken | None, *, whole: bool) -> tuple[Check, ...]:
    """Return the check of an answer that calls tools whose arguments are judged; none where it calls no such tool.

    Args:
        judged: how many such calls there are.
        whole: all of the answer came, could be read and was judged. What nobody could judge is never passed.
    """
    if not judged:
        return ()
    inputs: dict[str, Any] = {"called": judged}
    if broken:
        inputs |= {"tool": broken.tool, "broken": broken.part}
        return (Check("tool-arguments", "deny", "a call breaks the rule of its tool", inputs),)
    if not whole:
        return (Check("tool-arguments", "flag", "not all of the answer could be judged", inputs),)
    return (Check("tool-arguments", "pass", inputs=inputs),)
