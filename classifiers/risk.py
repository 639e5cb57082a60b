"""The risk class of a workflow under the AI Act: a deterministic function of elements and of the day.

Every result is worked out over all answers that are still possible at once, so that an open question is never read as
a no: what differs between possible worlds is undetermined, and `ask` holds exactly the questions that can change it.
Not legal advice.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from classifiers.conditions import Conditions, Known, Treatment
from classifiers.diagram import Diagrams, values
from classifiers.facts import UNDETERMINED, Fact, answered
from classifiers.law.records import Debate, Law, law_on
from classifiers.trace import Step, traced
from classifiers.world import Book, World, certain

DISCLAIMER = "Rules and labels by the authors, not reviewed by counsel. Not legal advice."


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What comes of a second reading of the law, or of several taken together."""

    tier: str
    overlays: tuple[str, ...]
    in_effect: tuple[str, ...]
    rules: tuple[str, ...]
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """The result for one set of answers on one day. `ask` names the open facts that can still change it."""

    tier: str
    tier_range: tuple[str, str]
    overlays: tuple[str, ...]
    legal_basis: tuple[str, ...]
    trace: tuple[Step, ...]
    applies_from: Mapping[str, str | None]
    in_effect: tuple[str, ...]
    debatable: bool
    readings: tuple[Reading, ...]
    conservative_tier: str
    ask: tuple[str, ...]
    roles: tuple[str, ...]
    """What the company that asks is by its answers: provider, deployer, importer, distributor."""


def classify(facts: Mapping[str, Any], *, complete: bool, at: str, draft: bool = True) -> Classification:
    """Classify one set of answers.

    Args:
        facts: answers by the names of the vocabulary; `"unknown"` is an answer.
        complete: a person states that what is not listed is as the vocabulary assumes.
        at: the day the question is asked for, as written in a calendar.
        draft: take draft guidance into account.

    Raises:
        FactsInvalid: a key, value or day that is not possible.
    """
    law = law_on(at, draft=draft)
    known: Known = {**answered(law.facts, facts, complete=complete), **law.switches}
    switches = {debate.id: (True, False) for debate in law.debates}
    open_facts = {name: possible(fact, law) for name, fact in law.facts.items() if name not in known}
    return _Question(law, Diagrams({**switches, **open_facts}), known).answer()


def possible(fact: Fact, law: Law) -> tuple[Hashable, ...]:
    """Return the answers that an open question is tried with."""
    if fact.type == "yes_no":
        return (True, False)
    if fact.type == "one_of":
        return tuple(fact.values)
    if fact.type == "set_of":
        return (frozenset(), *(frozenset({value}) for value in fact.values))
    return (None, *law.tried)


class _Question:
    """One set of answers, and what each reading makes of it."""

    def __init__(self, law: Law, diagrams: Diagrams, known: Known) -> None:
        self.law, self.diagrams, self.known = law, diagrams, known
        plain = Conditions(law, diagrams, known)
        where = {debate.id: plain.of(debate.when) for debate in law.debates}
        standing = [one for one in law.debates if where[one.id] is not diagrams.false]
        if not law.draft:
            self._settle([one for one in standing if where[one.id] is diagrams.true])
            standing = [one for one in standing if one.without_draft == "both" or where[one.id] is not diagrams.true]
        self.certain = [one for one in standing if where[one.id] is diagrams.true]
        self.doubtful = [(where[one.id], one) for one in standing if where[one.id] is not diagrams.true]
        self.switched = [(diagrams.of(one.id, bool), one.treat) for one in self.certain]

    def _settle(self, certain: Sequence[Debate]) -> None:
        """Where only the draft speaks for the label, the second reading is all that is left without it."""
        for debate in certain:
            if debate.without_draft == "second":
                self.known = {**self.known, **debate.treat}

    def answer(self) -> Classification:
        every = self._world(self.switched)
        base = self._taken(every, ())
        readings = tuple(self._readings(every, base))
        rank = self.law.severity.index
        tiers = sorted(map(str, values(base.tier)), key=rank)
        tier = tiers[0] if len(tiers) == 1 else UNDETERMINED
        worst = max(map(str, values(every.tier) | self._doubted(every)), key=rank)
        plain = Conditions(self.law, self.diagrams, self.known)
        book, overlays = Book(plain), certain(base.overlays)
        return Classification(
            tier=tier, tier_range=(tiers[0], tiers[-1]), overlays=overlays,
            legal_basis=() if tier == UNDETERMINED else book.basis(overlays), trace=traced(plain, tier),
            applies_from=book.applies_from(tier, overlays), in_effect=certain(base.in_effect),
            debatable=bool(readings), readings=readings, conservative_tier=worst,
            ask=tuple(sorted(self.diagrams.facts(*base.result))),
            roles=certain({role: plain.of(self.law.terms[role]) for role in self.law.roles}),
        )  # fmt: skip

    def _world(self, treatments: Sequence[Treatment]) -> World:
        books = Book(Conditions(self.law, self.diagrams, self.known, treatments))
        binding = Book(Conditions(self.law, self.diagrams, self.known, treatments, due=True))
        return World(tier=books.tier, overlays=books.overlays(), in_effect=binding.effects())

    def _taken(self, world: World, debates: Sequence[Debate]) -> World:
        taken = {one.id: one in debates for one in self.law.debates}
        return world.mapped(lambda node: self.diagrams.chosen(node, taken))

    def _readings(self, every: World, base: World) -> Iterator[Reading]:
        """Yield each other result once, with the fewest second readings that lead to it."""
        matter = self.diagrams.facts(*every.result)
        deciding = [one for one in self.certain if one.id in matter]
        seen = {base.result}
        for size in range(1, len(deciding) + 1):
            for debates in combinations(deciding, size):
                world = self._taken(every, debates)
                if world.result not in seen:
                    seen.add(world.result)
                    yield self._reading(world, debates)

    def _reading(self, world: World, debates: Sequence[Debate]) -> Reading:
        tiers = values(world.tier)
        return Reading(
            tier=str(next(iter(tiers))) if len(tiers) == 1 else UNDETERMINED, overlays=certain(world.overlays),
            in_effect=certain(world.in_effect), rules=tuple(one.id for one in debates),
            because=tuple(one.second for one in debates),
        )  # fmt: skip

    def _doubted(self, every: World) -> frozenset[Hashable]:
        """Return the classes of second readings that open only in some of the possible worlds."""
        found: frozenset[Hashable] = frozenset()
        if self.law.severity[-1] in values(every.tier):
            return found
        for where, debate in self.doubtful:
            found |= values(self._world([*self.switched, (where, debate.treat)]).tier)
        return found
