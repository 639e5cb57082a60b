"""Every part of a bundle has one spelling: printing and parsing are inverse, and nothing else parses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import bundle
from ledger.errors import BundleInvalid, CanonicalError

hashes = st.lists(st.binary(min_size=32, max_size=32), max_size=5).map(tuple)
numbers = st.integers(0, 10**12)
files = st.fixed_dictionaries({name: st.binary(max_size=40) for name in bundle.ORDER if name not in bundle.OPTIONAL})


@given(numbers, numbers, numbers, hashes, hashes)
def test_a_range_prints_and_parses_as_inverse(
    low: int, high: int, size: int, left: tuple[bytes, ...], right: tuple[bytes, ...]
) -> None:
    value = bundle.Range(low, high, size, left, right)
    assert bundle.Range.parse(value.text()) == value


@given(numbers, numbers, hashes)
def test_a_consistency_proof_prints_and_parses_as_inverse(old: int, size: int, proof: tuple[bytes, ...]) -> None:
    assert bundle.parse_consistency(bundle.consistency_text(old, size, proof)) == (old, size, proof)


@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"])), hashes), max_size=3))
def test_context_prints_and_parses_as_inverse(items: list[tuple[str, tuple[bytes, ...]]]) -> None:
    made = tuple(bundle.Context(text.encode(), path) for text, path in items)
    assert bundle.parse_context(b"".join(one.line() for one in made)) == made


@given(files, st.none() | st.binary(max_size=20))
def test_an_archive_is_written_and_read_as_inverse(contents: dict[str, bytes], extra: bytes | None) -> None:
    if extra is not None:
        contents["consistency"] = extra
    assert bundle.read(bundle.write(contents)) == contents


@given(st.binary(max_size=200))
def test_no_other_bytes_are_taken_and_no_other_error_comes_out(data: bytes) -> None:
    for parse in (bundle.read, bundle.Range.parse, bundle.parse_consistency):
        with pytest.raises(BundleInvalid):
            parse(data)
    try:
        found = bundle.parse_context(data)
    except (BundleInvalid, CanonicalError):
        return
    assert b"".join(one.line() for one in found) == data


@pytest.mark.parametrize("change", [{"more": b""}, {"range": None}])
def test_a_missing_or_unknown_file_is_refused(change: dict[str, bytes | None]) -> None:
    contents = {name: b"" for name in bundle.ORDER} | change
    with pytest.raises(BundleInvalid):
        bundle.write({name: data for name, data in contents.items() if data is not None})
