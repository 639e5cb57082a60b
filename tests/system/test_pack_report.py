"""The sections of a pack: what they say, that their numbers are those of the records, and what they never claim."""

import csv
import hashlib
import io
import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from judges import judge
from stage import Stage, stage

from classifiers.cases import Case
from gateway.oversight.classifying import confirm_class
from gateway.oversight.people import ActRefused
from gateway.oversight.registers import record
from gateway.oversight.translating import confirm_translation
from gateway.packing import Composed, PackRequest, compose
from gateway.store.evidence import LiveEvidence
from ledger import bundle
from ledger.verify import verify_pack
from reports.pack.calls import SAMPLE, Calls
from reports.pack.classes import class_page
from reports.pack.controls import Controls, catalogue
from reports.pack.duty_table import WORDS
from reports.pack.intervals import interval

pytestmark = pytest.mark.slow
RANKING = {
    "recruitment_step": "picks_or_rates_people", "profiles_persons": True,
    "our_acts": ["develops_or_commissions", "puts_into_own_service", "uses"],
}  # fmt: skip
SLOTS = {"recruitment_step": "other_step", "narrow_procedural_task": True, "materially_influences": False}
TODAY = datetime.now(UTC).date().isoformat()
ALWAYS = PackRequest(start="2020-01-01", end="2100-01-01", at="2100-01-01T00:00:00Z")


@dataclass(frozen=True)
class Made:
    on: Stage
    composed: Composed

    @property
    def files(self) -> dict[str, bytes]:
        return bundle.read(self.composed.bundle)

    @property
    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.files["entries.jsonl"].splitlines()]

    def table(self, name: str) -> Any:
        return json.loads(self.files[f"report/{name}.json"])

    def section(self, number: int) -> str:
        start = self.composed.html.index(f'<h2 id="s{number}"')
        return self.composed.html[start:].partition("</h2>")[2].partition("<h2 id=")[0]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    with stage(tmp_path_factory.mktemp("report")) as on:
        ada = on.person("ada")
        for _ in range(4):
            on.ask()
        case = Case(id="agent", facts=RANKING, answers_complete=True, at=TODAY)
        confirm_class(on.installation, ada, "agent", case, "answered with the team")
        record(
            on.installation,
            ada,
            "notice",
            "agent",
            {"notice_for": "workers", "channel": "mail", "given_on": "2026-11-02"},
            words="<b>told</b>",
        )
        record(
            on.installation, ada, "incident", "agent", {"aware_on": "2026-11-20", "harm": "death", "limited": "unknown"}
        )
        record(on.installation, ada, "document", "agent", {"document": "dpia", "duty": "art26-9-dpia"}, content=b"x")
        yield Made(on, compose(on.installation, ALWAYS))


def test_all_sections_stand_in_their_order_and_in_the_contents(made: Made) -> None:
    html = made.composed.html
    numbers = [int(number) for number in re.findall(r'<h2 id="s(\d+)"', html)]
    assert numbers == list(range(2, 22))
    assert [int(number) for number in re.findall(r'<a href="#s(\d+)"', html)] == numbers


def test_the_numbers_printed_are_those_of_the_embedded_records(made: Made) -> None:
    ended = [one for one in made.entries if one["kind"] == "call.closed"]
    refused = [one for one in made.entries if one["kind"] == "call.refused"]
    opened = [one for one in made.entries if one["kind"] == "call.opened"]
    cost = (Decimal(sum(one["facts"]["cost_nano_eur"] for one in ended)) / 10**9).quantize(
        Decimal("0.01"), ROUND_HALF_UP
    )
    summary = made.section(2)
    assert f'Calls opened</td><td class="n">{len(opened)}</td>' in summary
    assert f'Entries of refused calls</td><td class="n">{len(refused)}</td>' in summary
    assert (f">{cost}<" if cost else "&lt; 0.01<") in summary
    answered = sum(one["facts"]["result"] == "answered" for one in ended)
    assert f"{answered} of {len(ended)} that were closed (" in made.section(12)
    rows = list(csv.DictReader(io.StringIO(made.files["report/calls.csv"].decode())))
    assert [row["call"] for row in rows] == [one["call"] for one in (*ended, *refused)] or len(rows) == len(
        ended
    ) + len(refused)
    assert sum(int(row["cost_nano_eur"] or 0) for row in rows) == sum(one["facts"]["cost_nano_eur"] for one in ended)
    (system,) = [one for one in made.table("systems") if one["name"] == "agent"]
    assert system["calls"] == sum(one["workflow"] == "agent" for one in opened)
    assert system["models"] == dict(
        Counter(one["facts"]["served"]["model"] for one in ended if one["workflow"] == "agent")
    )
    kinds = Counter(one["kind"] for one in made.entries)
    for row in made.table("duties"):
        assert all(count <= kinds[kind] for kind, count in row["records"].items() if ":" not in kind), row["id"]
    by_id = {row["id"]: row for row in made.table("duties")}
    assert by_id["art12-1-logging"]["records"]["call.opened"] == kinds["call.opened"]


def test_the_files_count_as_the_entries_do_and_the_index_names_them_all(made: Made) -> None:
    ended = [one for one in made.entries if one["kind"] in ("call.closed", "call.interrupted")]
    refused = [one for one in made.entries if one["kind"] == "call.refused"]
    metrics = made.table("metrics")
    assert sum(row["calls"] for row in metrics["results"]) == len(ended) + len(refused)
    assert sum(row["calls"] for row in metrics["days"]) == len(ended) + len(refused)
    zone = ZoneInfo(made.composed.said["scope"]["zone"])
    assert [row["day"] for row in metrics["days"]] == sorted(
        {datetime.fromisoformat(one["at"]).astimezone(zone).date().isoformat() for one in (*ended, *refused)}
    )
    served = [one["facts"] for one in ended if one["facts"].get("served")]
    assert sum(row["cost_nano_eur"] for row in metrics["models"]) == sum(one["cost_nano_eur"] for one in served)
    decided = [one for one in made.entries if one["kind"] == "override.recorded"]
    told = made.table("oversight")
    assert [row["seq"] for row in (*told["approvals"], *told["overrides"])] == sorted(one["seq"] for one in decided)
    index = list(csv.DictReader(io.StringIO(made.files["report/index.csv"].decode())))
    assert [row["file"] for row in index] == sorted(
        name for name in made.files if name.startswith("report/") and name != "report/index.csv"
    )
    for row in index:
        content = made.files[row["file"]]
        assert row["sha256"] == hashlib.sha256(content).hexdigest()
        if row["file"].endswith(".json") and isinstance(value := json.loads(content), list):
            assert int(row["rows"]) == len(value)
        assert made.section(int(row["section"].partition(",")[0])), row


def test_tests_of_controls_count_their_whole_population(made: Made) -> None:
    tests = {one["id"]: one for one in made.table("tests")}
    opened = [one for one in made.entries if one["kind"] == "call.opened" and one["facts"]["environment"] == "prod"]
    assert tests["C-01"]["population"] == len(opened)
    assert tests["C-11"]["result"].startswith("not run")
    assert {one["id"] for one in made.table("queries")} == set(tests)
    assert all(f"query {one['query']}" in made.section(9) for one in tests.values())


def test_a_test_that_could_not_run_is_no_pass_and_an_exception_names_its_entries(made: Made) -> None:
    controls = Controls(None)
    assert {test.result for test in controls.tests} == {"not run: nothing to test in the period"}
    assert len(catalogue()) == len({row["id"] for row in catalogue()}) >= 10
    for entry in made.on.entries():
        controls.see(entry)
    assert "passed" in {test.result for test in controls.tests}


def test_the_duty_table_uses_the_eight_words_and_says_what_is_not_proved(made: Made) -> None:
    rows = made.table("duties")
    assert {row["status"] for row in rows} <= set(WORDS)
    by_id = {row["id"]: row for row in rows}
    assert by_id["art26-9-dpia"]["status"] == "attached only"
    assert by_id["art27-fria"]["status"] == "not evidenced by this system"
    assert by_id["art50-1-interaction"]["status"] == "not evidenced by this system"
    assert by_id["art50-2-marking"]["status"] == "not evidenced by this system"  # a log of calls is no mark
    assert by_id["art75a-6b-authority-hold"]["status"] == "not evidenced by this system"
    assert "art99-fines" not in by_id
    assert "notice.recorded:ai_contact" not in by_id["art50-1-interaction"]["records"]  # workers were told, not users
    assert by_id["art26-7-workers"]["records"]["notice.recorded:workers"] == 1
    assert by_id["art26-7-workers"]["status"] == "attested only"
    assert by_id["art50-3-emotion-biometric"]["status"] != "evidenced"
    assert by_id["art48-ce"]["status"] == "not evidenced by this system"
    assert all(row["cannot_prove"] and row["source"]["id"] != "gdpr" for row in rows)
    assert "No comparison with the Official Journal has been recorded." in made.section(6)


def test_the_classification_page_has_answers_basis_and_person(made: Made) -> None:
    page = made.section(4)
    assert "high-risk, Annex III" in page
    assert "ada (signed in with a personal token)" in page
    assert "scores, ranks, filters, hides, matches or assesses them" in page
    assert "recomputed from the answers for this page, by the same law data: the same class" in page
    assert "no electronic signature" in page
    assert made.table("classification")["agent"]["tier"] == "high_risk_annex_iii"


def test_a_class_whose_answers_newer_law_data_do_not_know_is_shown_and_not_called_recomputed(made: Made) -> None:
    (entry,) = made.on.entries("workflow.classified")
    older = entry._replace(facts={**entry.facts, "answers": {**entry.facts["answers"], "an_older_question": "so"}})
    page = class_page(older, LiveEvidence(made.on.installation))
    assert "NOT recomputed" in page.recomputed
    assert ("an_older_question", "so") in page.answers
    assert {provision for provision, _, _ in page.basis} == set(entry.facts["legal_basis"])


def test_the_view_by_annex_iv_needs_a_released_high_risk_class(made: Made) -> None:
    assert "View by Annex IV" in made.section(6)
    assert "Voluntary file" not in made.composed.html


def test_without_a_class_the_file_is_voluntary_and_no_duty_is_called_inapplicable(tmp_path: Path) -> None:
    with stage(tmp_path) as on:
        on.ask()
        composed = Made(on, compose(on.installation, ALWAYS))
        assert "Voluntary file" in composed.section(6)
        assert "View by Annex IV" not in composed.section(6)
        assert "not applicable" not in {row["status"] for row in composed.table("duties")}
        assert "has no confirmed risk class" in composed.section(2)


def test_an_exemption_prints_what_an_authority_may_do_and_a_registry_draft(tmp_path: Path) -> None:
    with stage(tmp_path) as on:
        case = Case(id="agent", facts=SLOTS, answers_complete=True, at=TODAY)
        confirm_class(on.installation, on.person("ada"), "agent", case, "looked at it")
        page = Made(on, compose(on.installation, ALWAYS)).section(4)
    assert "Art. 80(1)-(8)" in page
    assert "6 condition relied on: Art. 6(3)(a);" in page
    assert "nothing was submitted" in page


def test_the_completeness_statement_is_said_exactly(made: Made) -> None:
    said = made.composed.said
    first, last = said["range"][0], said["range"][1] - 1
    assert (
        f"From sequence {first} to {last} no record is missing, changed or reordered relative to checkpoint "
        f"{said['size']}, which was time-stamped by no outside authority at no recorded time. The ledger covers calls that "
        "passed through these routes. It cannot show calls that did not. Declared gaps: 0."
    ) in made.section(7)


def test_what_is_not_evidenced_is_never_empty_and_names_who_can_supply_it(made: Made) -> None:
    section = made.section(17)
    for words in (
        "Training data and its governance",
        "Accuracy without ground truth",
        "Registration, CE marking, declaration",
    ):
        assert words in section


def test_registers_print_words_as_text_and_the_clock_of_an_incident(made: Made) -> None:
    assert "&lt;b&gt;told&lt;/b&gt;" in made.section(11)
    assert "If the duty to report applies (section 6): report by 2026-11-30" in made.section(13)
    assert "ask first whether another law limits this duty" in made.section(13)
    assert "DPIA" not in made.section(16)
    assert "data protection impact assessment" in made.section(16)


def test_a_pack_of_a_past_period_prints_the_law_of_that_period(made: Made) -> None:
    past = Made(
        made.on,
        compose(made.on.installation, PackRequest(start="2026-04-01", end="2026-05-01", at="2100-01-01T00:00:00Z")),
    )
    assert "<td>High-risk systems of Annex III</td><td>2026-08-02</td>" in past.section(5)
    assert past.table("law-data")["day"] == "2026-04-30"
    assert "<td>High-risk systems of Annex III</td><td>2027-12-02</td>" in made.section(5)
    assert "Prohibitions (ba) and (bb)" not in past.section(5)


def test_stale_law_data_say_so_on_the_cover(made: Made) -> None:
    assert "nobody has recorded that" in made.composed.html.partition('<h2 id="s2"')[0]


def test_the_same_input_gives_the_same_bytes(made: Made) -> None:
    again = compose(made.on.installation, ALWAYS)
    assert (again.html, again.bundle) == (made.composed.html, made.composed.bundle)


def test_calls_are_chosen_as_exceptions_first_and_then_by_the_seed(made: Made) -> None:
    (closed, *_) = [one for one in made.on.entries("call.closed")]
    lines: list[str] = []
    calls = Calls("seed", lines.append)
    for number in range(1200):
        facts = dict(closed.facts) | ({"result": "failed"} if number % 100 == 7 else {})
        calls.see(
            closed._replace(call=f"call_{number}", seq=number, facts=facts)
            if hasattr(closed, "_replace")
            else replace(closed, call=f"call_{number}", seq=number, facts=facts)
        )
    rows = calls.finish()
    assert (calls.number, calls.exceptions, len(rows), len(lines)) == (1200, 12, 12 + SAMPLE, 1201)
    assert sum(bool(row["exception"]) for row in rows) == 12
    assert [row["entry"] for row in rows] == sorted(row["entry"] for row in rows)


def test_a_cell_that_a_spreadsheet_would_run_is_text() -> None:
    from reports.pack.calls import csv_line

    assert csv_line(["=1+1", "@x", "plain"]) == "'=1+1,'@x,plain\r\n"


def test_an_interval_is_that_of_clopper_and_pearson_with_no_percentage_of_a_few() -> None:
    assert interval(9, 10) == " (95 %, Clopper-Pearson: 55.5 to 99.7 %)"
    assert interval(0, 5) == " (95 %, Clopper-Pearson: 0.0 to 52.2 %)"
    assert interval(30, 30) == " (100.0 %; 95 %, Clopper-Pearson: 88.4 to 100.0 %)"
    assert interval(10, 18).startswith(" (95 %, Clopper-Pearson: 30.8 to 78.5")
    assert interval(99_990, 100_000) == " (100.0 %; 95 %, Clopper-Pearson: 100.0 to 100.0 %)"


@pytest.mark.parametrize(
    ("register", "fields", "words"),
    [
        ("gossip", {}, "registers are notice"),
        ("notice", {"notice_for": "workers"}, "still needed: channel, given_on"),
        ("notice", {"notice_for": "me", "channel": "mail", "given_on": "2026-11-01"}, "notice_for: 'me' is not one of"),
        ("notice", {"who": "x"}, "no field who"),
        ("training", {"about": "literacy", "for_role": "everybody", "held_on": "1.1.2026"}, "is no day"),
        (
            "training",
            {"about": "literacy", "for_role": "everybody", "held_on": "2026-01-01", "people": "-1"},
            "is no number of people",
        ),
        ("training", {"about": "literacy", "for_role": "everybody", "held_on": "2099-01-01"}, "lies ahead"),
        ("incident", {"aware_on": "9999-12-31", "harm": "death", "limited": "no"}, "lies ahead"),
        (
            "training",
            {"about": "literacy", "for_role": "everybody", "held_on": "2026-01-01", "people": "1_000"},
            "is no number",
        ),
        ("attestation", {"duty": "art999"}, "is not one of art4-literacy"),
        ("document", {"document": "dpia"}, "give the file with --file"),
    ],
)
def test_what_a_register_does_not_take_is_named(made: Made, register: str, fields: dict[str, str], words: str) -> None:
    with pytest.raises(ActRefused, match=re.escape(words)):
        record(made.on.installation, made.on.person("ada"), register, "agent", fields)


def test_an_incident_goes_on_and_closes_under_its_own_id(made: Made) -> None:
    on, ada = made.on, made.on.person("ada")
    incident = record(
        on.installation, ada, "incident", "agent", {"aware_on": "2026-11-20", "harm": "not_serious", "limited": "no"}
    )
    record(on.installation, ada, "incident", "agent", {"state": "closed"}, incident=incident, words="mended")
    assert [one.kind for one in on.entries("incident.opened", "incident.closed")][-2:] == [
        "incident.opened",
        "incident.closed",
    ]
    assert on.entries("incident.closed")[-1].facts["incident_ref"] == incident
    record(on.installation, ada, "incident", "agent", {"reported_on": "2026-11-22"}, incident=incident)
    told = Made(on, compose(on.installation, ALWAYS)).section(13)
    assert "reported on 2026-11-22, as stated" in told
    assert told.count("no report is on record in the period") == 1  # of the other incident
    with pytest.raises(ActRefused, match="there is no incident inc_no"):
        record(on.installation, ada, "incident", "agent", {"state": "closed"}, incident="inc_no")
    with pytest.raises(ActRefused, match="this needs the role"):
        record(
            on.installation,
            on.person("victor"),
            "incident",
            "agent",
            {"aware_on": "2026-11-20", "harm": "death", "limited": "no"},
        )


def test_a_pack_of_a_later_period_knows_the_class_of_before_and_an_earlier_one_does_not(tmp_path: Path) -> None:
    with stage(tmp_path) as on:
        case = Case(id="agent", facts=RANKING, answers_complete=True, at=TODAY)
        confirm_class(on.installation, on.person("ada"), "agent", case, "looked at it")
        on.ask()
        later = Made(
            on,
            compose(
                on.installation,
                PackRequest(start=on.entries("call.opened")[0].at, end="2100-01-01", at="2100-01-01T00:00:00Z"),
            ),
        )
        assert "high-risk, Annex III" in later.section(4)
        assert any(
            json.loads(json.loads(line)["entry"])["kind"] == "workflow.classified"
            for line in later.files["context.jsonl"].splitlines()
        )
        earlier = Made(
            on, compose(on.installation, PackRequest(start="2020-01-01", end="2021-01-01", at="2100-01-01T00:00:00Z"))
        )
    assert "No workflow is registered." in earlier.section(3)
    assert "nothing whose completeness could be stated" in earlier.section(7)
    assert "0 to -1" not in earlier.composed.html


def test_declared_and_answered_roles_that_differ_and_debatable_classes_are_findings(made: Made) -> None:
    assert "declared as deployer, deployer and provider by the answers of section 4" in made.section(2)


def test_a_day_that_no_calendar_can_add_to_breaks_no_pack() -> None:
    from reports.registers import report_by

    assert report_by({"aware_on": "9999-12-31", "harm": "death", "limited": "no"}, "2026-11-28")[0] == "9999-12-31"


def test_a_brief_has_two_pages_and_the_same_file_inside(made: Made, tmp_path: Path) -> None:
    from gateway.packing import sealed
    from reports.pack.pdf import require_renderer

    require_renderer()
    composed = compose(made.on.installation, replace(ALWAYS, brief=True))
    assert composed.bundle == compose(made.on.installation, ALWAYS).bundle
    pdf = tmp_path / "brief.pdf"
    pdf.write_bytes(sealed(made.on.installation, composed).pdf)
    said = subprocess.run([judge("pdfinfo"), str(pdf)], capture_output=True, text=True, check=True).stdout
    assert re.search(r"Pages: +[12]$", said, re.MULTILINE)
    text = " ".join(
        subprocess.run([judge("pdftotext"), str(pdf), "-"], capture_output=True, text=True, check=True).stdout.split()
    )
    assert "no statement of conformity" in text
    assert "high-risk, Annex III" in text
    assert not verify_pack(pdf.read_bytes(), vkeys=[made.on.installation.signer.vkey]).failed


def test_a_translation_is_unreviewed_until_a_person_confirms_that_very_file(made: Made) -> None:
    data = b'language: de\ntexts:\n  "Organisation": "Unternehmen"\n  "Summary": "Zusammenfassung"\n'
    page = compose(made.on.installation, replace(ALWAYS, translation=data)).html
    assert "<dt>Unternehmen</dt>" in page
    assert "Zusammenfassung</a>" in page
    assert '<html lang="de">' in page
    assert "Translation (de), unreviewed: nobody has confirmed it." in page
    assert "Translation (" not in compose(made.on.installation, ALWAYS).html
    with pytest.raises(ActRefused, match="needs the role compliance or admin"):
        confirm_translation(made.on.installation, made.on.person("victor"), data, "read")
    confirm_translation(made.on.installation, made.on.person("ada"), data, "read")
    assert "Translation (de), confirmed by ada" in compose(made.on.installation, replace(ALWAYS, translation=data)).html
    other = compose(made.on.installation, replace(ALWAYS, translation=data + b"\n", brief=True)).html
    assert "unreviewed" in other
    with pytest.raises(ActRefused, match="this translation cannot be used"):
        compose(made.on.installation, replace(ALWAYS, translation=b"language: [de"))
