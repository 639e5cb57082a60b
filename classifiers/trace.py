"""How a class came about: each point of the law that the answers touch, with question, answer and sentence."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from classifiers.conditions import Conditions, holds
from classifiers.facts import UNKNOWN
from classifiers.law.records import Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One answer and what it does to a provision: `met`, `holds` though the provision is not met, `not met`, `open`."""

    step: str
    role: tuple[str, ...]
    provision: str
    fact: str
    question: str
    value: Any
    effect: str
    sentence: str
    source: str


def traced(conditions: Conditions, tier: str) -> tuple[Step, ...]:
    """Return the steps that led to a class, in the order of the questions."""
    steps: list[Step] = []
    for group in conditions.law.groups:
        for point in conditions.law.group(group):
            steps += _steps(conditions, point)
        ends = any(row.tier == tier and group in row.basis for row in conditions.law.tiers)
        if ends and tier in (conditions.law.severity[0], conditions.law.severity[-1]):
            break
    return tuple(steps)


def _steps(conditions: Conditions, point: Point) -> Iterator[Step]:
    """Yield the answers that carry a point; where it is not met, those that touch it without being assumed."""
    node, diagrams, law = conditions.point(point), conditions.diagrams, conditions.law
    said = dict(_atoms(conditions, point.when))
    touched = [name for name, fits in said.items() if fits and _told(conditions, name)]
    if node is diagrams.false and not touched:
        return
    effect = "met" if node is diagrams.true else "not met" if node is diagrams.false else "open"
    for name, fits in said.items():
        value = conditions.known.get(name, UNKNOWN)
        mine = "open" if name not in conditions.known else effect if fits or effect == "not met" else ""
        if mine and name in law.facts and (effect != "not met" or fits or _told(conditions, name)):
            yield Step(
                step=str(law.groups[point.group]["title"]), role=point.bearer, provision=point.provision, fact=name,
                question=law.facts[name].question, value=sorted(value) if isinstance(value, frozenset) else value,
                effect=("holds" if effect == "not met" and fits else mine), sentence=point.text,
                source=f"{point.source.id}: {point.source.locus}",
            )  # fmt: skip


def _told(conditions: Conditions, name: str) -> bool:
    fact = conditions.law.facts.get(name)
    return fact is not None and conditions.known.get(name, UNKNOWN) != fact.assumed


def _atoms(conditions: Conditions, condition: Mapping[str, Any], *, wanted: bool = True) -> Iterator[tuple[str, bool]]:
    """Yield the facts of a condition, and whether the known answer is the one that it wants."""
    law = conditions.law
    for key, value in condition.items():
        if key in ("all", "any"):
            for one in value:
                yield from _atoms(conditions, one, wanted=wanted)
        elif key == "not":
            yield from _atoms(conditions, value, wanted=not wanted)
        elif key == "is":
            yield from _atoms(conditions, law.terms[value], wanted=wanted)
        elif key not in ("met", "layer"):
            known = conditions.known.get(key, UNKNOWN)
            yield key, (known == UNKNOWN and key not in conditions.known) or holds(known, value, law) is wanted
