"""Words of a provider that may stand in an entry: those with the shape of an identifier, and known ones of a list."""

import re
from functools import lru_cache

OTHER = "other"
_IDENTIFIER = re.compile(r"[A-Za-z0-9@/][A-Za-z0-9._:/@+-]{0,127}")
_TIERS = frozenset({"auto", "default", "standard", "flex", "batch", "priority", "scale", "on_demand", "performance"})
_FINISHES = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})
_DATED = re.compile(r"(?:[-@:.](?:20\d\d-?\d\d-?\d\d|\d\d-\d\d|\d{3,4}|\d{6}|\d{8}|latest))?")
_ALIAS = re.compile(r"[-:]latest$")


def as_identifier(text: str) -> str:
    """Return a text as it is if it has the shape of an identifier, else `other`."""
    return text if _IDENTIFIER.fullmatch(text) else OTHER


def as_tier(text: str) -> str:
    return text if text in _TIERS else OTHER


def as_finish(text: str) -> str:
    return text if text in _FINISHES else OTHER


@lru_cache(maxsize=1024)
def is_dated_form(reported: str, asked: str) -> bool:
    """Tell whether a model is the one that was asked for, or a dated version of it: `gpt-4o-2024-08-06` of `gpt-4o`.

    Vendors' prefixes (`openai/`, `models/`) and the case of letters make no difference.
    """
    name, wanted = (text.lower().rpartition("/")[2] for text in (reported, asked))
    wanted = _ALIAS.sub("", wanted)
    return name.startswith(wanted) and _DATED.fullmatch(name[len(wanted) :]) is not None


def decoded(body: bytes) -> str:
    """Return a body as text."""
    return body.decode("utf-8", "replace")
