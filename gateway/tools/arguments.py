"""Whether the arguments of a tool call keep to the rule of the tool. Pure.

What is said of a call that does not names parts of the rule alone: values are the caller's, and entries hold none.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from gateway.configuration.tools import ToolRule
from gateway.dialects.strict import loaded, says_twice
from gateway.tools.provenance import Said

NOBODY = Said({})
"""A request in which nobody says anything."""
_WEB = re.compile(r"https?://(?P<host>[A-Za-z0-9.-]+)(?::[0-9]{1,5})?(?:[/?#][^\s\\]*)?")
_MAIL = re.compile(r"(?:mailto:)?[A-Za-z0-9._+'-]+@(?P<host>[A-Za-z0-9.-]+)")
"""Without a user name, without escapes, and without what could also be the path of an address of the web."""
_TURNS = re.compile(r"\.\.|%2e|%2f|%5c|[\x00-\x1f\x7f\\]", re.IGNORECASE)
"""What some reader takes for a way up."""
_BETWEEN = re.compile(r"[\s,;]+")


def objection_to(arguments: str, rule: ToolRule, said: Said = NOBODY) -> str:
    """Return which part of a rule the arguments of a call break; empty where they keep to all of it.

    Args:
        arguments: JSON text as the answer has it; empty counts as an object without members.
        said: what persons have said in the request.
    """
    text = arguments.strip() or "{}"
    try:
        value = loaded(text)
    except orjson.JSONDecodeError:
        return "the arguments are no JSON, or not all of it"
    if not isinstance(value, dict):
        return "the arguments are no object"
    if says_twice(text.encode(), value):
        return "the arguments have a member twice"
    if any(one not in rule.names and one.casefold() in rule.folded_names for one in value):
        return "the arguments have a member that is spelt in another way"
    return (
        _against_schema(value, rule)
        or _against_hosts(value, rule)
        or _against_beginnings(value, rule)
        or ("" if rule.approval != "never" else _against_said(value, rule, said))
    )


def asks_for_approval(arguments: str, rule: ToolRule, said: Said = NOBODY) -> str:
    """Return why a call that breaks no part of a rule waits for a person: `always`, or what nobody has said; or empty.

    Args:
        arguments: as `objection_to` has let them pass.
    """
    if rule.approval == "never":
        return ""
    return _against_said(loaded(arguments.strip() or "{}"), rule, said) or ("always" * (rule.approval == "always"))


def _against_schema(value: dict[str, Any], rule: ToolRule) -> str:
    if rule.arguments is None:
        return ""
    try:
        broken = sorted("/".join(map(str, error.absolute_schema_path)) for error in rule.validator.iter_errors(value))
    except Exception:  # noqa: BLE001 - a schema that turns round, refers to nothing, or what else its library trips over
        return "arguments: they could not be judged"
    return f"arguments: {broken[0]}" if broken else ""


def _against_hosts(value: dict[str, Any], rule: ToolRule) -> str:
    for name, allowed in rule.hosts.items():
        for text in texts_in(value.get(name)):
            named = [_host(one) for one in _BETWEEN.split(text.strip())]
            if not all(_is_allowed(one, allowed) for one in named):
                return f"hosts: {name}"
    return ""


def _against_beginnings(value: dict[str, Any], rule: ToolRule) -> str:
    for name, beginnings in rule.beginnings.items():
        for text in texts_in(value.get(name)):
            if not text.startswith(beginnings) or _TURNS.search(text):
                return f"beginnings: {name}"
    return ""


def _against_said(value: dict[str, Any], rule: ToolRule, said: Said) -> str:
    for name in rule.said_by_person:
        if not all(map(said.has, values_in(value.get(name)))):
            return f"said_by_person: {name}"
    return ""


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text in a value; a number counts as an empty one, which keeps to no rule."""
    return (one if isinstance(one, str) else "" for one in values_in(value))


def values_in(value: Any) -> Iterator[str | int | float]:
    """Yield every text and number in a value: itself, or what stands in its lists and objects, whose names are texts.

    True and false count as an empty text.
    """
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from values_in(one)
    elif value is not None:
        yield "" if isinstance(value, bool) else value


def _host(address: str) -> str:
    """Return the host of an address of the web or of mail, in lower case; empty where it cannot be compared."""
    found = _WEB.fullmatch(address) or _MAIL.fullmatch(address)
    return found["host"].lower().rstrip(".") if found else ""


def _is_allowed(host: str, allowed: Sequence[str]) -> bool:
    hosts = [one.lower() for one in allowed]
    return bool(host) and any(
        host == one or (one.startswith("*.") and host.endswith(one[1:]) and host != one[2:]) for one in hosts
    )
