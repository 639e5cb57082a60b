"""By which identifiers an entry is found, and what a list of a task's calls says of it.

Both follow from the entry alone, so the rows can be rebuilt. A task may have hundreds of calls all over a long log:
who lists them reads one short row an entry, next to each other, and no entry.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from ledger.canonical import dump_plain, load_plain
from ledger.entry import Draft, Entry

TASK = "task"
_LISTED = {"call.opened": ("key", "route_ref"), "call.closed": ("cost_nano_eur", "result")}
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
    brief = _brief(item) if item.task else None
    unique = dict.fromkeys([(kind, value) for kind, value in found if type(value) is str])
    return [(kind, value, seq, brief if kind == TASK else None) for kind, value in unique]


@lru_cache(maxsize=256)
def _references(names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return the facts that refer to something, and to what kind: entries of one kind have the same few names."""
    return tuple((name, name.removesuffix("_ref")) for name in names if name.endswith("_ref"))


def _brief(item: Entry | Draft) -> str | None:
    if item.kind not in _LISTED:
        return None
    facts = {name: item.facts[name] for name in _LISTED[item.kind] if name in item.facts}
    refs = {"config": item.refs["config"]} if "config" in item.refs else {}
    return dump_plain([item.kind, item.call, item.workflow, refs, facts]).decode()


def read_briefs(texts: Mapping[int, str]) -> dict[int, Brief]:
    """Return what `links` wrote in brief of entries, by their numbers."""
    values = load_plain(f"[{','.join(texts.values())}]")  # as one text: parsing each takes longer
    return {seq: Brief(seq, *value) for seq, value in zip(texts, values, strict=True)}
