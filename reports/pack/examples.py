"""A worked example: the why answer of a call, what was asked and said, and what people decided about it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.entry import Entry
from reports.pack.acts import decision
from reports.ports import Evidence
from reports.why.answer import WhyAnswer
from reports.why.transcript import called, said, turns
from reports.why.words import MISSING

MOST = 2000
"""Characters of one message that are printed; the embedded file has all of it."""


@dataclass(frozen=True, slots=True)
class Quote:
    """One message, by whom, and how many further characters of it are in the embedded file only."""

    role: str
    text: str
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """What a pack prints of a drawn call. `missing` says in words what of it cannot be printed."""

    answer: WhyAnswer
    quotes: tuple[Quote, ...]
    missing: tuple[str, ...]
    decisions: tuple[dict[str, Any], ...]


def worked(answer: WhyAnswer, found: Sequence[Entry], evidence: Evidence) -> Example:
    """Add to the why answer of a call what its entries quote."""
    quotes: list[Quote] = []
    missing: list[str] = []
    for entry in found:
        for name, role in _named(entry):
            content = evidence.content(entry, name)
            if content.missing:
                missing.append(f"The {_NOUNS.get(role, role)} is {MISSING[content.missing]}.")
            else:
                quotes += [_cut(who, text) for who, text in _in_words(role, content.value)]
    decided = tuple(decision(entry, evidence) for entry in found if entry.kind == "override.recorded")
    return Example(
        answer=answer, quotes=tuple(quotes), missing=tuple(dict.fromkeys(missing)), decisions=decided
    )  # fmt: skip


_NOUNS = {"asked": "prompt", "said": "answer"}


def _named(entry: Entry) -> Iterator[tuple[str, str]]:
    """Yield the contents of an entry that are printed, each with what it is."""
    if "prompt" in entry.c:
        yield "prompt", "asked"
    if entry.kind == "call.closed":
        if "answer" in entry.c:
            yield "answer", "said"
        for tool in entry.facts["tool_calls"]:
            if tool.get("c"):
                yield tool["c"], f"tool call {tool.get('name') or 'of a tool that is not granted'}"


def _in_words(role: str, value: Any) -> list[tuple[str, str]]:
    if role == "asked":
        return turns(value)
    if role == "said":
        return [("answer", said(value))]
    return [(role, called(value))]


def _cut(role: str, text: str) -> Quote:
    return Quote(role, text[:MOST], max(0, len(text) - MOST))
