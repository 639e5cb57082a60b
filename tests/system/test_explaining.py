"""A why answer is taken from the bytes that it proves."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from stage import stage

from gateway.web.api import explain
from ledger.store.reader import Reader


def test_an_answer_over_changed_bytes_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with stage(tmp_path) as on:
        on.ask()
        (closed,) = on.settled("call.closed")
        on.installation.checkpointer.sign(now=True)
        honest = explain(on.installation, str(closed.call)).integrity
        stored = Reader.stored

        def cheaper(reader: Reader, seqs: Iterable[int]) -> dict[int, bytes]:
            found = stored(reader, seqs)
            return found | {
                seq: re.sub(rb'"cost_nano_eur":\d+', b'"cost_nano_eur":1', data)
                for seq, data in found.items()
                if seq == closed.seq
            }

        monkeypatch.setattr(Reader, "stored", cheaper)
        changed = explain(on.installation, str(closed.call)).integrity
    assert (honest.failures, honest.proved) == ((), honest.checked)
    assert [text.partition(":")[0] for text in changed.failures] == [f"entry {closed.seq}"]
    assert changed.proved == changed.checked - 1
