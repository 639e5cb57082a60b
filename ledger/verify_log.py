"""Offline verification of a whole log as it is stored, in one pass and constant memory."""

from collections.abc import Iterable, Sequence
from itertools import islice

from ledger import checkpoint as checkpoints
from ledger import merkle
from ledger.checkpoint import Checkpoint
from ledger.entry import GENESIS, b64, decode, follow
from ledger.errors import ProofInvalid
from ledger.verify import Report, Steps, not_in_this_version

PAGE = 256


def verify_log(
    raw: Iterable[bytes], *, origin: str, size: int, root: bytes, signed: bytes | None, vkeys: Sequence[str],
    held: Sequence[bytes] = (),
) -> Report:  # fmt: skip
    """Verify a whole log as it is stored, in one pass and constant memory.

    Args:
        raw: the bytes of every entry, in order.
        origin, size, root: what the head row says.
        signed: the last checkpoint that is kept.
    """
    steps = Steps()
    heads = [checkpoints.unverified(one) for one in held]
    marks = _Marks([*heads, *([checkpoints.unverified(signed)] if signed else [])])

    steps.run("entries", lambda: _walk(raw, origin, marks))
    steps.run("tree", lambda: _head_matches(marks.frontier, size, root))
    if signed is None or not vkeys:
        steps.skip("pinned key", "no --key was given, or no checkpoint is kept: who made this is not proved")
    else:
        steps.run("pinned key", lambda: _signed_head(signed, vkeys, marks))
    if not held:
        steps.skip("held head", "no --head was given: a history rewritten by the key's holder would not show")
    else:
        steps.run("held head", lambda: _held_heads(held, vkeys, marks))
    not_in_this_version(steps)
    return steps.report


class _Marks:
    """Roots at the sizes that somebody signed, taken while walking."""

    def __init__(self, wanted: Sequence[Checkpoint]) -> None:
        self.frontier = merkle.Frontier()
        self._wanted = {one.size for one in wanted}
        self._roots = {0: merkle.EMPTY_ROOT}

    def add(self, leaves: Sequence[bytes]) -> None:
        start = self.frontier.size
        for size in sorted(one for one in self._wanted if start < one <= start + len(leaves)):
            self.frontier = self.frontier.extend(leaves[self.frontier.size - start : size - start])
            self._roots[size] = self.frontier.root()
        self.frontier = self.frontier.extend(leaves[self.frontier.size - start :])

    def require(self, head: Checkpoint, what: str) -> None:
        if head.size not in self._roots:
            raise ProofInvalid(f"{what} is of {head.size} entries, the log has {self.frontier.size}: it was cut")
        if self._roots[head.size] != head.root:
            raise ProofInvalid(f"the first {head.size} entries are not those of {what}: history was rewritten")


def _walk(raw: Iterable[bytes], origin: str, marks: _Marks) -> str:
    prev, seq, at, rest = b64(GENESIS), 0, "", iter(raw)
    while page := [(data, decode(data)) for data in islice(rest, PAGE)]:
        count, leaves = follow(page, first=seq, prev=prev, log=origin)
        if page[0][1].at < at:
            raise ProofInvalid(f"entry {seq} is older than the one before it")
        prev, seq, at = b64(leaves[-1]), seq + count, page[-1][1].at
        marks.add(leaves)
    return f"{seq} entries, canonical, chained, no gap"


def _head_matches(frontier: merkle.Frontier, size: int, root: bytes) -> str:
    if frontier.size != size or frontier.root() != root:
        raise ProofInvalid(f"the head row says {size} entries and another root than the {frontier.size} entries give")
    return "the head row is the root of the entries"


def _signed_head(signed: bytes, vkeys: Sequence[str], marks: _Marks) -> str:
    head = checkpoints.verified(signed, vkeys)
    marks.require(head, "the last checkpoint")
    rest = marks.frontier.size - head.size
    return f"the checkpoint of {head.size} entries verifies under the pinned key; {rest} newer ones are not signed yet"


def _held_heads(held: Sequence[bytes], vkeys: Sequence[str], marks: _Marks) -> str:
    for signed in held:
        marks.require(checkpoints.verified(signed, vkeys) if vkeys else checkpoints.unverified(signed), "the held head")
    return f"consistent with {len(held)} head(s) held before"
