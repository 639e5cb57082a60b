"""Whether the arguments of a tool call keep to the rule of the tool. Pure.

What is said of a call that does not names parts of the rule alone: values are the caller's, and entries hold none.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from gateway.call import NOTHING
from gateway.configuration.tools import ToolRule
from gateway.dialects.strict import loaded, says_twice
from gateway.tools.provenance import is_said, said_in

_WEB = re.compile(r"https?://(?P<host>[A-Za-z0-9.-]+)(?::[0-9]{1,5})?(?:[/?#][^\s\\]*)?")
_MAIL = re.compile(r"(?:mailto:)?[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@(?P<host>[A-Za-z0-9.-]+)")
"""Without a user name and without escapes: what one reader takes for the host another one might not."""
_BETWEEN = re.compile(r"[\s,;]+")


def objection_to(arguments: str, rule: ToolRule, request: Mapping[str, Any] = NOTHING) -> str:
    """Return which part of a rule the arguments of a call break; empty where they keep to all of it.

    Args:
        arguments: JSON text as the answer has it; empty counts as an object without members.
        request: the fields of the request, for what a person has said in it.
    """
    text = arguments.strip() or "{}"
    try:
        value = loaded(text)
    except orjson.JSONDecodeError:
        return "the arguments are no JSON"
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
        or _against_said(value, rule, request)
    )


def _against_schema(value: dict[str, Any], rule: ToolRule) -> str:
    if rule.arguments is None:
        return ""
    try:
        broken = sorted("/".join(map(str, error.absolute_schema_path)) for error in rule.validator.iter_errors(value))
    except RecursionError:
        return "arguments: nested too deeply to be judged"
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
            if not text.startswith(beginnings) or ".." in text:
                return f"beginnings: {name}"
    return ""


def _against_said(value: dict[str, Any], rule: ToolRule, request: Mapping[str, Any]) -> str:
    said = said_in(request) if rule.said_by_person else ""
    for name in rule.said_by_person:
        if not all(is_said(text, said) for text in texts_in(value.get(name), numbers=True)):
            return f"said_by_person: {name}"
    return ""


def texts_in(value: Any, *, numbers: bool = False) -> Iterator[str]:
    """Yield every text in a value: itself, or what stands in its lists and objects; what is no text counts as empty.

    Args:
        numbers: a number counts as its digits.
    """
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from texts_in(one, numbers=numbers)
    elif value is not None:
        is_number = numbers and isinstance(value, int | float) and not isinstance(value, bool)
        yield value if isinstance(value, str) else str(value) if is_number else ""


def _host(address: str) -> str:
    """Return the host of an address of the web or of mail, in lower case; empty where it cannot be compared."""
    found = _WEB.fullmatch(address) or _MAIL.fullmatch(address)
    return found["host"].lower().rstrip(".") if found else ""


def _is_allowed(host: str, allowed: Sequence[str]) -> bool:
    hosts = [one.lower() for one in allowed]
    return any(host == one or (one.startswith("*.") and host.endswith(one[1:]) and host != one[2:]) for one in hosts)
