"""Plain words and forms of numbers that only the printed pack has."""

import base64
import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, ROUND_UP, Decimal
from typing import Any

from markupsafe import Markup, escape

RESULTS = {
    "answered": "answered",
    "failed": "no answer from any target",
    "upstream_cut": "the answer broke off at the provider",
    "unreadable": "the answer could not be read, and was held back from there on",
    "client_gone": "the client left before the end",
    "refused_answer": "the answer was withheld",
    "held": "the answer was held for a person",
    "stopped": "stopped by a person while it ran",
    "cancelled": "cancelled",
    "interrupted": "the process ended first",
    "refused": "refused before anything was sent",
    "open": "no end on record in the period",
}
COSTS = {
    "provider_reported": "computed from the usage that the provider reported",
    "provider_stated": "as stated by the provider, which is more than computed from the usage",
    "upper_bound": "an upper bound, as nobody reported what was billed (marked * below)",
    "none": "nothing was bought",
}
_BREAKABLE = re.compile(r"([_/:.@-])(?=\w)")
_LINE = 490
"""Points that a line of a page has room for."""
_WIDTH = 0.603
"""Of a letter of DejaVu Sans Mono, in its size."""


def served(facts: Mapping[str, Any]) -> str:
    """Name the model that answered, and what the answer called itself where that is something else."""
    target = facts.get("served")
    if not target:
        return "cache" if facts.get("cache") in ("hit", "similar") else ""
    reported = target.get("reported_model")
    name = str(target["model"])
    if reported and reported != name:
        flagged = any(check["id"] == "reported-model" for check in facts.get("checks", ()))
        name += f" (the answer names {reported}{', another model' if flagged else ''})"
    return name


def cents(nano: int, bounded: int = 0) -> str:
    """Write nano-EUR to the cent; above zero and below half a cent is said so, and what holds a bound is never less."""
    if 0 < nano < 5_000_000 and not bounded:
        return "< 0.01"
    how = ROUND_UP if bounded else ROUND_HALF_UP
    return f"{(Decimal(nano).scaleb(-9)).quantize(Decimal('0.01'), rounding=how):,}"


def decimals(nano: int) -> str:
    """Write nano-EUR with nine decimals, so that a column of them is aligned at the point."""
    return f"{Decimal(nano).scaleb(-9):.9f}"


def spaced(code: object) -> str:
    """Write a code in words: `budget_exceeded` as `budget exceeded`."""
    return str(code).replace("_", " ").replace("-", " ")


def soft(text: object) -> Markup:
    """Let a long name break behind its own separators, not inside a word."""
    return Markup(_BREAKABLE.sub(r"\1<wbr>", str(escape(text))))  # noqa: S704 - escaped before


def hexadecimal(digest: str) -> str:
    """Write a digest in base64url as hexadecimal in groups of eight."""
    if len(digest) != 43:
        return digest
    digits = base64.urlsafe_b64decode(digest + "=").hex()
    return " ".join(digits[at : at + 8] for at in range(0, len(digits), 8))


def on_one_line(text: str) -> str:
    """Return the size in points at which a text in DejaVu Sans Mono fits on one line."""
    return f"{min(7.5, _LINE / (_WIDTH * max(len(text), 1))):.2f}pt"
