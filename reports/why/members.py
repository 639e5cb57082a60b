"""The members of an entry in words: amounts short, codes by what they mean, instants in the zone of the view."""

import re
from collections.abc import Mapping
from typing import Any

from ledger.amounts import cap_of, eur_short
from reports.ports import Evidence
from reports.times import clock
from reports.why.words import (
    ACTIONS,
    ASSURANCE,
    COST_STATES,
    ENDED,
    REASON_CODES,
    REASONS,
    TASK_SOURCES,
    name_of,
    per_million,
    went,
)

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_SUFFIXES = re.compile(r"_(nano_eur|pico_usd|ref|ppm)$")
_AMOUNTS = ("cap", "spent", "reserved", "needed")
_PER_MILLION = 1_000_000
_WORDS: dict[str, Mapping[str, str]] = {
    "reason_ref": REASONS, "result": ENDED, "cost_state": COST_STATES, "action": ACTIONS, "task_source": TASK_SOURCES,
    "assurance": ASSURANCE,
}  # fmt: skip
_CODES = (
    "stage", "finish", "cache", "billed", "verdict", "tier", "tier_before", "signal", "rule", "reason", "harm", "state",
    "status", "error", "kind", "component", "component_source", "dialect", "drawn", "stratum", "judged", "c",
    *_WORDS,
)  # fmt: skip
"""Members that hold a word of the format. Whatever else holds a text holds a name, which stays as it is."""
_LABELS = {
    "fx": "exchange rate", "ms": "milliseconds", "timing_ms": "timing in ms", "act": "person", "at": "time",
    "sub": "subject", "c": "text", "opened_seq": "opened by entry", "closed_seq": "closed by entry",
}  # fmt: skip


def label(name: str) -> str:
    """Write the name of a member: `cost_nano_eur`, cost."""
    return _LABELS.get(name) or _SUFFIXES.sub("", name).replace("_", " ")


def in_words(name: str, value: Any, evidence: Evidence) -> str:
    """Say a member of an entry, by its name."""
    if value is None or value == [] or value == {} or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return _number(name, value)
    if isinstance(value, str):
        return _text(name, value, evidence)
    if isinstance(value, Mapping):
        return _several(value, evidence)
    if isinstance(value, list | tuple):
        apart = "; " if any(isinstance(one, Mapping) for one in value) else ", "
        return apart.join(in_words(name, one, evidence) for one in value)
    return str(value)


def _number(name: str, value: int) -> str:
    if name.endswith("_nano_eur") or name in _AMOUNTS:
        return eur_short(value, most=name.startswith(("reserved", "needed")))
    if name.endswith("_pico_usd"):
        return f"USD {per_million(value)} per million"
    if name.endswith("_ppm"):
        return f"{value / _PER_MILLION:.2%}"
    return f"{value:,}" if name.endswith("_tokens") else str(value)


def _text(name: str, value: str, evidence: Evidence) -> str:
    if _INSTANT.fullmatch(value):
        return clock(value, evidence.zone)
    if name in ("person_ref", "act"):
        return name_of(value, evidence)
    if name == "row":
        return cap_of(value)
    if name in ("scope", "scope_ref"):
        noun, _, what = value.partition(":")
        return "everything" if noun == "all" else f"{noun} {what}"
    if name == "outcome":
        return ENDED.get(value) or went(value)
    if name == "reason_code_ref":
        return f"{value} {REASON_CODES.get(value, 'unknown code')}"
    if name in _CODES:
        return _WORDS.get(name, {}).get(value) or value.replace("_", " ")
    return value


def _several(value: Mapping[str, Any], evidence: Evidence) -> str:
    if {"eur_num", "usd_den"} <= value.keys():
        return f"EUR = USD x {value['eur_num']}/{value['usd_den']} ({value.get('source')}, {value.get('date')})"
    if "row" in value:
        amounts = {name: one for name, one in value.items() if name != "row"}
        return f"{_text('row', value['row'], evidence)}{': ' if amounts else ''}{_several(amounts, evidence)}"
    said = ((name, in_words(name, one, evidence), one) for name, one in value.items())
    return ", ".join(f"{label(name)} {f'({text})' if isinstance(one, Mapping) else text}" for name, text, one in said)
