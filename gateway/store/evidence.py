"""The reports' evidence port over the live database, and the road from any id in hand to its entries."""

from collections.abc import Sequence

from gateway.store.installation import Installation
from ledger import checkpoint as checkpoints
from ledger import merkle
from ledger.disclosure import open_disclosure
from ledger.entry import Entry, decode
from ledger.errors import CanonicalError, ContentGone, DisclosureInvalid, EntryInvalid, NoteInvalid, ProofInvalid
from ledger.ids import is_id
from reports.ports import Content, Integrity

_BROKEN = (EntryInvalid, CanonicalError, ProofInvalid, NoteInvalid)


class LiveEvidence:
    """A view on the log as it was when the view was made."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._reader = installation.reader
        self._size = installation.reader.head().size
        self._disclosures: dict[int, dict[str, str] | str] = {}
        self._firsts: dict[tuple[str, str], Entry | None] = {}

    def size(self) -> int:
        return self._size

    def find(self, kind: str, value: str) -> list[Entry]:
        return self._reader.entries([seq for seq in self._reader.find(kind, value) if seq < self._size])

    def first(self, kind: str, value: str) -> Entry | None:
        if (kind, value) not in self._firsts:
            found = self._reader.entries(self._reader.find(kind, value, limit=1))
            self._firsts[kind, value] = found[0] if found and found[0].seq < self._size else None
        return self._firsts[kind, value]

    def count(self, kind: str, value: str, *, since: str, last: int) -> int:
        return self._reader.count(kind, value, self._reader.first_at_or_after(since, self._size), last + 1)

    def content(self, entry: Entry, name: str) -> Content:
        if entry.seq not in self._disclosures:
            self._disclosures[entry.seq] = self._unsealed(entry)
        kept = self._disclosures[entry.seq]
        if isinstance(kept, str):
            return Content(None, kept)
        try:
            return Content(open_disclosure(kept.get(name, ""), name=name, commitment=entry.c[name]))
        except DisclosureInvalid:
            return Content(None, "unreadable")

    def _unsealed(self, entry: Entry) -> dict[str, str] | str:
        """Return the disclosures kept for an entry, or why there are none."""
        sealed = self._reader.contents(entry.seq)
        if sealed is None:
            return "not_kept"
        try:
            return self._installation.vault.unseal(sealed, entry_id=entry.id)
        except ContentGone:
            return "erased"

    def integrity(self, entries: Sequence[Entry]) -> Integrity:
        """Recompute each entry's leaf from its stored bytes and prove it under the signed checkpoint."""
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
        proved = pending = 0
        for entry in entries:
            if entry.seq >= size:
                pending += 1
                continue
            try:
                self._prove(entry.seq, size, root)
                proved += 1
            except _BROKEN as error:
                failures.append(f"entry {entry.seq}: {error}")
        return Integrity(
            checked=len(entries), proved=proved, pending=pending, failures=tuple(failures),
            origin=signer.name, checkpoint_size=size or None, key=signer.vkey,
        )  # fmt: skip

    def _prove(self, seq: int, size: int, root: bytes) -> None:
        (data,) = self._reader.raw(seq, seq + 1)
        if decode(data).seq != seq:
            raise EntryInvalid("stored under another number")
        path = merkle.inclusion_path(self._reader.subtree, size, seq)
        merkle.verify_inclusion(seq, size, merkle.leaf_hash(data), path, root)

    def resolve(self, ref: str) -> tuple[str, list[Entry]]:
        """Return what kind of id `ref` is (call, response, task, subject) and the entries behind it; none: empty."""
        vault = self._installation.vault
        if is_id(ref, "call"):
            return "call", self.find("call", ref)
        for kind in ("response", "task"):
            if found := self.find(kind, vault.pseudonym(kind, ref)):
                return kind, found
        subject = vault.find_subject("subject", ref)
        return "subject", self.find("subject", subject.pseudonym) if subject else []
