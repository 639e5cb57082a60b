"""Functions over many-valued facts as shared decision diagrams: exact answers over all possible worlds at once.

A function of facts is a graph whose leaves are its values. Equal functions are the same node, so "does anything still
depend on this fact" is a walk, where trying every combination of a hundred open questions would never end. The
construction is the multi-terminal, many-valued form of ordered binary decision diagrams (Bryant 1986).
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import count, repeat
from typing import Any


class Node:
    """A value, or a branch on one fact. Made by `Diagrams` only; equal functions are one object."""

    __slots__ = ("branches", "key", "level", "value")

    def __init__(self, key: int, level: int, branches: tuple["Node", ...], value: Hashable) -> None:
        self.key, self.level, self.branches, self.value = key, level, branches, value


_LEAF = 1 << 30


class Diagrams:
    """Makes and combines functions over facts in one fixed order."""

    def __init__(self, domains: Mapping[str, Sequence[Hashable]]) -> None:
        """Args:
        domains: for each open fact, in the order of branching, the answers that are possible.
        """
        self._names = tuple(domains)
        self._levels = {name: level for level, name in enumerate(domains)}
        self._domains = dict(domains)
        self._nodes: dict[Hashable, Node] = {}
        self._keys = count()
        self._memo: dict[Hashable, Node] = {}
        self._choices: dict[tuple[int, int, int], Node] = {}
        self.true, self.false = self.leaf(True), self.leaf(False)

    def leaf(self, value: Hashable) -> Node:
        """Return the function that is this value everywhere."""
        return self._intern((_LEAF, type(value), value), _LEAF, (), value)

    def of(self, fact: str, function: Callable[[Any], Hashable]) -> Node:
        """Return the function that maps the answer to one open fact."""
        leaves = tuple(self.leaf(function(answer)) for answer in self._domains[fact])
        return self._branch(self._levels[fact], leaves)

    def both(self, *nodes: Node) -> Node:
        found = self.true
        for node in nodes:
            found = self.choice(found, node, self.false)
        return found

    def either(self, *nodes: Node) -> Node:
        found = self.false
        for node in nodes:
            found = self.choice(found, self.true, node)
        return found

    def negated(self, node: Node) -> Node:
        return self.choice(node, self.false, self.true)

    def choice(self, condition: Node, yes: Node, no: Node) -> Node:
        """Return `yes` in the worlds where the condition holds, `no` in the others."""
        if condition is self.true or yes is no:
            return yes
        if condition is self.false:
            return no
        if yes is self.true and no is self.false:
            return condition
        key = (condition.key, yes.key, no.key)
        found = self._choices.get(key)
        if found is None:
            level = min(condition.level, yes.level, no.level)
            parts = [node.branches if node.level == level else repeat(node) for node in (condition, yes, no)]
            found = self._choices[key] = self._branch(level, tuple(map(self.choice, *parts)))
        return found

    def earliest(self, *nodes: Node) -> Node:
        """Return the smallest value in each world; `None` is later than everything."""
        found = nodes[0]
        for node in nodes[1:]:
            found = self.combine("earliest", _earlier, found, node)
        return found

    def combine(self, name: str, function: Callable[..., Hashable], *nodes: Node) -> Node:
        """Apply a pure function to the values of functions in each world. `name` stands for it in the memory."""
        key = (name, *(node.key for node in nodes))
        found = self._memo.get(key)
        if found is None:
            found = self._memo[key] = self._combine(name, function, nodes)
        return found

    def _combine(self, name: str, function: Callable[..., Hashable], nodes: tuple[Node, ...]) -> Node:
        level = min(node.level for node in nodes)
        if level == _LEAF:
            return self.leaf(function(*(node.value for node in nodes)))
        width = len(self._domains[self._names[level]])
        return self._branch(level, tuple(
            self.combine(name, function, *(node.branches[at] if node.level == level else node for node in nodes))
            for at in range(width)
        ))  # fmt: skip

    def _branch(self, level: int, branches: tuple[Node, ...]) -> Node:
        if all(branch is branches[0] for branch in branches):
            return branches[0]
        return self._intern((level, *(branch.key for branch in branches)), level, branches, None)

    def _intern(self, key: Hashable, level: int, branches: tuple[Node, ...], value: Hashable) -> Node:
        found = self._nodes.get(key)
        if found is None:
            found = self._nodes[key] = Node(next(self._keys), level, branches, value)
        return found

    def chosen(self, node: Node, taken: Mapping[str, bool]) -> Node:
        """Return the function with the switches above all facts set."""
        while node.level != _LEAF and (name := self._names[node.level]) in taken:
            node = node.branches[self._domains[name].index(taken[name])]
        return node

    def facts(self, *nodes: Node) -> frozenset[str]:
        """Return the facts that at least one of the functions depends on: changed alone, they can change its value."""
        return frozenset(self._names[node.level] for node in _walk(nodes) if node.level != _LEAF)


def _earlier(one: Any, other: Any) -> Any:
    return min((value for value in (one, other) if value is not None), default=None)


def values(*nodes: Node) -> frozenset[Hashable]:
    """Return every value that the functions have in some world."""
    return frozenset(node.value for node in _walk(nodes) if node.level == _LEAF)


def _walk(nodes: Sequence[Node]) -> list[Node]:
    seen: dict[int, Node] = {}
    ahead = list(nodes)
    while ahead:
        node = ahead.pop()
        if node.key not in seen:
            seen[node.key] = node
            ahead.extend(node.branches)
    return list(seen.values())
