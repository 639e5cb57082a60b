"""Conditions of the law data, held against known and open answers. `law/rules.yaml` says how they are written."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from classifiers.diagram import Diagrams, Node
from classifiers.facts import Answer
from classifiers.law.records import Law, Point

Known = Mapping[str, Answer]
Treatment = tuple[Node, Mapping[str, Any]]
"""Where a second reading is taken, and the answers that it puts in the place of the given ones."""


class Conditions:
    """Turns conditions into functions of the open facts, with the known answers put in."""

    def __init__(
        self, law: Law, diagrams: Diagrams, known: Known, treatments: Sequence[Treatment] = (), *, due: bool = False
    ) -> None:
        """Args:
        due: in groups that `wait`, only points whose duties bind on the day are met.
        """
        self.law, self.diagrams, self.known, self._due = law, diagrams, known, due
        self._treatments = treatments
        self._points: dict[str, Node] = {}
        self._terms: dict[str, Node] = {}

    def of(self, condition: Mapping[str, Any]) -> Node:
        """Return where the condition holds."""
        return self.diagrams.both(*(self._member(key, wanted) for key, wanted in condition.items()))

    def point(self, point: Point) -> Node:
        """Return where a point is met."""
        if point.id not in self._points:
            met = self.of(point.when)
            if self._due and point.binds and self.law.groups[point.group].get("waits"):
                met = self.diagrams.both(met, self.due(self.start(point.binds)))
            self._points[point.id] = met
        return self._points[point.id]

    def start(self, binds: str) -> Node:
        """Return the first day on which duties bind, `None` where they do not under the facts."""
        diagrams, found = self.diagrams, self.diagrams.leaf(None)
        for row in reversed(self.law.binds[binds]):
            days = [diagrams.leaf(self.law.day(row["day"]))] if "day" in row else []
            days += [self.fact(row["fact"], lambda answer: answer)] if "fact" in row else []
            first = diagrams.earliest(*days) if days else diagrams.leaf(None)
            found = diagrams.choice(self.of(row.get("when", {})), first, found)
        return found

    def due(self, start: Node) -> Node:
        """Return where a start is not after the day of the law."""
        return self.diagrams.combine("due", lambda day: day is not None and day <= self.law.at, start)

    def fact(self, name: str, function: Callable[[Any], Hashable]) -> Node:
        """Return a function of the answer to one fact."""
        if name in self.known:
            found = self.diagrams.leaf(function(self.known[name]))
        else:
            found = self.diagrams.of(name, function)
        for where, treat in self._treatments:
            if name in treat:
                found = self.diagrams.choice(where, self._treated(treat[name], function), found)
        return found

    def _treated(self, value: Any, function: Callable[[Any], Hashable]) -> Node:
        if isinstance(value, Mapping):
            return self.fact(value["same_as"], function)
        return self.diagrams.leaf(function(value))

    def _member(self, key: str, wanted: Any) -> Node:
        diagrams = self.diagrams
        if key in ("all", "any"):
            return (diagrams.both if key == "all" else diagrams.either)(*map(self.of, wanted))
        if key == "not":
            return diagrams.negated(self.of(wanted))
        if key == "is":
            return self._term(wanted)
        if key == "met":
            return diagrams.either(*map(self.point, self.law.group(wanted)))
        if key == "layer":
            return diagrams.leaf(self.law.draft)
        return self.fact(key, lambda answer: holds(answer, wanted, self.law))

    def _term(self, name: str) -> Node:
        if name not in self._terms:
            self._terms[name] = self.of(self.law.terms[name])
        return self._terms[name]


def holds(answer: Answer, wanted: Any, law: Law) -> bool:
    """Say whether an answer is what a condition wants."""
    if isinstance(wanted, Mapping):
        ((how, which),) = wanted.items()
        bound = law.day(which)
        return (
            isinstance(answer, str) and bound is not None and (answer < bound if how == "before" else answer >= bound)
        )
    choices = wanted if isinstance(wanted, tuple) else (wanted,)
    return not answer.isdisjoint(choices) if isinstance(answer, frozenset) else answer in choices
