"""Placeholders: what stands for a value, and which value each stands for. Pure."""

import re
from collections.abc import Callable, Container
from functools import cached_property

_OTHER = re.compile(r"[^A-Z0-9]+")
LIKE = re.compile(r"\[[A-Z][A-Z0-9_]*_[0-9]+\]")
"""What looks as placeholders do."""


def label_of(kind: str) -> str:
    """Return how placeholders call a kind, or a list."""
    return _OTHER.sub("_", kind.upper()).strip("_")


def labels_in(text: str) -> list[str]:
    """Return the label of each placeholder in a text."""
    return [one[1:].rpartition("_")[0] for one in LIKE.findall(text)]


class Placeholders:
    """Those of one request. A value has the same wherever it stands; numbers follow the order of the request."""

    def __init__(self, written: Callable[[], str]) -> None:
        """`written`: the request. What stands in it already is not taken for a placeholder."""
        self._written = written
        self._by_value: dict[tuple[str, str], str] = {}
        self._last: dict[str, int] = {}
        self.values: dict[str, str] = {}
        """What each stands for."""

    @cached_property
    def _taken(self) -> Container[str]:
        return frozenset(LIKE.findall(self._written()))

    def of(self, label: str, value: str) -> str:
        """Return what stands for a value."""
        label = label_of(label)
        found = self._by_value.get((label, value))
        while found is None:
            self._last[label] = self._last.get(label, 0) + 1
            new = f"[{label}_{self._last[label]}]"
            if new not in self._taken:
                found = self._by_value[label, value] = new
                self.values[new] = value
        return found
