"""Terms of a list in a text: where they stand, whatever stands between their words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.terms import Terms

LIST = Terms("customers", ["Weiß & Söhne", "Anna Weiß", "Anna", "", "Ostwind"])


def found(text: str) -> list[str]:
    return [text[one.start : one.end] for one in LIST.find(text)]


def test_terms_are_found_in_any_case_and_across_what_stands_between_their_words() -> None:
    assert found("Write to ANNA WEISS, Anna-Weiß, anna\n weiß and Weiß &amp; Söhne of OSTWIND.") == [
        "ANNA WEISS", "Anna-Weiß", "anna\n weiß", "OSTWIND",
    ]  # fmt: skip
    assert found("weiss und Soehne, Weiß & Söhne, Annas, Ostwinde, Annabel, Anna") == ["Weiß & Söhne", "Anna"]
    assert found("Anna and, far away from her, Weiß") == ["Anna"]


def test_a_term_that_any_text_has_is_refused_with_its_line() -> None:
    with pytest.raises(ValueError, match="line 2 of customers has fewer than 3"):
        Terms("customers", ["Ostwind", "AG"])
    assert Terms("none", ["", "  "]).find("anything") == []


@given(st.text(max_size=30), st.sampled_from(["Ostwind", "anna weiß"]), st.text(max_size=30))
def test_a_term_between_other_words_is_found_where_it_stands(before: str, term: str, after: str) -> None:
    text = f"{before} {term} {after}"
    assert (
        any(one.start <= len(before) + 1 and one.end >= len(before) + 1 + len(term) for one in LIST.find(text))
        or "weiß" in (before + after).casefold()
    )
