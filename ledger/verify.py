"""Offline verification of a pack or a bundle: numbered steps, each PASS, FAIL or NOT CHECKED.

Needs the standard library and `cryptography` alone, trusts nobody, and takes no key from what it checks: the auditor
pins the verifier key (and a head they hold) on the command line. A step that was not checked never counts as passed;
the level says how far the proof goes (docs/formats/bundle.md, "Verdict").
"""

import contextlib
import hashlib
import re
from collections.abc import Sequence
from typing import Any

from ledger import bundle, merkle
from ledger import checkpoint as checkpoints
from ledger.amounts import counted
from ledger.canonical import canonicalize, parse
from ledger.checkpoint import Checkpoint
from ledger.disclosure import open_disclosure
from ledger.entry import GENESIS, Entry, b64, decode, follow, parse_time
from ledger.errors import BundleInvalid, LedgerError, NoteInvalid, ProofInvalid, SealInvalid
from ledger.pack import SCHEMA, Tally, pack_id, seed_of
from ledger.pdf import embedded_file
from ledger.seal import require_certificate, verify_seal
from ledger.steps import Report, Step, Steps, Unproved, not_in_this_version

_ZONE = re.compile(r"[A-Za-z0-9+_/-]{1,64}")


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
    pack = _Pack(state["files"], vkeys, held)
    _prove(steps, pack, data if is_pdf else None)
    if seed is None:
        steps.skip("auditor's seed", "no --seed was given: whose seed drew the examples is not proved")
    else:
        steps.run("auditor's seed", lambda: pack.seed_is(seed))
    return _finish(steps, held, pack)


def _prove(steps: Steps, pack: "_Pack", pdf: bytes | None) -> None:
    """Run the steps over the files of a bundle, and over the PDF it came in."""
    steps.run("checkpoint", pack.checkpoint_parses)
    if pack.pins:
        steps.run("pinned key", pack.key_is_pinned)
    else:
        steps.skip("pinned key", "no --key was given: who made this is not proved")
    steps.run("entries", pack.entries_chain)
    steps.run("tree", pack.range_leads_to_root)
    steps.run("consistency", pack.consistency_holds)
    steps.run("context", pack.context_is_included)
    steps.run("signer", pack.signer_is_bound)
    if pdf is not None:
        steps.run("seal", lambda: pack.seal_covers(pdf))
    else:
        steps.skip("seal", "a bundle alone has none")
    steps.run("disclosures", pack.disclosures_open)
    steps.run("statements", pack.statements_hold)
    steps.run("completeness", pack.range_is_that_of_the_period)


def _finish(steps: Steps, held: Sequence[bytes], pack: "_Pack | None" = None) -> Report:
    if held and pack is not None and pack.pins:
        steps.run("held head", lambda: pack.continues(held))
    elif held:
        steps.skip("held head", "no --key was given: who signed the head is not known")
    else:
        steps.skip("held head", "no --head was given: a history rewritten by the key's holder would not show")
    not_in_this_version(steps)
    return steps.report


def _open_pdf(pdf: bytes, state: dict[str, Any]) -> str:
    state["archive"] = embedded_file(pdf)
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

    def __init__(self, files: dict[str, bytes], vkeys: Sequence[str], held: Sequence[bytes]) -> None:
        self._files, self._vkeys, self.pins = files, vkeys, bool(vkeys)
        self._heads: list[Checkpoint] = []
        for signed in held if vkeys else ():  # whether they verify is a step of its own
            with contextlib.suppress(LedgerError):
                self._heads.append(checkpoints.verified(signed, vkeys))
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

    def consistency_holds(self) -> str:
        """Check a consistency proof that is there, whether or not a head is given that it leads from."""
        if "consistency" not in self._files:
            raise Unproved("the bundle has no consistency proof: export with --since-head for one")
        old, proof = self._consistency()
        size, root = self._checkpoint.size, self._checkpoint.root
        if self._range.low <= old <= self._range.high or old == size:
            before = root if old == size else self._root_at(old)
            merkle.verify_consistency(old, size, before, root, proof)
        elif roots := merkle.proved_roots(old, size, proof):
            if roots[1] != root:
                raise ProofInvalid("the consistency proof does not lead to the checkpoint")
        elif all(head.size != old for head in self._heads):
            raise Unproved(f"a proof from {old} entries is present; give the head of that size to have it checked")
        return f"the proof leads from {old} entries to the checkpoint"

    def _consistency(self) -> tuple[int, Sequence[bytes]]:
        old, new, proof = bundle.parse_consistency(self._files["consistency"])
        size = self._checkpoint.size
        if new != size or not 0 < old <= size:
            raise ProofInvalid("the consistency proof is for other sizes")
        if len(proof) != len(merkle.consistency_path(lambda _low, _high: merkle.EMPTY_ROOT, old, size)):
            raise ProofInvalid("the consistency proof has another length than its sizes ask for")
        return old, proof

    def _root_at(self, size: int) -> bytes:
        """Return the root at a size within the range."""
        edge = merkle.Frontier(self._range.low, self._range.left)
        return edge.extend(self._leaves[: size - self._range.low]).root()

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
        self._require_order(hashes)
        return f"{len(context)} quoted entries from outside the range are under the checkpoint too"

    def _require_order(self, hashes: dict[int, bytes]) -> None:
        """Check what holds between entries wherever they stand: links, times, ids."""
        at, ids = "", set[str]()
        for seq, entry in sorted(self._quoted.items()):
            before = GENESIS if seq == 0 else hashes.get(seq - 1)
            if before and entry.prev != b64(before):
                raise BundleInvalid(f"entry {seq} does not name the one before it")
            if entry.at < at:
                raise BundleInvalid(f"the time of entry {seq} is before that of an earlier one")
            if entry.id in ids:
                raise BundleInvalid(f"entry {seq} has the id of another one")
            at = entry.at
            ids.add(entry.id)

    def signer_is_bound(self) -> str:
        """Follow the bindings of keys; the last one is in force."""
        bound = [one for _, one in sorted(self._quoted.items()) if one.kind in ("signer.added", "signer.rotated")]
        if not bound or bound[0].kind != "signer.added":
            raise BundleInvalid("the first binding of the log's keys is not in the bundle")
        for before, after in zip(bound, bound[1:], strict=False):
            if after.kind != "signer.rotated" or after.facts.get("replaces") != before.id:
                raise BundleInvalid(f"entry {after.seq} binds keys and does not replace the binding before it")
        facts = bound[-1].facts
        checkpoints.verified(self._files["checkpoint"], [facts["vkey"]])
        if self._vkeys and facts["vkey"] not in self._vkeys:
            raise NoteInvalid("the log binds another key than the pinned one")
        if facts["seal_certificate"] != b64(hashlib.sha256(self._files["seal.der"]).digest()):
            raise SealInvalid("seal.der is not the certificate that the log binds")
        require_certificate(self._files["seal.der"])
        rotated = f", after {counted(len(bound) - 1, 'rotation')}" if len(bound) > 1 else ""
        return f"entry {bound[-1].seq} of this log binds its key and the certificate of the seal{rotated}"

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
            entry = self._quoted.get(one["seq"]) if type(one["seq"]) is int else None  # true is no 1
            if entry is None or one["name"] not in entry.c:
                raise BundleInvalid("a disclosure belongs to no entry of the bundle")
            open_disclosure(one["disclosure"], name=one["name"], commitment=entry.c[one["name"]])
            order.append((one["seq"], one["name"]))
        if order != sorted(set(order)):
            raise BundleInvalid("disclosures are out of order or double")
        return f"{len(lines)} opened contents match their commitments"

    def statements_hold(self) -> str:
        """Recompute everything that pack.json says. Canonical forms are compared, so types are exact."""
        text = self._files["pack.json"]
        said = parse(text)
        if canonicalize(said) != text or said["schema"] != SCHEMA:
            raise BundleInvalid("pack.json is not in its one form, or of another version")
        scope = said["scope"]
        self._require_forms(said, scope)
        tally = Tally(scope["workflow"])
        for entry in self._entries:
            tally.see(entry)
        ours = {
            "schema": SCHEMA, "catalogue": SCHEMA, "log": self._checkpoint.origin, "size": self._checkpoint.size,
            "range": [self._range.low, self._range.high], "scope": scope, "seed": said["seed"], "at": said["at"],
            "contents": said["contents"], "counts": tally.counts(),
            "examples": tally.examples(seed_of(said["seed"], self._checkpoint)),
            "pack": pack_id(self._checkpoint, scope, at=said["at"], seed=said["seed"], contents=said["contents"]),
        }  # fmt: skip
        if tables := bundle.report_of(self._files):
            ours["report"] = {name: b64(hashlib.sha256(data).digest()) for name, data in tables.items()}
        absent = object()
        wrong = [
            name for name in sorted(ours.keys() | said.keys())
            if absent in (ours.get(name, absent), said.get(name, absent))
            or canonicalize(ours[name]) != canonicalize(said[name])
        ]  # fmt: skip
        if wrong:
            raise BundleInvalid(f"pack.json states what the entries do not give: {', '.join(wrong)}")
        self._require_withheld(said)
        return f"pack {said['pack']}: counts, cost and drawn examples recomputed"

    def _require_forms(self, said: dict[str, Any], scope: dict[str, Any]) -> None:
        """Check what the entries do not give: scope, seed, instant, whether contents are opened."""
        workflow, zone = scope["workflow"], scope.get("zone", "UTC")
        named = workflow is None or (workflow and type(workflow) is str)
        zoned = type(zone) is str and _ZONE.fullmatch(zone)
        if {*scope, "zone"} != {"from", "to", "workflow", "zone"} or not named or not zoned:
            raise BundleInvalid("the scope is not of the form of this format")
        if parse_time(scope["from"]) > parse_time(scope["to"]):
            raise BundleInvalid("the period ends before it begins")
        if type(said["seed"]) is not str or type(said["contents"]) is not bool:
            raise BundleInvalid("seed or contents is not of the form of this format")
        parse_time(said["at"])
        if any(entry.at > said["at"] for entry in self._quoted.values()):
            raise BundleInvalid("it says that it was made before its own entries")

    def _require_withheld(self, said: dict[str, Any]) -> None:
        if said["contents"]:
            return
        for line in bundle.split_lines(self._files["disclosures.jsonl"]):
            one = parse(line)
            if one["name"] in ("prompt", "answer") and self._quoted[one["seq"]].call in said["examples"]:
                raise BundleInvalid("it opens a prompt or an answer and says that contents are withheld")

    def range_is_that_of_the_period(self) -> str:
        """Check that no entry of the period was left out at either end: both neighbours of the range lie outside it."""
        scope = parse(self._files["pack.json"])["scope"]
        low, high, size = self._range.low, self._range.high, self._checkpoint.size
        for seq in {low - 1, high} & set(range(size)):
            if seq not in self._quoted:
                raise BundleInvalid(f"entry {seq}, the neighbour of the range, is not in the bundle")
        for entry in self._quoted.values():
            inside = scope["from"] <= entry.at < scope["to"]
            if inside != (low <= entry.seq < high):
                raise BundleInvalid(f"entry {entry.seq} shows that the range is not that of the period")
        if high == size:
            end = f"entry {size - 1} ({self._quoted[size - 1].at})" if size - 1 in self._quoted else f"{size} entries"
            raise Unproved(f"the log ends at {end}, and nothing shows that the period was over: ask for a later pack")
        front = f"entry {low - 1} lies before it" if low else "the log begins in it or after it"
        return f"every entry of the period is here: {front}, entry {high} after it"

    def seed_is(self, seed: str) -> str:
        if parse(self._files["pack.json"])["seed"] != seed:
            raise BundleInvalid("the examples were drawn with another seed than the auditor's")
        return "the examples were drawn with the auditor's seed"

    def continues(self, held: Sequence[bytes]) -> str:
        lacking = [size for signed in held if (size := self._lacking(checkpoints.verified(signed, self._vkeys)))]
        if lacking:
            raise Unproved(
                f"nothing here leads to the head of {lacking[0]} entries: ask for a pack made with --since-head"
            )
        return f"consistent with {counted(len(held), 'head')} held before"

    def _lacking(self, head: Checkpoint) -> int:
        """Compare a head; returns its size where the bundle has nothing to compare it with, else 0."""
        now = self._checkpoint
        if head.origin != now.origin:
            raise ProofInvalid(f"the held head is of another log: {head.origin}")
        if head.size > now.size:
            raise ProofInvalid(
                f"the pack ends at {now.size} entries, the head held at {head.size}: cut, or a pack older than the head"
            )
        known = {0: merkle.EMPTY_ROOT, now.size: now.root}
        if self._range.low <= head.size <= self._range.high:
            known[head.size] = self._root_at(head.size)
        if head.size in known:
            if known[head.size] != head.root:
                raise ProofInvalid(
                    f"the first {head.size} entries are not those of the held head: history was rewritten"
                )
            return 0
        if "consistency" not in self._files:
            return head.size
        old, proof = self._consistency()
        if old != head.size:
            return head.size
        merkle.verify_consistency(head.size, now.size, head.root, now.root, proof)
        return 0


__all__ = ["Report", "Step", "verify_pack"]
