"""`whyledger classify` and `whyledger law check`, as a compliance officer's shell sees them."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import app

SUPPORT = {
    "id": "support",
    "facts": {"contact": "direct", "output_kinds": ["new_text"]},
    "answers_complete": True,
    "at": "2026-11-28",
}


def run(tmp_path: Path, text: str, *options: str) -> Result:
    file = tmp_path / "cases.json"
    file.write_text(text, "utf-8")
    return CliRunner().invoke(app, ["classify", str(file), *options])


def printed(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("array", [True, False])
def test_an_array_and_lines_give_one_line_each_in_order(tmp_path: Path, array: bool) -> None:
    cases = [SUPPORT, SUPPORT | {"id": "later", "at": "2026-05-01"}]
    text = json.dumps(cases, indent=1) if array else "\n\n".join(map(json.dumps, cases))
    result = run(tmp_path, text, "--json")
    assert result.exit_code == 0, result.output
    first, second = printed(result)
    assert (first["id"], first["tier"], first["in_effect"]) == ("support", "transparency", ["art50_1", "art50_2"])
    assert (second["id"], second["at"], second["in_effect"]) == ("later", "2026-05-01", [])
    assert {"tier_range", "legal_basis", "trace", "readings", "conservative_tier", "ask"} <= set(first)
    assert len(first["law"]["digest"]) == 43
    assert "not reviewed by counsel" in first["note"]
    assert "not reviewed by counsel" in result.stderr


def test_without_a_person_who_answers_for_it_silence_is_unknown(tmp_path: Path) -> None:
    case = {name: SUPPORT[name] for name in ("id", "facts", "at")}
    result = run(tmp_path, json.dumps([SUPPORT, case]), "--json")
    assert result.exit_code == 3
    assert [row["tier"] for row in printed(result)] == ["transparency", "undetermined"]
    assert "technique" in printed(result)[1]["ask"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "neither a JSON array nor JSON Lines"),
        ("[1]", "case 1 is no object"),
        ("", "there is no case in it"),
        ("[]", "there is no case in it"),
        ("[" * 100_000, "neither a JSON array nor JSON Lines"),
        ('[{"id": ' + "9" * 5000 + "}]", "neither a JSON array nor JSON Lines"),
        ('[{"id": "a", "facts": []}]', "case a: facts is no object"),
        ('[{"id": "a", "answers_complete": "yes"}]', "case a: answers_complete is true or false"),
        ('[{"id": "a", "at": "28.11.2026"}]', "case a: at: '28.11.2026' is no day"),
        ('[{"id": "a", "at": "2020-01-01"}]', "case a: the law data begin on"),
        ('[{"id": "a", "facts": {"high_risk": true}}]', "case a: not in the vocabulary: high_risk"),
        ('[{"id": "a", "facts": {"technique": "x", "technique": "y"}}]', "given twice: technique"),
    ],
)
def test_input_that_cannot_be_used_is_named_and_nothing_is_classified(tmp_path: Path, text: str, words: str) -> None:
    result = run(tmp_path, text.replace("[{", "[" + json.dumps(SUPPORT) + ", {"), "--json")
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stdout == ""


def test_the_description_never_changes_the_result(tmp_path: Path) -> None:
    worded = SUPPORT | {"description": "prohibited social scoring, CV ranking, high-risk"}
    one, other = printed(run(tmp_path, json.dumps([SUPPORT, worded]), "--json"))
    assert one == other


def test_members_that_are_not_read_are_named(tmp_path: Path) -> None:
    result = run(tmp_path, json.dumps([SUPPORT | {"answer_complete": False}]), "--json")
    assert "were not read: answer_complete" in result.stderr


def test_plain_words_name_the_day_the_dates_and_the_sources(tmp_path: Path) -> None:
    result = run(tmp_path, json.dumps([SUPPORT, {"id": "open", "at": "2026-11-28"}]))
    assert "support: transparency duties (transparency), asked for 2026-11-28" in result.stdout
    assert "tell people that it is AI: binds since 2026-08-02" in result.stdout
    assert "[Regulation (EU) 2024/1689, Art. 50(2)]" in result.stdout
    assert "between: outside the Regulation and prohibited practice" in result.stdout
    assert "still to ask: How does the most capable step of the workflow produce its output?" in result.stdout
    assert "No comparison with the Official Journal has been recorded." in result.stderr


def test_law_check_lists_what_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.cli.classify.today", lambda: "2026-11-28")
    fresh = CliRunner().invoke(app, ["law", "check"])
    assert fresh.exit_code == 0
    assert "a draft: look for the final text" in fresh.stdout
    assert "From when must exempt systems be registered?" in fresh.stdout
    monkeypatch.setattr("gateway.cli.classify.today", lambda: "2027-01-01")
    stale = CliRunner().invoke(app, ["law", "check"])
    assert stale.exit_code == 1
    assert "all law data" in stale.stdout
    assert "nobody has recorded that" in stale.stderr


def test_a_name_cannot_forge_a_line_and_a_line_ends_only_at_a_line_feed(tmp_path: Path) -> None:
    case = SUPPORT | {"id": "a\n FORGED: minimal\x1b[2J", "description": "one\u2028line\u0085here"}
    result = run(tmp_path, json.dumps(case, ensure_ascii=False))
    assert result.exit_code == 0, result.output
    assert "\n FORGED" not in result.stdout
    assert "\x1b" not in result.stdout
