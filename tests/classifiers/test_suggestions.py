"""Words propose questions: the right one nearly always, few false ones, and never an answer."""

import json
from pathlib import Path
from typing import Any

import pytest

from classifiers.facts import UNKNOWN
from classifiers.law.records import vocabulary
from classifiers.suggestions import suggest

VECTORS = Path(__file__).parent / "vectors"
HIGH = ("prohibited", "high_risk_annex_i", "high_risk_annex_i_section_b", "high_risk_annex_iii")
NOT_ASKED = ("scope", "role", "time", "who", "content", "model", "exemption", "recorded")


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (VECTORS / name).read_text("utf-8").splitlines()]


def told(facts: dict[str, Any]) -> set[str]:
    """The facts of a case that are not as assumed, of the groups that words speak of."""
    return {
        name for name, value in facts.items()
        if vocabulary()[name].group not in NOT_ASKED and value not in (vocabulary()[name].assumed, UNKNOWN)
    }  # fmt: skip


def test_descriptions_of_high_risk_and_prohibited_cases_get_the_right_question() -> None:
    cases = [case for case in lines("cases.jsonl") if case["expected"]["tier"] in HIGH]
    right = [case for case in cases if told(case["facts"]) & {one.fact for one in suggest(case["description"])}]
    assert len(cases) == 47
    assert len(right) / len(cases) >= 0.95


def test_descriptions_of_minimal_cases_get_few_false_questions() -> None:
    cases = [case for case in lines("cases.jsonl") if case["expected"]["tier"] == "minimal"]
    false = [one.fact for case in cases for one in suggest(case["description"]) if one.fact not in told(case["facts"])]
    assert len(cases) >= 14
    assert len(false) / len(cases) <= 1.5


def test_descriptions_that_were_written_without_the_word_list_fare_as_well() -> None:
    rows = lines("descriptions.jsonl")
    high = [row for row in rows if row["kind"] == "high"]
    low = [row for row in rows if row["kind"] == "minimal"]
    assert (len(high), len(low)) == (75, 45)
    right = [row for row in high if row["facts"][0] in {one.fact for one in suggest(row["description"])}]
    false = [one for row in low for one in suggest(row["description"]) if one.fact not in row["facts"]]
    assert len(right) / len(high) >= 0.95
    assert len(false) / len(low) <= 1.5


def test_a_suggestion_names_the_words_of_the_text_and_no_number() -> None:
    (one,) = [row for row in suggest("The Bot RANKS job Applicants for us.") if row.fact == "recruitment_step"]
    assert one.words[0] == "Applicants"
    assert one.question == vocabulary()["recruitment_step"].question
    assert set(vars_of(one)) == {"fact", "question", "words"}


def vars_of(one: Any) -> list[str]:
    return [name for name in one.__slots__ if not name.startswith("_")]


def test_only_questions_of_the_vocabulary_are_proposed_and_a_dull_text_gets_none() -> None:
    from classifiers.suggestions import _patterns

    assert set(_patterns()) <= set(vocabulary())
    assert suggest("It turns CSV files into JSON files.") == ()


@pytest.mark.parametrize("text", ["", "\n", "x" * 200_000, "recruit " * 20_000])
def test_any_text_is_read(text: str) -> None:
    suggest(text)
