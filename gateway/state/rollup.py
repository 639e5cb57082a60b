"""Sums of calls by what a spend question asks for: a row of the state for each slice of a day. Pure.

The rows change in the transaction of the entry that ends a call, so they are never behind, and they are rebuilt with
the rest of the state. Amounts are nano-EUR, days the organisation's: a call belongs to the day on which it was opened.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

PREFIX = "sum:"
_INPUT = (
    "input_tokens", "cached_tokens", "cache_write_tokens", "audio_input_tokens", "audio_cached_tokens",
    "image_input_tokens",
)  # fmt: skip
_OUTPUT = ("output_tokens", "audio_output_tokens", "image_output_tokens")
NOTHING: Mapping[str, Any] = {
    "calls": 0, "cost": 0, "bounded": 0, "bound_cost": 0, "in": 0, "out": 0, "named_cost": 0, "saved": 0, "results": {},
}  # fmt: skip
"""A slice before its first call: calls that ended or were refused, their cost, how many are charged at an upper bound
and at how much, tokens, the cost of calls that named a task, what a cache saved, and how calls ended."""


class Slice(NamedTuple):
    """What a row sums over. `model` is `provider model`, `cache`, or empty where nobody answered."""

    day: str
    workflow: str
    environment: str
    route: str
    model: str
    key: str
    prompt: str = ""
    """Version of a registered prompt, `name@3`; empty for all other calls."""


def row_of(day: str, workflow: str | None, facts: Mapping[str, Any], call: Mapping[str, Any]) -> str:
    """Name the row that the end of a call counts in.

    Args:
        facts: those of the entry that ends it.
        call: what the entry does not say of it: `environment`, `route`, `key`, `prompt`.
    """
    served = facts.get("served")
    cached = "cache" if facts.get("cache") in ("hit", "similar") else ""
    model = f"{served['provider']} {served['model']}" if served else cached
    named = [facts.get(name) or call.get(name) or "" for name in ("environment", "route", "key")]
    prompt = facts.get("prompt") or call.get("prompt")
    parts = (day, workflow or "", named[0], named[1], model, named[2], *([prompt] if prompt else ()))
    return PREFIX + "|".join([str(part).replace("|", "/") for part in parts])


def slice_of(row: str) -> Slice:
    """Return what a row sums over."""
    return Slice(*row.removeprefix(PREFIX).split("|"))


def plus(old: Mapping[str, Any] | None, facts: Mapping[str, Any], *, named: bool, result: str) -> dict[str, Any]:
    """Return a row with one more call.

    Args:
        named: the call names a task.
        result: how it ended.
    """
    row = old or NOTHING
    cost, usage = facts.get("cost_nano_eur", 0), facts.get("usage") or {}
    bounded = facts.get("cost_state") == "upper_bound"
    return {
        "calls": row["calls"] + 1,
        "cost": row["cost"] + cost,
        "bounded": row["bounded"] + bounded,
        "bound_cost": row["bound_cost"] + cost * bounded,
        "in": row["in"] + sum(usage.get(name, 0) for name in _INPUT),
        "out": row["out"] + sum(usage.get(name, 0) for name in _OUTPUT),
        "named_cost": row["named_cost"] + cost * named,
        "saved": row["saved"] + facts.get("saved_nano_eur", 0),
        "results": row["results"] | {result: row["results"].get(result, 0) + 1},
    }


def corrected(old: Mapping[str, Any], before: int, after: int, *, named: bool, first: bool) -> dict[str, Any]:
    """Return a row in which a person's figure stands in place of an upper bound (`first`), or of an earlier figure."""
    moved = {"cost": old["cost"] + after - before, "named_cost": old["named_cost"] + (after - before) * named}
    if first:
        moved |= {"bounded": old["bounded"] - 1, "bound_cost": old["bound_cost"] - before}
    return {**old, **moved}


def total(rows: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sum of rows."""
    found = {name: sum(row[name] for row in rows) for name in NOTHING if name != "results"}
    names = sorted({name for row in rows for name in row["results"]})
    return found | {"results": {name: sum(row["results"].get(name, 0) for row in rows) for name in names}}
