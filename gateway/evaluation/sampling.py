"""Which calls are scored: drawn by a hash that an auditor recomputes, and some always. Pure."""

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.configuration.evaluation import COMPONENTS

ELIGIBLE = ("answered", "refused_answer")
"""How a call ended that has an answer to score."""

OF_TOOL_CALLS = frozenset({"tool_selection", "policy"})
"""What can be scored of an answer that only calls tools."""


def components_of(facts: Mapping[str, Any]) -> tuple[frozenset[str], str]:
    """Return as what a call can be scored, and how that is known: from the caller's `header`, or `derived`.

    Args:
        facts: those of its `call.closed`.
    """
    if said := facts.get("component"):
        return frozenset({said}), "header"
    return OF_TOOL_CALLS if facts["finish"] in ("tool_calls", "function_call") else frozenset(COMPONENTS), "derived"


class Chosen(NamedTuple):
    """A call that is scored: whether the hash drew it, its stratum, and with which probability it is in the sample.

    Of the strata `denied`, `flagged`, `expensive` and `overridden` every call is scored. They are told apart from what
    was drawn: a rate over them says nothing of all.
    """

    drawn: bool
    stratum: str
    probability_ppm: int


def point(call: str, policy: str, component: str) -> float:
    """Return the number in [0, 1) by which a call is drawn: 8 bytes of SHA-256 over call, policy and component."""
    digest = hashlib.sha256(f"{call}\n{policy}\n{component}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


def chosen(
    call: str, facts: Mapping[str, Any], component: str, *, policy: str, rate_ppm: int, expensive: int | None
) -> Chosen | None:
    """Return how a call is in the sample of a component, or None where it is not.

    Args:
        facts: those of its `call.closed`.
        policy: the version of what is sampled and by what it is scored.
        rate_ppm: how many of a million calls are drawn.
        expensive: nano-EUR from which a call is always scored.
    """
    drawn = point(call, policy, component) < rate_ppm / 1_000_000
    stratum = "all"
    if facts["result"] == "refused_answer":
        stratum = "denied"
    elif facts["checks"]:
        stratum = "flagged"
    elif expensive is not None and facts["cost_nano_eur"] >= expensive:
        stratum = "expensive"
    if not drawn and stratum == "all":
        return None
    return Chosen(drawn, stratum, rate_ppm if stratum == "all" else 1_000_000)
