"""The reports' evidence port over the live database, and the road from any id in hand to its entries."""

from collections.abc import Iterable, Sequence
from functools import cache

from gateway.dialects.words import as_identifier
from gateway.store.contents import disclosures_of
from gateway.store.installation import Installation
from ledger import checkpoint as checkpoints
from ledger import merkle
from ledger.disclosure import open_disclosure, require_committed
from ledger.entry import Entry, Sealed, outline
from ledger.errors import CanonicalError, ContentGone, DisclosureInvalid, EntryInvalid, NoteInvalid, ProofInvalid
from ledger.ids import is_id
from ledger.links import TASK, Brief, read_brief
from reports.ports import Content, Integrity
from reports.times import UTC

READ_AHEAD = 20
NOT_KEPT = "not_kept"
_BROKEN = (EntryInvalid, CanonicalError, ProofInvalid, NoteInvalid)


class LiveEvidence:
    """A view on the log as it was when the view was made. What it has read it keeps: make one for each answer."""

    def __init__(self, installation: Installation, zone: str = UTC) -> None:
        """Args:
        zone: in which times are written.
        """
        self.zone = zone
        self._installation = installation
        self._reader = installation.reader
        self._size = installation.reader.head().size
        self._read: dict[int, tuple[bytes, Entry]] = {}
        self._disclosures: dict[int, dict[str, str] | str] = {}
        """What is kept for an entry, held against it; or why there is nothing to show."""
        self._wrong: dict[int, str] = {}
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
        self._unseal([entry])
        kept = self._disclosures.get(entry.seq, NOT_KEPT)
        if isinstance(kept, str) or name not in kept:
            return Content(None, kept if isinstance(kept, str) else NOT_KEPT)
        return Content(open_disclosure(kept[name], name=name, commitment=entry.c[name]))

    def _unseal(self, entries: Iterable[Entry]) -> None:
        """Keep the disclosures of entries, or why there are none, some read together."""
        wanted = [entry for entry in entries if entry.c and entry.seq not in self._disclosures]
        for at in range(0, len(wanted), READ_AHEAD):
            batch = wanted[at : at + READ_AHEAD]
            kept = self._reader.contents_of([entry.seq for entry in batch])
            for entry in batch:
                self._disclosures[entry.seq] = self._held(entry, kept.get(entry.seq))

    def _held(self, entry: Entry, sealed: Sealed | None) -> dict[str, str] | str:
        """Return what is kept for an entry, held against what it commits to, or why there is nothing to show."""
        if sealed is None:
            self._wrong[entry.seq] = "it commits to contents, and none are stored"
            return "lost"
        try:
            opened = disclosures_of(self._installation.vault, entry, sealed)
            if opened is None:
                return "erased"
            require_committed(opened, entry.c)
        except (ContentGone, DisclosureInvalid, TypeError, ValueError) as error:  # whatever was written there
            self._wrong[entry.seq] = str(error)
            return "unreadable"
        return opened

    def _people(self, entries: Iterable[Entry]) -> list[Entry]:
        """Return the enrolments of the people who acted, whose names an answer quotes."""
        acting = dict.fromkeys(entry.act for entry in entries if entry.act)
        return [first for act in acting if (first := self.first("person", act))]

    def integrity(self, entries: Sequence[Entry]) -> Integrity:
        """Recompute each entry's leaf from its stored bytes and prove it under the signed checkpoint; hold what is kept
        for it against what it commits to."""
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
        self._unseal([*entries, *self._people(entries)])
        failures += [f"entry {seq}: contents: {why}" for seq, why in sorted(self._wrong.items())]
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
        """Return what kind of id `ref` is (call, approval, response, request, task, subject) and what it leads to."""
        vault = self._installation.vault
        if is_id(ref, "call"):
            return "call", self.find("call", ref)
        if is_id(ref, "appr"):
            return "approval", self.find("approval", ref)
        if found := self.find("response", vault.pseudonym("response", ref)):
            return "response", found
        if as_identifier(ref) == ref and (found := self.find("request", ref)):
            return "request", found
        if listed := self.find_task(vault.pseudonym(TASK, ref)):
            return TASK, listed
        subject = vault.find_subject("subject", ref)
        return "subject", self.find("subject", subject.pseudonym) if subject else []
