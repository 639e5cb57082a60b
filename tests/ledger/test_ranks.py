"""Ranks give the numbers that counting everything gives, while the log grows."""

from bisect import bisect_left
from typing import Any

from conftest import OpenLog, appending
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.store import ranks
from ledger.store.ranks import Ranks

GROWTH = st.lists(st.lists(st.integers(1, 3), max_size=40), min_size=1, max_size=6)


@settings(max_examples=200)
@given(GROWTH, st.integers(1, 9), st.lists(st.integers(0, 300), min_size=1, max_size=8))
def test_a_rank_is_what_counting_gives(growth: list[list[int]], chunk: int, asked: list[int]) -> None:
    linked: list[int] = []
    found = Ranks(lambda _id, after, skipped, most: [seq for seq in linked if seq > after][skipped : skipped + most])
    kept, ranks.CHUNK = ranks.CHUNK, chunk
    try:
        for steps in growth:
            for step in steps:
                linked.append((linked[-1] if linked else -1) + step)
            for number in asked:
                assert bisect_left(linked, number) == found.below(("route", "support"), number)
    finally:
        ranks.CHUNK = kept


CALLS = [f"call_01938f6c-5f00-7abc-8def-00000000000{number}" for number in range(3)]


def test_a_reader_counts_and_finds_many_at_once(opened: OpenLog, monkeypatch: Any) -> None:
    monkeypatch.setattr(ranks, "CHUNK", 4)
    for number in range(11):
        opened.log.append(appending("call.opened", call=CALLS[number % 3], facts={"route_ref": "support"}))
        assert number + 1 == opened.reader.count("route", "support", 0, number + 1)
    assert opened.reader.count("route", "support", 3, 7) == 4
    assert opened.reader.count("route", "nowhere", 0, 11) == 0
    assert opened.reader.find_each("call", [CALLS[2], CALLS[1], "x"]) == {CALLS[1]: [1, 4, 7, 10], CALLS[2]: [2, 5, 8]}
    assert [entry.seq for entry in opened.reader.entries([5, 0, 99])] == [0, 5]
    assert opened.reader.contents_of([1, 2]) == {}
