"""The classifier against labelled cases, a second implementation, brute force, and the laws that no rule may break."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from classifiers.facts import UNDETERMINED, UNKNOWN, Answer, Fact, FactsInvalid
from classifiers.law.records import data, law_on, vocabulary
from classifiers.risk import Classification, classify, possible

VECTORS = Path(__file__).parent / "vectors"
TODAY = "2026-11-28"
RANK = law_on(TODAY).severity.index


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (VECTORS / name).read_text("utf-8").splitlines()]


CASES = lines("cases.jsonl")


def plain(result: Classification) -> dict[str, Any]:
    return {
        "tier": result.tier,
        "tier_range": list(result.tier_range),
        "overlays": list(result.overlays),
        "legal_basis": list(result.legal_basis),
        "applies_from": dict(result.applies_from),
        "in_effect": list(result.in_effect),
        "debatable": result.debatable,
        "conservative_tier": result.conservative_tier,
        "ask": list(result.ask),
        "readings": [
            {
                "tier": one.tier,
                "overlays": list(one.overlays),
                "in_effect": list(one.in_effect),
                "rules": list(one.rules),
            }
            for one in result.readings
        ],
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_labelled_case_comes_out_as_labelled(case: dict[str, Any]) -> None:
    found = plain(classify(case["facts"], complete=case["answers_complete"], at=case["at"]))
    assert {name: found[name] for name in case["expected"]} == case["expected"]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_silence_is_never_read_as_an_answer(case: dict[str, Any]) -> None:
    """The same answers with nobody answering for the rest: settled only by what was said, and never harmless."""
    result = classify(case["facts"], complete=False, at=case["at"])
    low, high = map(RANK, result.tier_range)
    stated = case["expected"].get("tier_range", [case["expected"]["tier"]] * 2)
    assert low <= RANK(stated[0])
    assert high >= RANK(stated[1])
    assert (result.tier == UNDETERMINED) == (low < high)
    assert result.tier not in ("minimal", "transparency", "annex_iii_exempt_art6_3")
    assert not set(result.ask) & {name for name, value in case["facts"].items() if value != UNKNOWN}


@pytest.mark.parametrize("row", lines("second_implementation.jsonl"), ids=lambda row: row["expected"]["tier"])
def test_another_implementation_written_from_the_contract_alone_says_the_same(row: dict[str, Any]) -> None:
    found = plain(classify(row["facts"], complete=True, at=row["at"]))
    found["readings"] = [[one["tier"], one["overlays"], one["in_effect"]] for one in found["readings"]]
    expected = row["expected"]
    for name in ("readings", "overlays", "legal_basis", "in_effect", "ask"):
        if name in expected:
            expected[name], found[name] = sorted(expected[name]), sorted(found[name])
    assert {name: found[name] for name in expected} == expected


def answers(fact: Fact) -> st.SearchStrategy[Any]:
    told = {
        "yes_no": st.booleans(),
        "one_of": st.sampled_from(sorted(fact.values) or [""]),
        "set_of": st.lists(st.sampled_from(sorted(fact.values) or [""]), max_size=3, unique=True),
        "date": st.sampled_from([None, "2024-05-01", "2026-07-31", "2026-09-01", "2027-12-02", "2028-02-01"]),
    }[fact.type]
    return st.one_of(told, st.just(UNKNOWN)) if fact.group != "role" else told


FACTS = st.lists(st.sampled_from(sorted(vocabulary())), max_size=8, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: answers(vocabulary()[name]) for name in names})
)
DAYS = st.sampled_from(["2025-01-01", "2026-07-26", TODAY, "2026-12-02", "2027-12-02", "2031-01-01"])


def written(answer: Answer) -> Any:
    return sorted(answer) if isinstance(answer, frozenset) else answer


@pytest.mark.slow
@settings(max_examples=60)
@given(FACTS, DAYS)
def test_what_is_open_is_worked_out_as_by_trying_every_answer(facts: dict[str, Any], at: str) -> None:
    law = law_on(at)
    unknown = [name for name, value in facts.items() if value == UNKNOWN]
    worlds = [possible(law.facts[name], law) for name in unknown]
    assume(len(list(itertools.islice(itertools.product(*worlds), 400))) < 400)
    result = classify(facts, complete=True, at=at)
    tried = {
        chosen: classify(facts | dict(zip(unknown, map(written, chosen), strict=True)), complete=True, at=at)  # type: ignore[arg-type]
        for chosen in itertools.product(*worlds)
    }
    tiers = sorted((one.tier for one in tried.values()), key=RANK)
    assert result.tier_range == (tiers[0], tiers[-1])
    for name in ("overlays", "in_effect"):
        assert set(getattr(result, name)) == set.intersection(*(set(getattr(one, name)) for one in tried.values()))
    deciding = {
        name
        for at_, name in enumerate(unknown)
        for one, other in itertools.combinations(tried, 2)
        if all((a == b) == (place != at_) for place, (a, b) in enumerate(zip(one, other, strict=True)))
        and (tried[one].tier, tried[one].overlays, tried[one].in_effect)
        != (tried[other].tier, tried[other].overlays, tried[other].in_effect)
    }
    assert set(result.ask) == deciding


@settings(max_examples=100)
@given(FACTS, DAYS)
@example({"recruitment_step": "other_step", "narrow_procedural_task": True, "materially_influences": False}, TODAY)
def test_profiling_closes_the_exemption(facts: dict[str, Any], at: str) -> None:
    result = classify(facts | {"profiles_persons": True}, complete=True, at=at)
    assert "annex_iii_exempt_art6_3" not in (result.tier, *result.tier_range)


@settings(max_examples=100)
@given(FACTS, DAYS, st.sampled_from(["human_decides_last", "charges_money", "evident_art_or_satire"]))
def test_a_human_who_decides_last_a_price_or_satire_changes_nothing(facts: dict[str, Any], at: str, name: str) -> None:
    one, other = (plain(classify(facts | {name: value}, complete=True, at=at)) for value in (True, False))
    assert one == other


@settings(max_examples=100)
@given(FACTS)
def test_a_prohibited_practice_stays_prohibited_whatever_else_is_said(facts: dict[str, Any]) -> None:
    scope = {name: vocabulary()[name].assumed for name in vocabulary() if vocabulary()[name].group in ("scope", "role")}
    said = facts | {name: written(answer) for name, answer in scope.items()} | {"face_database": "untargeted_scraping"}
    assert classify(said, complete=True, at=TODAY).tier == "prohibited"


@pytest.mark.slow
@settings(max_examples=60)
@given(FACTS, DAYS, st.sampled_from(sorted(vocabulary())))
def test_more_knowledge_never_widens_what_is_possible(facts: dict[str, Any], at: str, name: str) -> None:
    law = law_on(at)
    wide = classify(facts | {name: UNKNOWN}, complete=True, at=at)
    for answer in possible(law.facts[name], law):
        narrow = classify(facts | {name: written(answer)}, complete=True, at=at)  # type: ignore[arg-type]
        assert RANK(wide.tier_range[0]) <= RANK(narrow.tier_range[0])
        assert RANK(narrow.tier_range[1]) <= RANK(wide.tier_range[1])
        assert set(narrow.ask) <= set(wide.ask)


def test_nothing_answered_is_undetermined_and_asks() -> None:
    result = classify({}, complete=False, at=TODAY)
    assert (result.tier, result.tier_range) == (UNDETERMINED, ("out_of_scope", "prohibited"))
    assert "technique" in result.ask
    assert not {"human_decides_last", "charges_money"} & set(result.ask)


def test_the_trace_names_question_answer_role_and_sentence() -> None:
    result = classify({"recruitment_step": "picks_or_rates_people"}, complete=True, at=TODAY)
    met = [step for step in result.trace if step.effect == "met"]
    assert [(step.fact, step.value, step.provision) for step in met][0] == (
        "recruitment_step", "picks_or_rates_people", "Annex III 4(a)",
    )  # fmt: skip
    for step in result.trace:
        assert step.question and step.role and step.provision and step.sentence and step.source


def test_a_met_point_is_traced_for_every_provision_of_the_basis() -> None:
    for case in CASES:
        result = classify(case["facts"], complete=True, at=case["at"])
        met = {step.provision for step in result.trace if step.effect == "met"}
        assert set(result.legal_basis) <= met, case["id"]


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"prohibited": True}, "not in the vocabulary: prohibited"),
        ({"technique": "magic"}, "technique: 'magic' is no answer; write one of language_model"),
        ({"our_acts": ["uses", "sells"]}, "our_acts: sells is not one of"),
        ({"our_acts": "uses"}, "write a list of"),
        ({"profiles_persons": "yes"}, "write true or false, or unknown"),
        ({"profiles_persons": 1}, "write true or false, or unknown"),
        ({"first_supplied": "2026-02-30"}, "write a day like"),
        ({"first_supplied": 20260801}, "write a day like"),
    ],
)
def test_an_answer_outside_the_vocabulary_is_named(facts: dict[str, Any], words: str) -> None:
    with pytest.raises(FactsInvalid, match=words.replace("(", r"\(")):
        classify(facts, complete=True, at=TODAY)


def test_a_day_before_the_law_is_refused() -> None:
    with pytest.raises(FactsInvalid, match="begin on 2024-08-01"):
        classify({}, complete=True, at="2024-07-31")


def test_without_draft_guidance_the_words_of_the_law_alone_decide() -> None:
    chain = {"recruitment_step": "other_step", "narrow_procedural_task": True, "materially_influences": False}
    chain |= {"part_of_decision_chain": True}
    assert classify(chain, complete=True, at=TODAY).tier == "high_risk_annex_iii"
    assert classify(chain, complete=True, at=TODAY, draft=False).tier == "annex_iii_exempt_art6_3"
    accident = {"insurance_step": "risk_or_price", "insurance_line": "accident"}
    assert classify(accident, complete=True, at=TODAY).debatable
    alone = classify(accident, complete=True, at=TODAY, draft=False)
    assert (alone.tier, alone.debatable) == ("minimal", False)


def test_every_fact_matters_somewhere_but_those_that_are_only_recorded() -> None:
    def named(condition: Any) -> set[str]:
        if isinstance(condition, dict):
            return set(condition) | set().union(*map(named, condition.values()), set())
        return set().union(*map(named, condition), set()) if isinstance(condition, tuple | list) else set()

    rules, debates = data()[0]["rules"], data()[0]["debates"]["debates"]
    starts = {row["fact"] for rows in rules["binds"].values() for row in rows if "fact" in row}
    used = named(rules) | starts | set().union(*(named(one["when"]) for one in debates))
    recorded = {name for name, fact in vocabulary().items() if fact.group == "recorded"}
    assert set(vocabulary()) - used == recorded
