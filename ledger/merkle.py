"""The Merkle tree of RFC 6962 section 2.1 (RFC 9162 keeps it): roots, proofs, and their verification.

Hashes are 32 `bytes` (SHA-256); proofs are sequences of them, in the order of the RFC. Verifiers return None or
raise `ProofInvalid`; there is no boolean that a caller can forget to test.

Pure, and standard library only. `root`, `inclusion_proof` and `consistency_proof` cost O(n) hashes: they are for
exports and tests. The log itself keeps a `Frontier` (the right edge), which costs O(1) amortised per leaf.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ledger.errors import ProofInvalid

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Return SHA-256(0x00 || data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the Merkle tree hash of the given leaves; of none, SHA-256 of the empty string."""
    return Frontier.of(leaf_hashes).root()


def levels(leaf_hashes: Sequence[bytes]) -> list[list[bytes]]:
    """Return the roots of the perfect subtrees over the leaves, by height: the leaves, pairs of them, and so on."""
    found = [list(leaf_hashes)]
    while len(found[-1]) > 1:
        found.append(list(map(node_hash, found[-1][::2], found[-1][1::2])))
    return found


@dataclass(frozen=True, slots=True)
class Frontier:
    """The right edge of a tree: the roots of its maximal perfect subtrees, largest first.

    There is one hash per 1-bit of `size`, so at most 64 of them.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, leaf_hashes: Sequence[bytes]) -> "Frontier":
        return cls().extend(leaf_hashes)

    def extend(self, leaf_hashes: Sequence[bytes]) -> "Frontier":
        """Return the edge of the tree that has these further leaves."""
        stack, size = list(self.hashes), self.size
        for leaf in leaf_hashes:
            stack.append(leaf)
            rest = size
            while rest & 1:
                right = stack.pop()
                stack[-1] = node_hash(stack[-1], right)
                rest >>= 1
            size += 1
        return Frontier(size, tuple(stack))

    def root(self) -> bytes:
        return fold(self.hashes)


def fold(hashes: Sequence[bytes]) -> bytes:
    """Join adjacent perfect subtrees, the last two first: how RFC 6962 promotes a lone right edge."""
    if not hashes:
        return EMPTY_ROOT
    result = hashes[-1]
    for left in reversed(hashes[:-1]):
        result = node_hash(left, result)
    return result


def inclusion_proof(leaf_hashes: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return PATH(index, leaves) of RFC 6962 section 2.1.1, from the leaf's sibling upwards.

    Raises:
        IndexError: not 0 <= index < len(leaf_hashes).
    """
    if not 0 <= index < len(leaf_hashes):
        raise IndexError(f"no leaf {index} in a tree of {len(leaf_hashes)}")
    return inclusion_path(lambda low, high: root(leaf_hashes[low:high]), len(leaf_hashes), index)


Subtree = Callable[[int, int], bytes]
"""Gives the root over the leaves [low, high)."""


def inclusion_path(subtree: Subtree, size: int, index: int) -> tuple[bytes, ...]:
    """As `inclusion_proof`, asking `subtree` for the roots it needs: a store answers from tiles."""
    low, high, path = 0, size, []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(subtree(middle, high))
            high = middle
        else:
            path.append(subtree(low, middle))
            low = middle
    return tuple(reversed(path))


def consistency_proof(leaf_hashes: Sequence[bytes], old_size: int) -> tuple[bytes, ...]:
    """Return PROOF(old_size, leaves) of RFC 6962 section 2.1.2.

    Raises:
        IndexError: not 0 < old_size <= len(leaf_hashes); the empty tree is a prefix of every tree.
    """
    size = len(leaf_hashes)
    if not 0 < old_size <= size:
        raise IndexError(f"no consistency proof from size {old_size} to {size}")
    return consistency_path(lambda low, high: root(leaf_hashes[low:high]), old_size, size)


def consistency_path(subtree: Subtree, old_size: int, size: int) -> tuple[bytes, ...]:
    """As `consistency_proof`, asking `subtree` for the roots it needs."""
    low, high, whole, path = 0, size, True, []
    while old_size - low != high - low:
        middle = low + _split(high - low)
        if old_size <= middle:
            path.append(subtree(middle, high))
            high = middle
        else:
            path.append(subtree(low, middle))
            low, whole = middle, False
    if not whole:
        path.append(subtree(low, high))
    return tuple(reversed(path))


def _split(size: int) -> int:
    """Return the largest power of two strictly below `size`."""
    return 1 << (size - 1).bit_length() - 1


def verify_inclusion(index: int, size: int, leaf_hash: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf is at `index` in the tree of `size` leaves with this root.

    Raises:
        ProofInvalid: it is not, or an argument is out of range.

    Source: RFC 9162 section 2.1.3.2.
    """
    _require_hashes(leaf_hash, root, *proof)
    if not 0 <= index < size:
        raise ProofInvalid(f"index {index} is not in a tree of {size}")
    fn, sn, result = index, size - 1, leaf_hash
    for step in proof:
        if sn == 0:
            raise ProofInvalid("the proof is longer than the path")
        if fn & 1 or fn == sn:
            result = node_hash(step, result)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            result = node_hash(result, step)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise ProofInvalid("the proof is shorter than the path")
    if result != root:
        raise ProofInvalid(f"the proof leads to {result.hex()}, not to {root.hex()}")


def verify_consistency(old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree of `old_size` is a prefix of the tree of `new_size`.

    Raises:
        ProofInvalid: it is not, or old_size is 0 or above new_size (the empty tree needs no proof).

    Source: RFC 9162 section 2.1.4.2.
    """
    _require_hashes(old_root, new_root, *proof)
    if not 0 < old_size <= new_size:
        raise ProofInvalid(f"sizes {old_size} and {new_size} have no consistency proof")
    if old_size == new_size:
        if proof or old_root != new_root:
            raise ProofInvalid("trees of one size need equal roots and an empty proof")
        return
    steps = list(proof)
    if old_size & (old_size - 1) == 0:
        steps.insert(0, old_root)
    if not steps:
        raise ProofInvalid("the proof is empty")
    old_result, new_result = _consistent_roots(old_size, new_size, steps)
    if old_result != old_root:
        raise ProofInvalid("the proof does not lead to the old root")
    if new_result != new_root:
        raise ProofInvalid("the proof does not lead to the new root")


def proved_roots(old_size: int, new_size: int, proof: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """Return the roots at both sizes that a consistency proof gives by itself; None where it leaves the old one out.

    Raises:
        ProofInvalid: it has another length than its sizes ask for.
    """
    if old_size == new_size or old_size & (old_size - 1) == 0:
        return None
    if not proof:
        raise ProofInvalid("the proof is empty")
    return _consistent_roots(old_size, new_size, proof)


def _consistent_roots(old_size: int, new_size: int, steps: Sequence[bytes]) -> tuple[bytes, bytes]:
    fn, sn = old_size - 1, new_size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    old_result = new_result = steps[0]
    for step in steps[1:]:
        if sn == 0:
            raise ProofInvalid("the proof is longer than the path")
        if fn & 1 or fn == sn:
            old_result, new_result = node_hash(step, old_result), node_hash(step, new_result)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            new_result = node_hash(new_result, step)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise ProofInvalid("the proof is shorter than the path")
    return old_result, new_result


def _require_hashes(*hashes: bytes) -> None:
    for value in hashes:
        if not isinstance(value, bytes) or len(value) != 32:
            raise ProofInvalid("a hash is not 32 bytes")


def range_cover(size: int, low: int, high: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return the maximal perfect subtrees left and right of [low, high) in a tree of `size` leaves.

    Each is (start, end), in order. At most about 2 * log2(size) of them: their roots, with the leaves of the
    range, give the root of the tree. Source: docs/formats/bundle.md, "range proof".
    """
    return perfect_spans(0, low), perfect_spans(high, size)


def perfect_spans(low: int, high: int) -> list[tuple[int, int]]:
    """Cut [low, high) into the fewest aligned spans whose lengths are powers of two, in order."""
    spans = []
    while low < high:
        span = low & -low or 1 << (high - low).bit_length() - 1
        while low + span > high:
            span >>= 1
        spans.append((low, low + span))
        low += span
    return spans


def verify_range(
    size: int,
    low: int,
    leaf_hashes: Sequence[bytes],
    left: Sequence[bytes],
    right: Sequence[bytes],
    root: bytes,
) -> None:
    """Check that `leaf_hashes` are the leaves [low, low + n) of the tree of `size` leaves with this root.

    Raises:
        ProofInvalid: they are not, or the proof does not have exactly the hashes the range needs.
    """
    _require_hashes(root, *leaf_hashes, *left, *right)
    high = low + len(leaf_hashes)
    if not 0 <= low <= high <= size:
        raise ProofInvalid(f"[{low}, {high}) is not a range of a tree of {size}")
    before, after = range_cover(size, low, high)
    if len(before) != len(left) or len(after) != len(right):
        raise ProofInvalid("the range proof has the wrong number of hashes")
    spans = [*before, *((at, at + 1) for at in range(low, high)), *after]
    if any(one[1] != other[0] for one, other in pairwise(spans)):
        raise ProofInvalid("the range proof leaves a gap")
    stack: list[tuple[int, int, bytes]] = []  # (start, span, hash)
    for (start, end), value in zip(spans, [*left, *leaf_hashes, *right], strict=True):
        stack.append((start, end - start, value))
        while len(stack) > 1 and stack[-2][1] == stack[-1][1] and stack[-2][0] % (2 * stack[-1][1]) == 0:
            _, _, upper = stack.pop()
            begin, span, lower = stack.pop()
            stack.append((begin, 2 * span, node_hash(lower, upper)))
    result = fold([value for _, _, value in stack])
    if result != root:
        raise ProofInvalid("the range does not lead to the root of the checkpoint")
