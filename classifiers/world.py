"""What the law makes of the facts under one reading: class, overlays and what binds, as functions of what is open."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from classifiers.conditions import Conditions
from classifiers.diagram import Node, values
from classifiers.facts import UNDETERMINED
from classifiers.law.records import Point

Named = Mapping[str, Node]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Where each class, each overlay and each effect holds. Two worlds are equal where these are the same objects."""

    tier: Node
    overlays: Named
    in_effect: Named

    @property
    def result(self) -> tuple[Node, ...]:
        return (self.tier, *self.overlays.values(), *self.in_effect.values())

    def mapped(self, change: Callable[[Node], Node]) -> "World":
        def each(nodes: Named) -> dict[str, Node]:
            return {name: change(node) for name, node in nodes.items()}

        return World(tier=change(self.tier), overlays=each(self.overlays), in_effect=each(self.in_effect))


def certain(nodes: Named) -> tuple[str, ...]:
    """Return the names of what holds in every possible world, sorted."""
    return tuple(sorted(name for name, node in nodes.items() if values(node) == {True}))


class Book:
    """The law as it stands in the books, or as much of it as binds, held against the facts."""

    def __init__(self, conditions: Conditions) -> None:
        self.conditions, self.law, self.diagrams = conditions, conditions.law, conditions.diagrams

    @cached_property
    def rows(self) -> tuple[Node, ...]:
        """Where each row of the table of classes is the first to hold."""
        found, left = [], self.diagrams.true
        for row in self.law.tiers:
            holds = self.conditions.of(row.when)
            found.append(self.diagrams.both(left, holds))
            left = self.diagrams.both(left, self.diagrams.negated(holds))
        return tuple(found)

    @cached_property
    def tier(self) -> Node:
        found = self.diagrams.leaf(self.law.tiers[-1].tier)
        for row, where in zip(self.law.tiers, self.rows, strict=True):
            found = self.diagrams.choice(where, self.diagrams.leaf(row.tier), found)
        return found

    def overlays(self) -> dict[str, Node]:
        found: dict[str, Node] = {}
        for point in self.law.points.values():
            if point.overlay:
                earlier = found.get(point.overlay, self.diagrams.false)
                found[point.overlay] = self.diagrams.either(earlier, self._carries(point))
        return found

    def effects(self) -> dict[str, Node]:
        """Return where each class and overlay binds on the day; meant for what `due` leaves of the law."""
        starts = self._starts()
        found = {row.tier: self.diagrams.both(self._is(row.tier), self.conditions.due(starts[row.tier]))
                 for row in self.law.tiers if row.binds}  # fmt: skip
        for point in self.law.points.values():
            if point.binds and not point.overlay:
                found[self._tier_of(point)] = self._is(self._tier_of(point))  # those that do not bind are not here
        overlays = self.overlays()
        return found | {
            name: self.diagrams.both(where, self.conditions.due(starts[name])) for name, where in overlays.items()
        }

    def basis(self, overlays: Sequence[str]) -> tuple[str, ...]:
        """Return the provisions that carry class and overlays in every possible world, sorted."""
        found: dict[str, Node] = {}
        for point in self.law.points.values():
            if point.overlay is None or point.overlay in overlays:
                earlier = found.get(point.provision, self.diagrams.false)
                found[point.provision] = self.diagrams.either(earlier, self._carries(point))
        return certain(found)

    def applies_from(self, tier: str, overlays: Sequence[str]) -> dict[str, str | None]:
        """Return the first day for a class and its overlays; `undetermined` where open facts decide it."""
        starts = self._starts() | self._first_prohibitions()
        found: dict[str, str | None] = {}
        for name in (tier, *overlays):
            if name in starts:
                days = values(starts[name])
                found[name] = next(iter(days)) if len(days) == 1 else UNDETERMINED  # type: ignore[assignment]
        return dict(sorted(found.items()))

    def _carries(self, point: Point) -> Node:
        """Return where a point carries the class, or where its overlay has room beside the class."""
        said = self.law.groups[point.group]
        if "only_with" in said:
            room = self.diagrams.either(*map(self._is, said["only_with"]))
        elif "not_with" in said:
            room = self.diagrams.negated(self.diagrams.either(*map(self._is, said["not_with"])))
        else:
            rows = zip(self.law.tiers, self.rows, strict=True)
            room = self.diagrams.either(*(where for row, where in rows if point.group in row.basis))
        return self.diagrams.both(self.conditions.point(point), room)

    def _is(self, tier: str) -> Node:
        rows = zip(self.law.tiers, self.rows, strict=True)
        return self.diagrams.either(*(where for row, where in rows if row.tier == tier))

    def _tier_of(self, point: Point) -> str:
        return next(row.tier for row in self.law.tiers if point.group in row.basis)

    def _starts(self) -> dict[str, Node]:
        """Return the first day of each class that has one, and of each overlay: its own, or that of the class."""
        found = {row.tier: self.conditions.start(row.binds) for row in self.law.tiers if row.binds}
        of_class = self.diagrams.leaf(None)
        for tier, start in found.items():
            of_class = self.diagrams.choice(self._is(tier), start, of_class)
        overlays = [point for point in self.law.points.values() if point.overlay]
        return found | {
            str(point.overlay): self.conditions.start(point.binds) if point.binds else of_class for point in overlays
        }

    def _first_prohibitions(self) -> dict[str, Node]:
        """Return the earliest day of the points that are met, for the class whose points have days of their own."""
        found: dict[str, Node] = {}
        none = self.diagrams.leaf(None)
        for point in self.law.points.values():
            if point.binds and not point.overlay:
                tier = self._tier_of(point)
                day = self.diagrams.choice(self.conditions.point(point), self.conditions.start(point.binds), none)
                found[tier] = self.diagrams.earliest(found.get(tier, none), day)
        return found
