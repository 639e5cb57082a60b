"""The reports' evidence port over the live database, and the road from any id in hand to its entries."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from gateway.store.installation import Installation
from ledger import checkpoint as checkpoints
from ledger import merkle
from ledger.disclosure import open_disclosure
from ledger.entry import Entry, outline
from ledger.errors import CanonicalError, ContentGone, DisclosureInvalid, EntryInvalid, NoteInvalid, ProofInvalid
from ledger.ids import is_id
from ledger.links import TASK, Brief, read_brief
from reports.ports import Content, Integrity

READ_AHEAD = 20
_BROKEN = (EntryInvalid, CanonicalError, ProofInvalid, NoteInvalid)


class LiveEvidence:
    """A view on the log as it was when the view was made. What it has read it keeps: make one for each answer."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._reader = installation.reader
        self._size = installation.reader.head().size
        self._read: dict[int, tuple[bytes, Entry]] = {}
        self._told: dict[int, Entry] = {}
        """Entries with contents that the answer tells of, in log order: some are read together."""
        self._disclosures: dict[int, dict[str, str] | str] = {}
        self._firsts: dict[tuple[str, str], Entry | None] = {}

    def size(self) -> int:
        return self._size

    def find(self, kind: str, value: str) -> list[Entry]:
        return self._entries(self._reader.find(kind, value))

    def find_each(self, kind: str, values: Iterable[str]) -> dict[str, list[Entry]]:
        found = self._reader.find_each(kind, values)
        self._entries([seq for seqs in found.values() for seq in seqs])
        return {value: self._entries(seqs) for value, seqs in found.items()}

    def find_task(self, value: str) -> list[Entry | Brief]:
        """As `find`, for a task, which may be long: in brief, where the link says what a list needs."""
        texts = [(seq, text) for seq, text in self._reader.briefs(TASK, value) if seq < self._size]
        found = {seq: read_brief(seq, text) if text else None for seq, text in texts}
        read = {entry.seq: entry for entry in self._entries([seq for seq, brief in found.items() if brief is None])}
        return [one for seq, brief in found.items() if (one := brief or read.get(seq))]

    def first(self, kind: str, value: str) -> Entry | None:
        if (kind, value) not in self._firsts:
            found = self._entries(self._reader.find(kind, value, limit=1))
            self._firsts[kind, value] = found[0] if found else None
        return self._firsts[kind, value]

    def count(self, kind: str, value: str, *, since: str, last: int) -> int:
        return self._reader.count(kind, value, self._reader.first_at_or_after(since, self._size), last + 1)

    def _entries(self, seqs: Iterable[int]) -> list[Entry]:
        """Return the given entries of this view, in order."""
        wanted = [seq for seq in seqs if seq < self._size]
        if missing := [seq for seq in wanted if seq not in self._read]:
            for seq, data in self._reader.stored(missing).items():
                self._read[seq] = data, outline(data)
        return [self._read[seq][1] for seq in wanted if seq in self._read]

    def content(self, entry: Entry, name: str) -> Content:
        if entry.seq not in self._disclosures:
            # Calls are told in order, so what is asked for next is near.
            later = [seq for seq in self._told if seq > entry.seq and seq not in self._disclosures and entry.call]
            self._unseal({entry.seq: entry} | {seq: self._told[seq] for seq in later[:READ_AHEAD]})
        kept = self._disclosures[entry.seq]
        if isinstance(kept, str):
            return Content(None, kept)
        try:
            return Content(open_disclosure(kept.get(name, ""), name=name, commitment=entry.c[name]))
        except DisclosureInvalid:
            return Content(None, "unreadable")

    def _unseal(self, entries: Mapping[int, Entry]) -> None:
        """Keep the disclosures of entries, or why there are none."""
        kept = self._reader.contents_of(entries)
        for seq, entry in entries.items():
            try:
                opened = self._installation.vault.unseal(kept[seq], entry_id=entry.id) if seq in kept else "not_kept"
            except ContentGone:
                opened = "erased"
            self._disclosures[seq] = opened

    def integrity(self, entries: Sequence[Entry]) -> Integrity:
        """Recompute each entry's leaf from its stored bytes and prove it under the signed checkpoint."""
        self._told = {entry.seq: entry for entry in entries if entry.c}
        signer = self._installation.signer
        signed = self._reader.state("checkpoint")
        size, root = 0, merkle.EMPTY_ROOT
        failures: list[str] = []
        if signed:
            try:
                held = checkpoints.verified(signed["note"].encode(), [signer.vkey])
                size, root = held.size, held.root
            except NoteInvalid as error:
                failures.append(f"checkpoint: {error}")
        self._entries([entry.seq for entry in entries])
        subtree = cache(self._reader.tree.subtree)  # most paths share their upper part
        proved = pending = 0
        for entry in entries:
            if entry.seq >= size:
                pending += 1
                continue
            try:
                self._prove(entry, size, root, subtree)
                proved += 1
            except _BROKEN as error:
                failures.append(f"entry {entry.seq}: {error}")
        return Integrity(
            checked=len(entries), proved=proved, pending=pending, failures=tuple(failures),
            origin=signer.name, checkpoint_size=size or None, key=signer.vkey,
        )  # fmt: skip

    def _prove(self, entry: Entry, size: int, root: bytes, subtree: merkle.Subtree) -> None:
        seq = entry.seq
        data, stored = self._read.get(seq, (b"", None))
        if stored != entry:
            raise EntryInvalid("stored under another number")
        path = merkle.inclusion_path(subtree, size, seq)
        merkle.verify_inclusion(seq, size, merkle.leaf_hash(data), path, root)

    def resolve(self, ref: str) -> tuple[str, Sequence[Entry | Brief]]:
        """Return what kind of id `ref` is (call, response, task, subject) and what is behind it; nothing: empty."""
        vault = self._installation.vault
        if is_id(ref, "call"):
            return "call", self.find("call", ref)
        if found := self.find("response", vault.pseudonym("response", ref)):
            return "response", found
        if listed := self.find_task(vault.pseudonym(TASK, ref)):
            return TASK, listed
        subject = vault.find_subject("subject", ref)
        return "subject", self.find("subject", subject.pseudonym) if subject else []
