"""Signals that traffic does not fit what was declared: words, tools and flags against answers. No class changes."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from classifiers.resources import read_yaml

NAMED = 16
"""Calls that a signal names at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a signal is held against of one call: its texts, the tools it called, the checks that did not pass."""

    prompt: str
    answer: str
    tools: tuple[str, ...]
    checks: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
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
    rows = read_yaml("classifiers", "contradictions.yaml")
    return tuple(Signal(name, row["says"], row["least"], row) for name, row in rows.items())


class Tally:
    """What the calls of one class showed so far. It holds names of calls and no text, however many there were."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        """Watch for the signals that the full answers, assumed ones among them, do not declare."""
        self._shown: dict[Signal, int] = {one: 0 for one in signals() if not one.declared(answers)}
        self._calls: dict[Signal, list[str]] = {one: [] for one in self._shown}
        self.looked_at = 0

    def add(self, call: str, seen: Seen) -> None:
        """Count one call."""
        self.looked_at += 1
        for signal in self._shown:
            if signal.fits(seen):
                self._shown[signal] += 1
                self._calls[signal] = [*self._calls[signal], call][:NAMED]

    def raised(self) -> Iterator[tuple[Signal, int, list[str]]]:
        """Yield each signal that enough calls showed: how many, and the first of them."""
        for signal, shown in self._shown.items():
            if shown >= signal.least:
                yield signal, shown, self._calls[signal]
