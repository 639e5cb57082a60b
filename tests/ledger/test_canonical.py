"""The canonical form is RFC 8785's, judged by vectors and by an implementation we did not write."""

import json
import re
import struct
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.canonical import canonicalize, parse
from ledger.errors import CanonicalError

JCS = Path(__file__).parents[3] / "shared" / "vectors" / "jcs"

text = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner) | st.dictionaries(text, inner),
    max_leaves=20,
)  # fmt: skip

# RFC 8785 appendix B: the double's bits, and its text
NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}


@pytest.mark.parametrize(("bits", "expected"), NUMBERS.items())
def test_numbers_are_written_as_in_appendix_b_of_the_rfc(bits: str, expected: str) -> None:
    (value,) = struct.unpack(">d", bytes.fromhex(bits))
    assert expected == canonicalize(value).decode()


def test_members_sort_by_utf16_code_units_as_in_section_3_2_3() -> None:
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    written = json.loads(
        canonicalize(dict.fromkeys(names, 0)), object_pairs_hook=lambda pairs: [name for name, _ in pairs]
    )
    assert written == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]  # fmt: skip


@settings(max_examples=500)
@given(values)
def test_every_value_has_the_bytes_that_rfc8785_gives(value: object) -> None:
    assert rfc8785.dumps(value) == canonicalize(value)


@given(values)
def test_parsing_is_the_inverse_of_writing(value: object) -> None:
    text = canonicalize(value)
    # A double of 2**53 and more is written like an integer; read back as one it is outside the domain.
    assert json.loads(text) == parse(text)
    if not re.search(rb"\d{16}", text):
        assert text == canonicalize(parse(text))


@pytest.mark.parametrize(
    "value",
    [2**53, -(2**53), float("nan"), float("inf"), "\ud800", {"\udfff": 1}, {1: 2}, b"bytes", {"a": Ellipsis}],
    ids=repr,
)
def test_what_has_no_canonical_form_is_refused_with_our_own_error(value: object) -> None:
    with pytest.raises(CanonicalError):
        canonicalize(value)


@pytest.mark.parametrize("text", [b'{"a":1,"a":2}', b"[NaN]", b"[Infinity]", b"\xff", b"{", b"[" * 100_000])
def test_strict_parsing_refuses_doubles_nan_and_malformed_text(text: bytes) -> None:
    with pytest.raises(CanonicalError):
        parse(text)


@pytest.mark.skipif(
    not JCS.exists(), reason="the published JCS files are others' data, not copied here, and not beside this checkout"
)
def test_the_published_jcs_files_pass() -> None:
    inputs = sorted((JCS / "input").glob("*.json"))
    assert inputs
    for path in inputs:
        expected = (JCS / "output" / path.name).read_bytes()
        assert expected == canonicalize(json.loads(path.read_text("utf-8"))), path.name
