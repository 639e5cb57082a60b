"""The law data hold together: sources, intervals, names; and nothing of the law stands in code."""

import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from classifiers.facts import FactsInvalid
from classifiers.law.duties import due_for_recheck, duties_on, unprintable
from classifiers.law.records import data, law_on, stale_line, vocabulary

ROOT = Path(__file__).parents[2]
SAID = data()[0]
DAYS = ("2024-08-01", "2026-07-26", "2026-07-27", "2026-11-28", "2028-01-01")


def rows(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        yield value
        for one in value.values():
            yield from rows(one)
    elif isinstance(value, tuple):
        for one in value:
            yield from rows(one)


def test_every_sentence_names_a_source_that_is_listed() -> None:
    known = SAID["sources"]["sources"]
    cited = [row for row in rows(SAID) if set(row) == {"id", "locus"}]
    assert len(cited) > 200
    assert not [row for row in cited if row["id"] not in known or not row["locus"]]
    for point in SAID["rules"]["points"]:
        assert all(version["text"] and version["source"] for version in point["versions"])
    for debate in SAID["debates"]["debates"]:
        assert debate["sources"] and debate["label"] and debate["second"]


def test_every_source_says_how_and_when_it_was_read() -> None:
    for name, source in SAID["sources"]["sources"].items():
        assert source["how"] in ("copy", "draft", "secondary", "memory"), name
        assert (source["read_on"] is None) == (source["how"] == "memory"), name
        assert source["compared_with_eurlex"] is None or source["how"] == "copy", name


def test_what_only_memory_vouches_for_is_never_printed() -> None:
    memory = {name for name, source in SAID["sources"]["sources"].items() if source["how"] == "memory"}
    assert unprintable()
    for day in DAYS:
        law = law_on(day)
        assert not [point.id for point in law.points.values() if point.source.id in memory]
        assert not [one.id for one in law.debates if memory & {source.id for source in one.sources}]
        assert not [duty.id for duty in duties_on(day) if duty.source.id in memory]
    assert not [name for name, fact in vocabulary().items() if "memory" in fact.source or "2017/745" in fact.source]


def test_versions_follow_one_another_without_gap_or_overlap() -> None:
    found = 0
    for row in rows(SAID):
        for versions in (one for one in row.values() if isinstance(one, tuple) and one and _versioned(one[0])):
            found += 1
            for earlier, later in zip(versions, versions[1:], strict=False):
                assert date.fromisoformat(earlier["until"]) + timedelta(days=1) == date.fromisoformat(later["from"])
            assert versions[-1]["until"] is None
    assert found > 100


def _versioned(value: Any) -> bool:
    return isinstance(value, Mapping) and {"from", "until"} <= set(value)


def test_conditions_use_only_facts_values_terms_groups_and_starts_that_exist() -> None:
    rules, facts = SAID["rules"], vocabulary()

    def look(condition: Mapping[str, Any]) -> None:
        for key, wanted in condition.items():
            if key in ("all", "any"):
                for one in wanted:
                    look(one)
            elif key == "not":
                look(wanted)
            elif key == "is":
                assert wanted in rules["terms"]
            elif key == "met":
                assert wanted in rules["groups"]
            elif key == "layer":
                assert wanted == "draft"
            elif key.startswith("@"):
                assert key in rules["switches"]
            else:
                _fits(facts[key], wanted)

    conditions = [row["when"] for row in rows(SAID["rules"]) if "when" in row]
    conditions += [row["when"] for row in SAID["debates"]["debates"]]
    assert len(conditions) > 90
    for one in conditions:
        look(one)
    for debate in SAID["debates"]["debates"]:
        for name, value in debate["treat"].items():
            if not name.startswith("@") and not isinstance(value, Mapping):
                _fits(facts[name], value)


def _fits(fact: Any, wanted: Any) -> None:
    if isinstance(wanted, Mapping):
        assert fact.type == "date" and set(wanted) <= {"before", "from"}
        assert set(wanted.values()) <= set(SAID["dates"]["starts"])
        return
    for value in wanted if isinstance(wanted, tuple) else (wanted,):
        if fact.type == "set_of":
            assert value in fact.values, (fact.name, value)
        else:
            fact.read(value)


def test_every_class_and_overlay_has_words_and_a_rank() -> None:
    rules = SAID["rules"]
    tiers = {row["tier"] for row in rules["tiers"]}
    overlays = {point["overlay"] for point in rules["points"] if "overlay" in point}
    assert tiers == set(rules["severity"])
    assert tiers | overlays | {"undetermined"} == set(rules["words"])


@pytest.mark.parametrize("path", sorted((ROOT / "classifiers").rglob("*.py")), ids=lambda path: path.name)
def test_no_date_tier_or_article_stands_in_code(path: Path) -> None:
    code = re.sub(r'"""(?s:.*?)"""', "", path.read_text("utf-8"))
    assert not re.findall(
        r"\b20[23]\d-\d\d-\d\d\b(?! *is before)", code.replace("2026-08-02, or null", "").replace('2026-11-28"', '"')
    )
    assert not re.findall(r"\b(Art\.|Annex|Article) ?[0-9IVX]", code)
    names = {*SAID["rules"]["severity"], *SAID["rules"]["words"]} - {"undetermined"}
    assert not [name for name in names if re.search(rf"\b{name}\b", code)]


def test_a_past_day_has_the_text_and_the_dates_of_that_day() -> None:
    before, after = law_on("2026-07-26"), law_on("2026-07-27")
    assert (before.starts["annex_iii"], after.starts["annex_iii"]) == ("2026-08-02", "2027-12-02")
    assert "intimate_material" not in before.points
    assert "intimate_material" in after.points
    literacy = [
        next(duty for duty in duties_on(day) if duty.id == "art4-literacy") for day in ("2026-07-26", "2026-07-27")
    ]
    assert literacy[0].obligation.startswith("Ensure")
    assert literacy[1].obligation.startswith("Take measures")


def test_a_duty_says_whether_it_binds_and_what_is_disputed() -> None:
    duties = {duty.id: duty for duty in duties_on("2026-11-28")}
    assert duties["art12-1-logging"].status("2026-11-28") == "adopted_not_applicable"
    assert duties["art12-1-logging"].status("2027-12-02") == "in_force"
    assert duties["art50-1-interaction"].status("2026-11-28") == "in_force"
    assert duties["art49-registration"].status("2026-11-28") == "disputed"


def test_after_its_day_the_data_say_that_they_are_stale() -> None:
    day = SAID["dates"]["recheck_by"]
    assert stale_line(day) is None
    later = (date.fromisoformat(day) + timedelta(days=1)).isoformat()
    assert "nobody has recorded" in str(stale_line(later))
    assert due_for_recheck(later)[0].what == "all law data"
    assert {"disputed", "a draft: look for the final text"} <= {one.why for one in due_for_recheck(day)}


def test_a_law_of_no_day_is_refused() -> None:
    with pytest.raises(FactsInvalid):
        law_on("1999-01-01")


def test_no_sentence_says_what_must_never_be_said() -> None:
    never = (
        r"\bcompliant\b", r"\bcertified\b", r"audit-proof", r"court-proof", r"human in the loop", r"registration .* abolished",
        r"no obligations", r"qualified", r"requires tamper", r"applies to every deployer", r"presumption of conformity",
    )  # fmt: skip
    for path in (ROOT / "classifiers").rglob("*.yaml"):
        text = path.read_text("utf-8").lower()
        assert not [words for words in never if re.search(words, text)], path.name
