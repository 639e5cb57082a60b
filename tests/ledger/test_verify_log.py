"""A log is verified page by page; where a page ends changes nothing."""

from collections.abc import Iterator

import pytest
from conftest import OpenLog, appending
from hypothesis import given
from hypothesis import strategies as st

from ledger import checkpoint, merkle, verify_log
from ledger.checkpoint import Checkpoint
from ledger.verify_log import _Marks

LEAVES = [merkle.leaf_hash(str(number).encode()) for number in range(40)]


@given(st.sets(st.integers(1, 40)), st.lists(st.integers(0, 9), max_size=12))
def test_roots_are_taken_at_every_signed_size_however_the_leaves_come(sizes: set[int], pages: list[int]) -> None:
    marks = _Marks([Checkpoint("log", size, bytes(32)) for size in sizes])
    at = 0
    for page in [*pages, len(LEAVES)]:
        marks.add(LEAVES[at : at + page])
        at = min(at + page, len(LEAVES))
    assert marks.frontier.root() == merkle.root(LEAVES)
    for size in sizes:
        marks.require(Checkpoint("log", size, merkle.root(LEAVES[:size])), "a head")


@pytest.mark.parametrize("page", [1, 7, 256])
def test_a_log_verifies_and_a_changed_one_does_not(
    on_file: OpenLog, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(verify_log, "PAGE", page)
    on_file.log.append(appending(*["call.opened"] * 20))
    signed = on_file.checkpointer.sign()
    on_file.log.append(appending(*["call.closed"] * 9))
    head, raw = on_file.reader.head(), list(on_file.reader.raw(0, 29))

    def verified(entries: list[bytes]) -> bool:
        def read() -> Iterator[bytes]:
            yield from entries

        report = verify_log.verify_log(
            read(), origin=head.origin, size=head.size, root=head.frontier.root(), signed=signed,
            vkeys=[on_file.signer.vkey], held=[signed or b""],
        )  # fmt: skip
        return not report.failed

    assert checkpoint.unverified(signed or b"").size == 20
    assert verified(raw)
    for changed in (
        raw[:-1],
        raw[1:],
        [*raw[:9], raw[10], raw[9], *raw[11:]],
        [*raw[:12], raw[12].replace(b"opened", b"closed"), *raw[13:]],
        [*raw, raw[-1]],
    ):
        assert not verified(changed)
