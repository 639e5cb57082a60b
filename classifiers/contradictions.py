"""Signals that traffic does not fit what was declared: words, tools and flags against answers. No class changes."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from ruamel.yaml import YAML


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a signal is held against of one call: its texts, the tools it called, the checks that did not pass."""

    prompt: str
    answer: str
    tools: tuple[str, ...]
    checks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Signal:
    """One way in which traffic can contradict what was declared."""

    name: str
    says: str
    least: int
    row: Mapping[str, Any]

    def declared(self, answers: Mapping[str, Any]) -> bool:
        """Say whether the answers declare what the signal looks for, so that it contradicts nothing."""
        only = self.row.get("only_if")
        if only and not any(answers.get(fact) in values for fact, values in only.items()):
            return True
        return any(answers.get(fact) in values for fact, values in self.row.get("unless", {}).items())

    def fits(self, seen: Seen) -> bool:
        """Say whether one call shows it."""
        if "checks" in self.row:
            return bool(set(self.row["checks"]) & set(seen.checks))
        if "tools" in self.row:
            return any(tool.lower().startswith(tuple(self.row["tools"])) for tool in seen.tools)
        text = {"prompt": seen.prompt, "answer": seen.answer, "both": f"{seen.prompt}\n{seen.answer}"}[self.row["text"]]
        if _pattern(tuple(self.row.get("without", ()))).search(text):
            return False
        return all(_pattern(tuple(group)).search(text) for group in self.row["all"])


@cache
def _pattern(words: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(words) or r"(?!)", re.IGNORECASE)


@cache
def signals() -> tuple[Signal, ...]:
    """Return all signals."""
    text = files("classifiers").joinpath("contradictions.yaml").read_text("utf-8")
    rows: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    return tuple(Signal(name, row["says"], row["least"], row) for name, row in rows.items())


def contradictions(answers: Mapping[str, Any], calls: Mapping[str, Seen]) -> Iterator[tuple[Signal, list[str]]]:
    """Yield each signal that enough calls show, with those calls.

    Args:
        answers: the full answers that a class rests on, assumed ones among them.
        calls: what was seen of each call, by its id.
    """
    for signal in signals():
        if not signal.declared(answers):
            found = [call for call, seen in calls.items() if signal.fits(seen)]
            if len(found) >= signal.least:
                yield signal, found
