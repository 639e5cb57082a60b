"""Entries have one form, hold no floats, and the chain notices every edit."""

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ledger import canonical, merkle
from ledger.entry import (
    GENESIS,
    Draft,
    Entry,
    b64,
    decode,
    encode,
    follow,
    format_time,
    parse_time,
    unb64,
    vetted,
)
from ledger.errors import ChainBroken, EntryInvalid

ID = "ent_01938f6c-5f00-7abc-8def-0123456789ab"
AT = "2026-11-23T09:00:00.000000Z"

ascii_names = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
facts = st.dictionaries(
    ascii_names,
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ascii_names, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=5,
)


def chain_of(count: int) -> list[tuple[bytes, Entry]]:
    prev, entries = GENESIS, []
    for seq in range(count):
        data = encode(Draft(id=ID, kind="call.opened", facts={"n": seq}), log="log", seq=seq, prev=prev, at=AT)
        entries.append((data, decode(data)))
        prev = merkle.leaf_hash(data)
    return entries


def test_the_golden_bytes_of_an_entry() -> None:
    draft = Draft(
        id=ID, kind="call.opened", call="call_01938f6c-5f00-7abc-8def-0123456789ab", task="task.x", facts={"cost": 12, "model": "gpt-4o", "ok": True},
        refs={"config": "A" * 42 + "A"}, c={"prompt": "B" * 42 + "A"},
    )  # fmt: skip
    assert encode(draft, log="ledger.example/test", seq=0, prev=GENESIS, at=AT) == (
        b'{"act":null,"at":"2026-11-23T09:00:00.000000Z","c":{"prompt":"BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA"},'
        b'"call":"call_01938f6c-5f00-7abc-8def-0123456789ab","facts":{"cost":12,"model":"gpt-4o","ok":true},'
        b'"id":"ent_01938f6c-5f00-7abc-8def-0123456789ab","kind":"call.opened","log":"ledger.example/test",'
        b'"prev":"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",'
        b'"refs":{"config":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},"seq":0,"sub":null,"task":"task.x","v":1,'
        b'"workflow":null}'
    )


@given(facts)
def test_an_entry_has_the_bytes_that_rfc8785_gives_and_reads_back_as_itself(
    values: dict[str, object],
) -> None:
    data = encode(Draft(id=ID, kind="call.opened", facts=values), log="l", seq=3, prev=GENESIS, at=AT)
    assert rfc8785.dumps(json.loads(data)) == data
    assert values == decode(data).facts


@given(facts)
def test_both_encoders_give_the_same_bytes(values: dict[str, object]) -> None:
    assert canonical._dump_with_standard_library(values) == canonical.dump_plain(values) == rfc8785.dumps(values)


@given(st.data())
def test_with_and_without_orjson_the_same_bytes_are_entries(data: st.DataObject) -> None:
    """One acceptance for all verifiers: a mutated entry is refused by both readers or read as the same by both."""
    values = data.draw(facts)
    good = encode(Draft(id=ID, kind="call.opened", facts=values), log="l", seq=3, prev=GENESIS, at=AT)
    at = data.draw(st.integers(0, len(good)))
    piece = data.draw(
        st.sampled_from([b"", b" ", b'"', b"1.0", b"1e0", b"-0", b"\\u0041", b"\\ud800", b"NaN", b",", b"\xff", b"00"])
    )
    bad = good[:at] + piece + good[at + data.draw(st.integers(0, 2)) :]

    def read() -> object:
        try:
            return decode(bad)
        except EntryInvalid:
            return None

    with pytest.MonkeyPatch.context() as patch:
        with_orjson = read()
        patch.setattr(canonical, "_DUMP", canonical._dump_with_standard_library)
        patch.setattr(canonical, "_LOAD", canonical._load_with_standard_library)
        assert read() == with_orjson


@pytest.mark.parametrize("bad", [1.5, 2**53, b"x", {"\u00e9": 1}, {"a": [1.0]}], ids=repr)
def test_floats_large_integers_and_other_types_never_enter(bad: object) -> None:
    with pytest.raises(EntryInvalid):
        encode(Draft(id=ID, kind="call.opened", facts={"x": bad}), log="l", seq=0, prev=GENESIS, at=AT)


def test_facts_that_many_entries_repeat_are_looked_through_once_and_give_the_same_bytes() -> None:
    row = {"model": "m", "input_pico_usd": 1}
    for facts in ({"price": row}, {"price": vetted(row)}):
        data = encode(Draft(id=ID, kind="call.opened", facts=facts), log="l", seq=0, prev=GENESIS, at=AT)
        assert rfc8785.dumps(json.loads(data)) == data
        assert decode(data).facts == {"price": row}
    for bad in ({"x": 1.5}, {"x": [2**53]}, {"\u00e9": 1}):
        with pytest.raises(EntryInvalid):
            vetted(bad)


def test_a_lone_surrogate_never_enters() -> None:
    with pytest.raises(EntryInvalid):
        encode(Draft(id=ID, kind="call.opened", facts={"x": "\ud800"}), log="l", seq=0, prev=GENESIS, at=AT)


def test_an_entry_above_32_kib_is_refused() -> None:
    with pytest.raises(EntryInvalid):
        encode(Draft(id=ID, kind="call.opened", facts={"x": "a" * 33_000}), log="l", seq=0, prev=GENESIS, at=AT)


def test_no_other_spelling_of_the_same_value_is_accepted() -> None:
    ((data, _),) = chain_of(1)
    for other in (
        data.replace(b":1,", b": 1,"),
        data.replace(b'"n":0', b'"n":0.0'),
        b" " + data,
        data + b"\n",
    ):
        with pytest.raises(EntryInvalid):
            decode(other)


@given(st.data())
def test_every_changed_byte_is_noticed_by_the_chain_or_by_its_last_hash(data: st.DataObject) -> None:
    entries = chain_of(4)
    victim = data.draw(st.integers(0, 3))
    position = data.draw(st.integers(0, len(entries[victim][0]) - 1))
    flip = data.draw(st.integers(1, 255))
    old = entries[victim][0]
    forged = old[:position] + bytes([old[position] ^ flip]) + old[position + 1 :]
    _, hashes = follow(entries, first=0, prev=b64(GENESIS), log="log")
    try:
        entries[victim] = (forged, decode(forged))
        _, found = follow(entries, first=0, prev=b64(GENESIS), log="log")
    except (EntryInvalid, ChainBroken):
        return
    assert victim == 3  # only the last has no successor that names it: the checkpoint covers it
    assert hashes[-1] != found[-1]


def test_cutting_the_tail_is_not_noticed_by_the_chain_alone() -> None:
    """A known limit: only a signed head reveals a truncated log."""
    count, _ = follow(chain_of(3)[:2], first=0, prev=b64(GENESIS), log="log")
    assert count == 2


def test_time_never_falls_along_the_chain() -> None:
    entries = chain_of(2)
    data, entry = entries[1]
    entries[1] = (data, entry._replace(at="2026-11-22T09:00:00.000000Z"))
    with pytest.raises(ChainBroken):
        follow(entries, first=0, prev=b64(GENESIS), log="log")


@given(st.binary(max_size=80))
def test_base64url_is_inverse_and_canonical(data: bytes) -> None:
    assert data == unb64(b64(data))


@given(st.datetimes(min_value=parse_time("1970-01-01T00:00:00.000000Z").replace(tzinfo=None)))
def test_times_print_and_parse_as_inverse(value: object) -> None:
    text = format_time(value.replace(tzinfo=parse_time(AT).tzinfo))  # type: ignore[attr-defined]
    assert text == format_time(parse_time(text))
