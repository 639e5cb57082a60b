"""The tree is that of RFC 6962, held against its recursive definition and its published constants."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import merkle
from ledger.errors import ProofInvalid

LEAVES = [merkle.leaf_hash(str(number).encode()) for number in range(300)]

# The reference inputs of the Certificate Transparency project, and the roots over the first 1 to 8 of them
CT_INPUTS = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def definition(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + definition(leaves[:k]) + definition(leaves[k:])).digest()


def path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 6962 section 2.1.1, word for word."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if index < k:
        return [*path(index, leaves[:k]), definition(leaves[k:])]
    return [*path(index - k, leaves[k:]), definition(leaves[:k])]


def test_the_published_roots_come_out() -> None:
    hashes = [merkle.leaf_hash(bytes.fromhex(text)) for text in CT_INPUTS]
    for size, expected in enumerate(CT_ROOTS, start=1):
        assert expected == merkle.root(hashes[:size]).hex()


def test_every_size_to_300_has_the_root_of_the_definition() -> None:
    for size in range(301):
        assert definition(LEAVES[:size]) == merkle.root(LEAVES[:size])


def test_every_inclusion_proof_to_size_70_is_the_defined_path_and_verifies() -> None:
    for size in range(1, 71):
        root = merkle.root(LEAVES[:size])
        for index in range(size):
            proof = merkle.inclusion_proof(LEAVES[:size], index)
            assert tuple(path(index, LEAVES[:size])) == proof
            merkle.verify_inclusion(index, size, LEAVES[index], proof, root)


def test_every_consistency_proof_to_size_70_verifies_and_no_other_root_does() -> None:
    for new in range(1, 71):
        for old in range(1, new + 1):
            proof = merkle.consistency_proof(LEAVES[:new], old)
            old_root, new_root = merkle.root(LEAVES[:old]), merkle.root(LEAVES[:new])
            merkle.verify_consistency(old, new, old_root, new_root, proof)
            with pytest.raises(ProofInvalid):
                merkle.verify_consistency(old, new, LEAVES[299], new_root, proof)
            with pytest.raises(ProofInvalid):
                merkle.verify_consistency(old, new, old_root, LEAVES[299], proof)


@given(st.integers(1, 300), st.data())
def test_a_proof_with_any_hash_changed_dropped_or_added_is_refused(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    root = merkle.root(LEAVES[:size])
    proof = list(merkle.inclusion_proof(LEAVES[:size], index))
    position = data.draw(st.integers(0, len(proof)))
    bad = [*proof[:position], LEAVES[299], *proof[position:]]
    with pytest.raises(ProofInvalid):
        merkle.verify_inclusion(index, size, LEAVES[index], bad, root)
    for position in range(len(proof)):
        with pytest.raises(ProofInvalid):
            merkle.verify_inclusion(index, size, LEAVES[index], [*proof[:position], *proof[position + 1 :]], root)


@pytest.mark.parametrize(
    ("index", "size", "leaf"), [(-1, 3, LEAVES[0]), (3, 3, LEAVES[0]), (0, 0, LEAVES[0]), (0, 1, b"short")]
)
def test_impossible_arguments_are_refused(index: int, size: int, leaf: bytes) -> None:
    with pytest.raises(ProofInvalid):
        merkle.verify_inclusion(index, size, leaf, [], leaf)


def test_consistency_from_the_empty_tree_is_refused_as_no_proof() -> None:
    with pytest.raises(ProofInvalid):
        merkle.verify_consistency(0, 3, merkle.EMPTY_ROOT, merkle.root(LEAVES[:3]), [])


def test_every_range_to_size_40_proves_itself() -> None:
    for size in range(41):
        root = merkle.root(LEAVES[:size])
        for low in range(size + 1):
            for high in range(low, size + 1):
                before, after = merkle.range_cover(size, low, high)
                left = [merkle.root(LEAVES[a:b]) for a, b in before]
                right = [merkle.root(LEAVES[a:b]) for a, b in after]
                merkle.verify_range(size, low, LEAVES[low:high], left, right, root)
                if high > low:
                    forged = [*LEAVES[low : high - 1], LEAVES[299]]
                    with pytest.raises(ProofInvalid):
                        merkle.verify_range(size, low, forged, left, right, root)


def test_a_range_that_leaves_out_an_entry_is_refused() -> None:
    root = merkle.root(LEAVES[:9])
    before, after = merkle.range_cover(9, 2, 6)
    left = [merkle.root(LEAVES[a:b]) for a, b in before]
    right = [merkle.root(LEAVES[a:b]) for a, b in after]
    with pytest.raises(ProofInvalid):
        merkle.verify_range(9, 2, [*LEAVES[2:4], LEAVES[5]], left, right, root)
