"""What a pack opens of contents, and what it withholds: the evidence that its document is written from."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gateway.store.evidence import LiveEvidence
from ledger.entry import Entry
from reports.ports import Content, Integrity

OPENED_ALWAYS = frozenset({"name", "reason", "words"})
"""Statements of named people about their own acts; all other contents are withheld unless asked for."""


class PackEvidence:
    """Evidence that withholds what a pack does not open, and remembers what it did open and quote."""

    def __init__(self, live: LiveEvidence, *, contents: bool, zone: str) -> None:
        self._live, self._contents, self.zone = live, contents, zone
        self.opened: dict[tuple[int, str], Entry] = {}
        self.unopened: dict[tuple[int, str], str] = {}
        self.quoted: dict[int, Entry] = {}

    def size(self) -> int:
        return self._live.size()

    def find(self, kind: str, value: str) -> list[Entry]:
        return self._live.find(kind, value)

    def find_each(self, kind: str, values: Iterable[str]) -> Mapping[str, list[Entry]]:
        return self._live.find_each(kind, values)

    def first(self, kind: str, value: str) -> Entry | None:
        return self._live.first(kind, value)

    def count(self, kind: str, value: str, *, since: str, last: int) -> int:
        return self._live.count(kind, value, since=since, last=last)

    def content(self, entry: Entry, name: str) -> Content:
        if name not in OPENED_ALWAYS and not self._contents:
            found = Content(None, "withheld")
        else:
            found = self._live.content(entry, name)
        if found.missing is None:
            self.opened[entry.seq, name] = entry
            self.quoted[entry.seq] = entry
        else:
            self.unopened[entry.seq, name] = found.missing
        return found

    def lacking(self) -> list[dict[str, Any]]:
        """List what this pack would quote and does not have, and why, in the order of the log."""
        return [{"seq": seq, "name": name, "why": why} for (seq, name), why in sorted(self.unopened.items())]

    def integrity(self, entries: Sequence[Entry]) -> Integrity:
        self.quoted |= {entry.seq: entry for entry in entries}
        return self._live.integrity(entries)
