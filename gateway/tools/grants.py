"""Which tools a call may define and its answer may call. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Grants:
    """Names that are granted, and beginnings of names (`mcp__*`)."""

    names: frozenset[str]
    prefixes: tuple[str, ...]

    def allow(self, name: str) -> bool:
        return name in self.names or (bool(self.prefixes) and name.startswith(self.prefixes))

    def may_come_to(self, name: str) -> bool:
        """Tell whether what a stream has said of a name so far may become one that is granted."""
        every = (*self.names, *self.prefixes)
        return any(one.startswith(name) for one in every) or (bool(self.prefixes) and name.startswith(self.prefixes))


@lru_cache(maxsize=4096)
def grants_of(tools: tuple[str, ...], output_format: str = "") -> Grants:
    """Return the grants of a workflow for a call whose answer a function of this name describes."""
    names = frozenset(one for one in (*tools, output_format) if one and not one.endswith("*"))
    return Grants(names, tuple(one[:-1] for one in tools if one.endswith("*")))


def named(names: Iterable[str], most: int = 2048) -> str:
    """Return all of the names in words, or as many as fit and how many are left."""
    words: list[str] = []
    every, size = list(names), 0
    for name in every:
        size += len(name.encode()) + 2
        if size > most:
            return f"{', '.join(words)} and {len(every) - len(words)} more"
        words.append(name)
    return ", ".join(words)
