"""A citation opened: the entries that it names, each in words, with what is kept beside it."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ledger.amounts import counted, eur
from ledger.entry import Entry
from reports.ports import Evidence, Integrity
from reports.times import clock
from reports.why.members import in_words, label
from reports.why.moments import moment
from reports.why.words import MISSING, person, refused_for, shorten

SCHEMA = "whyledger.entry/1"
_READABLE = (
    "reason", "name", "presented", "before", "after", "finding", "task", "words", "authority", "reference", "basis",
)  # fmt: skip
"""Contents that are shown here; prompts and answers are told by the answer about their call."""
_NOUNS = {
    "key": "Key", "configuration": "Configuration", "pack": "Pack", "workflow": "Workflow", "prompt": "Prompt",
    "incident": "Incident", "alert": "Alert", "hold": "Hold",
}  # fmt: skip
_WIDTH = 110


@dataclass(frozen=True, slots=True, kw_only=True)
class CitedEntry:
    """An entry. `said` is each fact in words; `texts` is what is kept beside the entry, or why it is not shown."""

    seq: int
    id: str
    at: str
    shown: str
    kind: str
    what: str
    who: str | None
    call: str | None
    workflow: str | None
    facts: dict[str, Any]
    said: dict[str, str]
    refs: dict[str, str]
    texts: dict[str, str]

    @property
    def lines(self) -> list[tuple[str, str, str]]:
        """The facts, digests and texts, one line each: what it is, in words, and the member as the entry has it."""
        facts = [(label(name), said, _exactly(name, self.facts[name])) for name, said in sorted(self.said.items())]
        digests = [(f"digest of {label(name)}", value, f"refs.{name}") for name, value in sorted(self.refs.items())]
        texts = [(f"text: {label(name)}", value, f"c.{name}") for name, value in sorted(self.texts.items())]
        return [*facts, *digests, *texts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cited:
    """What a citation, or the id of something that is no call, leads to."""

    ref: str
    kind: str
    as_of_seq: int
    headline: str
    facts: tuple[dict[str, Any], ...]
    """The members that were cited: `fact`, `recorded` (an answer may rest on there being none), `value`, and what it
    says in words, `said`."""
    entries: tuple[CitedEntry, ...]
    integrity: Integrity

    def as_json(self) -> dict[str, Any]:
        return {"schema": SCHEMA} | asdict(self)


def cited(
    ref: str, kind: str, found: Sequence[Entry], evidence: Evidence, *, paths: Sequence[tuple[int, str]] = (),
    of: int = 0,
) -> Cited:  # fmt: skip
    """Return entries in words.

    Args:
        kind: `entry`, or what `ref` is the id of.
        paths: the members that were cited, each with the number of its entry.
        of: how many entries there are altogether, where not all are shown.
    """
    by_seq = {entry.seq: entry for entry in found}
    facts = tuple({"fact": f"entry:{seq}#{path}"} | _at(by_seq[seq], path, evidence) for seq, path in paths)
    entries = tuple(_entry(entry, evidence) for entry in found)
    first = entries[0]
    whole = counted(max(of, len(found)), "entry", "entries")
    count = f"the last {len(found)} of {whole}" if of > len(found) else whole
    one = f"Entry {first.seq}, {first.shown}: {first.what}."
    several = f"{_NOUNS[kind]} {ref}: {count}." if kind in _NOUNS else f"{count}."
    return Cited(
        ref=ref, kind=kind, as_of_seq=evidence.size(),
        headline=one if kind == "entry" and len(entries) == 1 else several,
        facts=facts, entries=entries, integrity=evidence.integrity(found),
    )  # fmt: skip


def _entry(entry: Entry, evidence: Evidence) -> CitedEntry:
    return CitedEntry(
        seq=entry.seq, id=entry.id, at=entry.at, shown=clock(entry.at, evidence.zone), kind=entry.kind,
        what=moment(entry), who=person(entry, evidence) if entry.act else None, call=entry.call,
        workflow=entry.workflow, facts=dict(entry.facts), refs=dict(entry.refs),
        said={name: _fact(entry, name, value, evidence) for name, value in entry.facts.items()},
        texts={name: _text(entry, name, evidence) for name in sorted(entry.c)},
    )  # fmt: skip


def _text(entry: Entry, name: str, evidence: Evidence) -> str:
    content = evidence.content(entry, name)
    if content.missing:
        return MISSING[content.missing]
    if name in _READABLE:
        return f"\u201c{shorten(content.value)}\u201d"
    return "kept; the answer about its call tells it" if entry.call else "kept"


def _at(entry: Entry, path: str, evidence: Evidence) -> dict[str, Any]:
    """Return a member of an entry: `facts.passed`, or the JSON pointer `/facts/passed`."""
    steps = path[1:].split("/") if path.startswith("/") else path.split(".")
    value: Any = entry._asdict()
    for step in steps:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return {"recorded": False, "value": None, "said": "not in this entry"}
    said = _of_member(entry, steps, value, evidence)
    return {"recorded": True, "value": dict(value) if isinstance(value, Mapping) else value, "said": said}


def _of_member(entry: Entry, steps: Sequence[str], value: Any, evidence: Evidence) -> str:
    if steps == ["act"]:
        return person(entry, evidence)
    if steps[0] == "c" and len(steps) == 2:
        return _text(entry, steps[1], evidence)
    named = [name for name in steps if not name.isdecimal()]
    return _fact(entry, named[-1] if named else "", value, evidence)


def _fact(entry: Entry, name: str, value: Any, evidence: Evidence) -> str:
    if name == "reason_ref" and entry.kind == "call.refused":
        return refused_for(entry.facts)
    return in_words(name, value, evidence)


def _exactly(name: str, value: Any) -> str:
    """Name a fact as the entry has it, of an amount with all its digits."""
    amount = f": {eur(value)}" if name.endswith("_nano_eur") and type(value) is int else ""
    return f"facts.{name}{amount}"


def cited_text(answer: Cited) -> str:
    """Return the entries for a terminal."""
    return "\n".join(_lines(answer))


def _lines(answer: Cited) -> Iterator[str]:
    yield answer.headline
    for fact in answer.facts:
        yield from _row(fact["fact"], fact["said"])
    for entry in answer.entries:
        yield ""
        yield f"entry {entry.seq}  {entry.shown}  {entry.what}"
        yield from _row("who", entry.who or "nobody (the system itself)")
        if entry.call:
            yield from _row("call", entry.call)
        if entry.workflow:
            yield from _row("workflow", entry.workflow)
        yield from _row("entry", f"{entry.kind}, {entry.id}")
        for name, value, _ in entry.lines:
            yield from _row(name, value)
    check = answer.integrity
    yield ""
    yield (
        f"verify: {check.proved} of {counted(check.checked, 'entry', 'entries')} proved under the checkpoint of "
        f"{check.checkpoint_size or 0} entries, {check.pending} not signed yet, {len(check.failures)} failed."
    )
    yield from check.failures


def _row(name: str, value: str) -> list[str]:
    lead = f"  {name:<24} "
    indent = " " * len(lead)
    wrapped = textwrap.wrap(
        value, _WIDTH, initial_indent=lead, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )
    return wrapped or [lead.rstrip()]
