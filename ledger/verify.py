"""Offline verification of a pack or a bundle: numbered steps, each PASS, FAIL or NOT CHECKED.

Needs the standard library and `cryptography` alone, trusts nobody, and takes no key from what it checks: the auditor
pins the verifier key (and a head they hold) on the command line. A step that was not checked never counts as passed;
the level says how far the proof goes (docs/formats/bundle.md, "Verdict").
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger import bundle, merkle
from ledger import checkpoint as checkpoints
from ledger.canonical import canonicalize, parse
from ledger.checkpoint import Checkpoint
from ledger.disclosure import open_disclosure
from ledger.entry import GENESIS, Entry, b64, decode, follow, parse_time
from ledger.errors import BundleInvalid, LedgerError, NoteInvalid, ProofInvalid, SealInvalid
from ledger.pack import SCHEMA, Tally, pack_id, seed_of
from ledger.seal import embedded_bundle, verify_seal

PASS, FAIL, NOT_CHECKED = "PASS", "FAIL", "NOT CHECKED"
LEVELS = ("L0", "L1", "L2", "L3", "L4")


@dataclass(frozen=True, slots=True)
class Step:
    """One numbered step and what came of it."""

    number: int
    name: str
    result: str
    detail: str


@dataclass(slots=True)
class Report:
    """What was proved. `level` is None when something failed."""

    steps: list[Step] = field(default_factory=list)

    def note(self, name: str, result: str, detail: str) -> None:
        self.steps.append(Step(len(self.steps) + 1, name, result, detail))

    @property
    def failed(self) -> bool:
        return any(step.result == FAIL for step in self.steps)

    def passed(self, name: str) -> bool:
        return any(step.name == name and step.result == PASS for step in self.steps)

    @property
    def level(self) -> str | None:
        if self.failed or not self.passed("tree"):
            return None
        if not self.passed("pinned key"):
            return "L0"
        return "L2" if self.passed("held head") else "L1"


class Steps:
    """Runs steps so that a failing one is reported and ends the check: later steps rest on earlier ones."""

    def __init__(self) -> None:
        self.report = Report()

    def run(self, name: str, check: Callable[[], str]) -> bool:
        if self.report.failed:
            self.report.note(name, NOT_CHECKED, "an earlier step failed")
            return False
        try:
            self.report.note(name, PASS, check())
        except LedgerError as error:
            self.report.note(name, FAIL, str(error))
            return False
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            # Hostile input must end in a verdict, whatever it trips over.
            self.report.note(name, FAIL, f"malformed: {type(error).__name__}")
            return False
        return True

    def skip(self, name: str, why: str) -> None:
        self.report.note(name, NOT_CHECKED, why)


def verify_pack(
    data: bytes,
    *,
    vkeys: Sequence[str],
    held: Sequence[bytes] = (),
    beside: bytes | None = None,
    seed: str | None = None,
) -> Report:
    """Verify a PDF pack or a bundle.

    Args:
        data: the PDF or the ZIP.
        vkeys: the verifier keys that the auditor pinned; none lowers the verdict to L0.
        held: signed heads that the auditor held before.
        beside: a bundle that claims to be the one inside the PDF.
        seed: the seed that the auditor gave for drawing the examples.
    """
    steps = Steps()
    state: dict[str, Any] = {"archive": data}
    is_pdf = data.startswith(b"%PDF-")
    if is_pdf:
        steps.run("container", lambda: _open_pdf(data, state))
    else:
        steps.skip("container", "a bundle alone: the PDF and its seal were not looked at")
    if beside is not None:
        steps.run("bundle beside", lambda: _same(state["archive"], beside))
    if not steps.run("bundle", lambda: _read_bundle(state)):
        return _finish(steps, held)
    pack = _Pack(state["files"], vkeys)
    steps.run("checkpoint", pack.checkpoint_parses)
    if vkeys:
        steps.run("pinned key", pack.key_is_pinned)
    else:
        steps.skip("pinned key", "no --key was given: who made this is not proved")
    steps.run("entries", pack.entries_chain)
    steps.run("tree", pack.range_leads_to_root)
    steps.run("context", pack.context_is_included)
    steps.run("signer", pack.signer_is_bound)
    if is_pdf:
        steps.run("seal", lambda: pack.seal_covers(data))
    else:
        steps.skip("seal", "a bundle alone has none")
    steps.run("disclosures", pack.disclosures_open)
    steps.run("statements", pack.statements_hold)
    steps.run("completeness", pack.range_is_that_of_the_period)
    if seed is None:
        steps.skip("auditor's seed", "no --seed was given: whose seed drew the examples is not proved")
    else:
        steps.run("auditor's seed", lambda: pack.seed_is(seed))
    return _finish(steps, held, pack)


def _finish(steps: Steps, held: Sequence[bytes], pack: "_Pack | None" = None) -> Report:
    if held and pack is not None:
        steps.run("held head", lambda: pack.continues(held))
    else:
        steps.skip("held head", "no --head was given: a history rewritten by the key's holder would not show")
    not_in_this_version(steps)
    return steps.report


def not_in_this_version(steps: Steps) -> None:
    steps.skip("outside time", "there is no time-stamp of an outside authority: when it was made is not proved")
    steps.skip("witnesses", "there is no witness: two histories shown to two auditors would not show")


def _open_pdf(pdf: bytes, state: dict[str, Any]) -> str:
    state["archive"] = embedded_bundle(pdf)
    return f"a PDF with one embedded file of {len(state['archive'])} bytes"


def _same(inside: bytes, beside: bytes) -> str:
    if inside != beside:
        raise BundleInvalid("the bundle given beside the PDF is not the one inside it")
    return "equal to the one inside"


def _read_bundle(state: dict[str, Any]) -> str:
    state["files"] = bundle.read(state["archive"])
    return f"{len(state['files'])} files in the one canonical archive"


class _Pack:
    """The files of a bundle, step by step turned into what they prove."""

    def __init__(self, files: dict[str, bytes], vkeys: Sequence[str]) -> None:
        self._files, self._vkeys = files, vkeys
        self._checkpoint = Checkpoint("", 0, b"")
        self._range = bundle.Range(0, 0, 0, (), ())
        self._entries: list[Entry] = []
        self._leaves: list[bytes] = []
        self._quoted: dict[int, Entry] = {}
        """Entries of the range and of the context, by number: all of them proved."""

    def checkpoint_parses(self) -> str:
        self._checkpoint = checkpoints.unverified(self._files["checkpoint"])
        self._range = bundle.Range.parse(self._files["range"])
        if self._range.size != self._checkpoint.size:
            raise BundleInvalid("range and checkpoint speak of different sizes")
        return f"log {self._checkpoint.origin}, {self._checkpoint.size} entries"

    def key_is_pinned(self) -> str:
        checkpoints.verified(self._files["checkpoint"], self._vkeys)
        return "the checkpoint verifies under the pinned key"

    def entries_chain(self) -> str:
        parsed = [(line, decode(line)) for line in bundle.split_lines(self._files["entries.jsonl"])]
        low, high = self._range.low, self._range.high
        if len(parsed) != high - low:
            raise BundleInvalid(f"{len(parsed)} entries, the range has {high - low}")
        prev = b64(GENESIS) if low == 0 else None
        _, self._leaves = follow(parsed, first=low, prev=prev, log=self._checkpoint.origin)
        self._entries = [entry for _, entry in parsed]
        self._quoted = {entry.seq: entry for entry in self._entries}
        return f"{len(parsed)} entries from number {low}, canonical, chained, no gap"

    def range_leads_to_root(self) -> str:
        found = self._range
        merkle.verify_range(
            self._checkpoint.size, found.low, self._leaves, found.left, found.right, self._checkpoint.root
        )
        return "exactly these entries are the leaves of the range under the checkpoint"

    def context_is_included(self) -> str:
        context = bundle.parse_context(self._files["context.jsonl"])
        hashes = dict(enumerate(self._leaves, start=self._range.low))
        last = -1
        for one in context:
            entry = decode(one.data)
            if entry.seq <= last or self._range.low <= entry.seq < self._range.high:
                raise BundleInvalid("context entries are out of order, double, or in the range already")
            last = entry.seq
            if entry.log != self._checkpoint.origin:
                raise BundleInvalid(f"context entry {entry.seq} is of another log")
            leaf = merkle.leaf_hash(one.data)
            merkle.verify_inclusion(entry.seq, self._checkpoint.size, leaf, one.path, self._checkpoint.root)
            self._quoted[entry.seq] = entry
            hashes[entry.seq] = leaf
        for seq, entry in self._quoted.items():
            if (before := hashes.get(seq - 1)) and entry.prev != b64(before):
                raise BundleInvalid(f"entry {seq} does not name the one before it")
        return f"{len(context)} quoted entries from outside the range are under the checkpoint too"

    def signer_is_bound(self) -> str:
        bound = [entry for entry in self._quoted.values() if entry.kind == "signer.added"]
        if len(bound) != 1:
            raise BundleInvalid(f"{len(bound)} entries bind keys of this log, not one")
        facts = bound[0].facts
        checkpoints.verified(self._files["checkpoint"], [facts["vkey"]])
        if self._vkeys and facts["vkey"] not in self._vkeys:
            raise NoteInvalid("the log binds another key than the pinned one")
        if facts["seal_certificate"] != b64(hashlib.sha256(self._files["seal.der"]).digest()):
            raise SealInvalid("seal.der is not the certificate that the log binds")
        return f"entry {bound[0].seq} of this log binds its key and the certificate of the seal"

    def seal_covers(self, pdf: bytes) -> str:
        verify_seal(pdf, self._files["seal.der"])
        return "one signature covers every byte of the PDF, by the certificate that the log binds"

    def disclosures_open(self) -> str:
        lines = bundle.split_lines(self._files["disclosures.jsonl"])
        order: list[tuple[int, str]] = []
        for line in lines:
            one = parse(line)
            if canonicalize(one) != line or sorted(one) != ["disclosure", "name", "seq"]:
                raise BundleInvalid("a disclosure is not in its one form")
            entry = self._quoted.get(one["seq"])
            if entry is None or one["name"] not in entry.c:
                raise BundleInvalid("a disclosure belongs to no entry of the bundle")
            open_disclosure(one["disclosure"], name=one["name"], commitment=entry.c[one["name"]])
            order.append((one["seq"], one["name"]))
        if order != sorted(set(order)):
            raise BundleInvalid("disclosures are out of order or double")
        return f"{len(lines)} opened contents match their commitments"

    def statements_hold(self) -> str:
        """Recompute everything that pack.json says."""
        said = parse(self._files["pack.json"])
        if canonicalize(said) != self._files["pack.json"] or said["schema"] != SCHEMA:
            raise BundleInvalid("pack.json is not in its one form, or of another version")
        scope = said["scope"]
        tally = Tally(scope["workflow"])
        for entry in self._entries:
            tally.see(entry)
        ours = {
            "schema": SCHEMA,
            "catalogue": SCHEMA,
            "log": self._checkpoint.origin,
            "size": self._checkpoint.size,
            "range": [self._range.low, self._range.high],
            "scope": scope,
            "seed": said["seed"],
            "at": said["at"],
            "contents": said["contents"],
            "counts": tally.counts(),
            "examples": tally.examples(seed_of(said["seed"], self._checkpoint)),
            "pack": pack_id(self._checkpoint, scope, at=said["at"], seed=said["seed"], contents=said["contents"]),
        }
        wrong = sorted(name for name in ours.keys() | said.keys() if ours.get(name) != said.get(name))
        if wrong:
            raise BundleInvalid(f"pack.json states what the entries do not give: {', '.join(wrong)}")
        return f"pack {said['pack']}: counts, cost and drawn examples recomputed"

    def range_is_that_of_the_period(self) -> str:
        """Check that no entry of the period was left out at either end: both neighbours of the range lie outside it."""
        scope = parse(self._files["pack.json"])["scope"]
        low, high = self._range.low, self._range.high
        if parse_time(scope["from"]) > parse_time(scope["to"]):
            raise BundleInvalid("the period ends before it begins")
        for seq in {low - 1, high} & set(range(self._checkpoint.size)):
            if seq not in self._quoted:
                raise BundleInvalid(f"entry {seq}, the neighbour of the range, is not in the bundle")
        for entry in self._quoted.values():
            inside = scope["from"] <= entry.at < scope["to"]
            if inside != (low <= entry.seq < high):
                raise BundleInvalid(f"entry {entry.seq} shows that the range is not that of the period")
        return f"every entry of the period is here: its neighbours at {low - 1} and {high} lie outside it"

    def seed_is(self, seed: str) -> str:
        if parse(self._files["pack.json"])["seed"] != seed:
            raise BundleInvalid("the examples were drawn with another seed than the auditor's")
        return "the examples were drawn with the auditor's seed"

    def continues(self, held: Sequence[bytes]) -> str:
        for signed in held:
            self._continues(
                checkpoints.verified(signed, self._vkeys) if self._vkeys else checkpoints.unverified(signed)
            )
        return f"consistent with {len(held)} head(s) held before"

    def _continues(self, head: Checkpoint) -> None:
        now = self._checkpoint
        if head.origin != now.origin:
            raise ProofInvalid(f"the held head is of another log: {head.origin}")
        if head.size > now.size:
            raise ProofInvalid(
                f"the pack ends at {now.size} entries, the head held at {head.size}: cut, or a pack older than the head"
            )
        if head.size == now.size and head.root == now.root:
            return
        if self._range.low <= head.size <= self._range.high:
            edge = merkle.Frontier(self._range.low, self._range.left)
            if edge.extend(self._leaves[: head.size - self._range.low]).root() != head.root:
                raise ProofInvalid(
                    f"the first {head.size} entries are not those of the held head: history was rewritten"
                )
            return
        if "consistency" not in self._files:
            raise ProofInvalid("the pack has no consistency proof for the held head: export with --since-head")
        old, new, proof = bundle.parse_consistency(self._files["consistency"])
        if (old, new) != (head.size, now.size):
            raise ProofInvalid("the consistency proof is for other sizes")
        merkle.verify_consistency(head.size, now.size, head.root, now.root, proof)


__all__ = ["Report", "Step", "verify_pack"]
