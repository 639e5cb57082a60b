"""By which identifiers an entry is found, and what a list of a task's calls says of it.

Both follow from the entry alone, so the rows can be rebuilt. A task may have hundreds of calls all over a long log:
who lists them reads one short row an entry, next to each other, and no entry.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from ledger.canonical import dump_plain, load_plain
from ledger.entry import Draft, Entry
from ledger.errors import CanonicalError

TASK = "task"
_LISTED: dict[str, dict[str, type]] = {
    "call.opened": {"key": str, "route_ref": str},
    "call.closed": {"cost_nano_eur": int, "result": str},
}
"""The kinds that a list states briefly, with the facts it needs; entries of other kinds it reads."""

Link = tuple[str, str, int, str | None]
"""Kind and value of an identifier, the number of an entry that is found by it, and that entry in brief or None."""


class Brief(NamedTuple):
    """What a list says of an entry. The members are those of `ledger.entry.Entry`; of facts and refs it has some."""

    seq: int
    kind: str
    call: str | None
    workflow: str | None
    refs: Mapping[str, str]
    facts: Mapping[str, Any]


def links(item: Entry | Draft, seq: int) -> list[Link]:
    """Return the rows by which the entry at `seq` is found.

    They are of the header's call, task, subject and actor, and of each text fact whose name ends in `_ref`.
    """
    facts = item.facts
    found = [("call", item.call), (TASK, item.task), ("subject", item.sub), ("person", item.act)]
    found += [(kind, facts[name]) for name, kind in _references(tuple(facts))]
    listed = brief(item, seq) if item.task else None
    text = dump_plain(listed[1:]).decode() if listed else None
    unique = dict.fromkeys([(kind, value) for kind, value in found if type(value) is str])
    return [(kind, value, seq, text if kind == TASK else None) for kind, value in unique]


@lru_cache(maxsize=256)
def _references(names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return the facts that refer to something, and to what kind: entries of one kind have the same few names."""
    return tuple((name, name.removesuffix("_ref")) for name in names if name.endswith("_ref"))


def brief(item: Entry | Draft, seq: int) -> Brief | None:
    """Return what a list says of the entry at `seq`; None of kinds that it reads."""
    if item.kind not in _LISTED:
        return None
    facts = {name: item.facts[name] for name in _LISTED[item.kind] if name in item.facts}
    refs = {name: item.refs[name] for name in ("config", "workflow") if name in item.refs}
    return Brief(seq, item.kind, item.call, item.workflow, refs, facts)


def read_brief(seq: int, text: str) -> Brief | None:
    """Return what `links` wrote in brief of the entry at `seq`; None when this is nothing that it writes."""
    try:
        found = Brief(seq, *load_plain(text))
        known = _LISTED[found.kind]
        texts = [found.call, found.workflow or "", *found.refs.values()]
        sound = all([type(one) is str for one in texts])
        sound = sound and all([type(one) is known[name] for name, one in found.facts.items()])
    except (CanonicalError, TypeError, KeyError, AttributeError):
        return None
    return found if sound else None
