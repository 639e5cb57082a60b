"""That what is looked for is replaced wherever a text can stand: tried with made-up values before the first call."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from classifiers.terms import Terms
from gateway.configuration.policies import Policy, Replaces
from gateway.minimisation.minimiser import Minimiser
from gateway.policies.evaluating import Applying

CANARIES = {
    "credential": "ghp_" + "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zC1dF3", "email_address": "canary.bird@mine.example",
    "iban": "GB33BUKB20201555555555", "payment_card": "4556 7375 8689 9855", "telephone_number": "+49 176 12345678",
    "ip_address": "203.0.113.77",
}  # fmt: skip
"""A value of each of these kinds: nobody's."""


def prove(minimiser: Minimiser) -> dict[str, Any]:
    """Return what was tried and replaced everywhere: kinds, and how many terms each list has. Tried again when a list
    has changed.

    Raises:
        Refused: a list cannot be read.
        ValueError: something was left; names the kind and the place.
    """
    lists = minimiser.lists()
    versions = tuple((name, one.version) for name, one in lists.items())
    if versions not in minimiser.proved:
        minimiser.proved = {versions: _proof(minimiser, lists)}
    return minimiser.proved[versions]


def _proof(minimiser: Minimiser, lists: Mapping[str, Terms]) -> dict[str, Any]:
    values = CANARIES | {name: one.example for name, one in lists.items() if len(one)}
    replaces = Replaces(credentials=True, personal_data=("any",), terms=tuple(lists))
    policy = Applying("proof", Policy(replaces=replaces, effect="redact"))
    for kind, value in values.items():
        for place, fields in _requests(value):
            _require_gone(kind, place, value, minimiser.replaced(fields, [policy]).fields)
        for name, content in _contents(value):
            _require_gone(kind, name, value, minimiser.keeping(b"").values({name: content}))
    return {"kinds": sorted(CANARIES), "lists": {name: len(one) for name, one in lists.items()}}


def _require_gone(kind: str, place: str, value: str, found: Mapping[str, Any]) -> None:
    if value in json.dumps(found, ensure_ascii=False):
        raise ValueError(f"a made-up value of the kind {kind} was not replaced in {place}")


def _requests(value: str) -> Iterator[tuple[str, dict[str, Any]]]:
    said = f"It says {value} there."
    called = {"id": "c", "type": "function", "function": {"name": "f", "arguments": json.dumps({"to": value})}}
    yield "the words of a person", {"messages": [{"role": "user", "content": said}]}
    yield "a part of a turn", {"messages": [{"role": "user", "content": [{"type": "text", "text": said}]}]}
    yield "a system text", {"system": [{"type": "text", "text": said}], "instructions": said}
    yield "a call of a tool", {"messages": [{"role": "assistant", "tool_calls": [called]}]}
    yield "a result", {"messages": [{"role": "tool", "content": said}], "input": [{"output": said}]}
    yield "contents", {"contents": [{"parts": [{"text": said}, {"functionResponse": {"response": {"said": said}}}]}]}
    yield "the name of a user", {"user": said, "metadata": {"from": said}}


def _contents(value: str) -> Iterator[tuple[str, object]]:
    said = f"It says {value} there."
    for name in ("prompt", "answer"):
        yield name, json.dumps({"messages": [{"content": said}], "choices": [{"message": {"content": said}}]})
    pieces = [f"It says {value[:5]}", value[5:], " there."]
    events = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    yield "answer", "".join(f"data: {json.dumps(one)}\n\n" for one in events)
    yield "tool_call_0", {"name": "f", "arguments": json.dumps({"to": value})}
    for name in ("instructions", "attempt_error_0", "task", "requested", "reason"):
        yield name, said
