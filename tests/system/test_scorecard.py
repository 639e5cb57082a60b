"""The scorecard: each figure is recomputed here from the entries, with 0, 1 and 29 calls; one page; nothing invented."""

import csv
import html
import io
import math
import re
import statistics
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from judges import judge
from stage import Stage, stage

from gateway.economics.reading import Period
from gateway.economics.recording import Sender, record
from gateway.economics.scorecard import scorecard
from gateway.oversight import access, acts
from gateway.oversight.registers import record as put
from reports.scorecard.card import Card, Line, headline, interval_said, money

pytestmark = pytest.mark.slow
DEFINED = "outcomes: {resolved: {workflows: [agent], human_minutes: 2, human_hour: 40, target: 1.5, tool_cost: 0.01}}\n"
OTHER = 10_000_000 + 1_333_333_333
ALWAYS = Period(date(2020, 1, 1), date(2100, 1, 1), "Europe/Berlin")
NUMBERS = (0, 1, 29)


@pytest.fixture(scope="module", params=NUMBERS)
def on(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Some calls, each task of two, every fourth of them failed; all outcomes but the last task's."""
    number = request.param
    with stage(tmp_path_factory.mktemp(f"card{number}") / "home") as opened:
        text = opened.installation.vault.text(acts.active_configuration(opened.installation)[1]) or ""
        acts.activate(opened.installation, opened.person("ada"), text + DEFINED, "outcomes")
        for at in range(number):
            opened.ask(task=f"ticket:{at // 2}", text="x" * at)
        opened.settled("call.closed", number)
        bodies = [
            {"task": f"ticket:{at}", "type": "resolved", "status": "failure" if at % 4 == 3 else "success"}
            for at in range(number // 2 + number % 2)
        ]
        record(opened.installation, Sender("api", opened.person("ada")), bodies)
        if number > 1:
            call = str(opened.entries("call.closed")[0].call)
            for action, code in (("reverse", "R07"), ("approve", None)):
                acts.override(
                    opened.installation, opened.person("ada"), call, action=action, reason_code=code, reason="seen",
                    presented="x", before=None, after=None,
                )  # fmt: skip
        yield opened


def card_of(on: Stage, workflow: str | None = None) -> Card:
    configuration, _ = acts.active_configuration(on.installation)
    return scorecard(on.installation, configuration, ALWAYS, workflow)


def lines_of(card: Card) -> dict[str, Line]:
    return {one.id: one for one in card.lines}


def test_every_figure_is_that_of_the_entries(on: Stage) -> None:
    ended = on.entries("call.closed", "call.interrupted")
    cost: Counter[Any] = Counter()
    for entry in ended:
        cost[entry.task] += entry.facts["cost_nano_eur"]
    outcomes = {one.task: one.facts for one in on.entries("outcome.recorded")}
    costs = [cost[task] + OTHER for task in outcomes]
    reached = sum(one["status"] == "success" for one in outcomes.values())
    lines = lines_of(card_of(on))
    per = lines["cost-per-resolved"]
    assert per.value == (sum(costs) / reached if reached else None)
    assert (per.numerator, per.denominator) == (sum(costs), reached)
    if costs:
        assert f"median {money(statistics.median(costs))}" in per.note
    share = lines["success-resolved"]
    assert (share.numerator, share.denominator) == (reached, len(outcomes))
    assert lines["spend"].value == sum(cost.values())
    loose = sum(one.facts["cost_nano_eur"] for one in ended if one.task is None)
    assert (lines["unattributed"].numerator, lines["unattributed"].denominator) == (loose, sum(cost.values()))
    errors = [
        one for one in ended if one.facts.get("result") not in ("answered", "client_gone", "stopped", "cancelled")
    ]
    assert (lines["errors"].numerator, lines["errors"].denominator) == (len(errors), len(ended))
    acted = Counter(one.facts["action"] for one in on.entries("override.recorded"))
    assert lines["oversight"].value == sum(count for action, count in acted.items() if action != "approve")
    assert f"{acted['approve']} approved" in lines["oversight"].note


def test_intervals_are_wilson_s_and_few_cases_show_counts(on: Stage) -> None:
    for one in card_of(on).lines:
        if one.unit != "share" or one.id in ("unattributed", "evaluation"):
            continue
        count, of = one.numerator, one.denominator
        assert count is not None
        assert of is not None
        if of == 0:
            assert (one.value, one.low, headline(one)) == (None, None, "no case")
            continue
        z, p = 1.959963984540054, count / of
        half = z / (1 + z * z / of) * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
        middle = (p + z * z / (2 * of)) / (1 + z * z / of)
        assert one.low == pytest.approx(max(0, middle - half), abs=1e-12)
        assert one.high == pytest.approx(min(1, middle + half), abs=1e-12)
        assert headline(one) == f"{count} of {of}" if of < 30 else headline(one).endswith("%")


def test_missing_is_not_zero_and_few_successes_say_so(on: Stage) -> None:
    per = lines_of(card_of(on))["cost-per-resolved"]
    if per.denominator == 0:
        assert (per.value, headline(per)) == (None, "not known")
    if (per.denominator or 0) < 5:
        assert interval_said(per).startswith("no interval: ")
    assert per.before is None
    assert per.change == "too few to tell"
    assert any(one.startswith("Quality of answers: nothing was scored") for one in card_of(on).not_measured)


def test_a_workflow_alone_and_one_without_outcomes(on: Stage) -> None:
    assert lines_of(card_of(on, "agent"))["spend"].value == lines_of(card_of(on))["spend"].value
    quiet = card_of(on, "quiet")
    assert lines_of(quiet)["spend"].value == 0
    assert "cost-per-resolved" not in lines_of(quiet)
    assert any("none is defined for this" in one for one in quiet.not_measured)


def test_json_csv_and_one_a4_say_the_same(on: Stage, tmp_path: Path) -> None:
    with httpx2.Client(base_url=on.url, timeout=60, headers={"authorization": f"Bearer {on.tokens['ada']}"}) as client:
        query = {"from": "2020-01-01", "to": "2100-01-01"}
        told = client.get("/api/v1/scorecard", params=query).json()
        table = client.get("/api/v1/scorecard", params=query | {"format": "csv"}).text
        page = client.get("/api/v1/scorecard", params={"format": "pdf"})
        assert page.headers["content-type"] == "application/pdf"
        assert client.get("/api/v1/scorecard", params={"workflow": "nosuch"}).status_code == 404
        assert client.get("/api/v1/scorecard", params={"from": "soon"}).status_code == 400
        assert client.get("/scorecard?from=soon").status_code == 400
        assert client.get("/scorecard?from=0001-01-01&to=0001-01-02").status_code == 400
        assert client.get("/api/v1/scorecard?from=0001-01-01&to=9999-12-31").status_code == 400
    rows = {row["id"]: row for row in csv.DictReader(io.StringIO(table))}
    for line in told["lines"]:
        assert rows[line["id"]]["numerator"] == ("" if line["numerator"] is None else str(line["numerator"]))
    (tmp_path / "card.pdf").write_bytes(page.content)
    said = subprocess.run(
        [judge("pdftotext"), "-layout", "card.pdf", "-"], cwd=tmp_path, capture_output=True, text=True
    ).stdout
    assert said.count("\f") == 1
    assert "Cost per resolved" in said
    assert "Not measured" in said


def test_incidents_are_counted_where_and_while_they_are_open(tmp_path: Path) -> None:
    with stage(tmp_path / "home") as on:
        ada, installation = on.person("ada"), on.installation
        access.grant(installation, ada, "ada", "compliance")
        fields = _fields("incident")
        made = put(installation, ada, "incident", "agent", fields)
        assert lines_of(card_of(on))["incidents"].value == 1
        assert lines_of(card_of(on, "quiet"))["incidents"].value == 0
        assert any("incidents open: 1" in one for one in card_of(on, "agent").decisions)
        put(installation, ada, "incident", "agent", {"state": "closed"}, incident=made)
        assert "0 open now" in lines_of(card_of(on))["incidents"].note


def _fields(register: str) -> dict[str, str]:
    from reports.registers import registers

    row = registers()[register]
    today = datetime.now(UTC).date().isoformat()
    return {
        name: today if row["fields"][name] == "day" else next(iter(row["fields"][name])) for name in row["required"]
    }


def test_what_needs_a_decision_is_named_with_its_owner(tmp_path: Path) -> None:
    with stage(tmp_path / "home") as on:
        on.ask(key="fresh-dev", model="model-a")
        on.settled("call.closed")
        assert any(
            "fresh made calls and is not released as it is (owner: test)" in one for one in card_of(on).decisions
        )


def test_every_count_of_calls_on_the_page_leads_to_just_those_calls(on: Stage) -> None:
    with httpx2.Client(base_url=on.url, cookies={"whyledger_token": on.tokens["ada"]}) as reader:
        page = reader.get("/scorecard", params={"from": "2020-01-01", "to": "2100-01-01"}).text
        links = re.findall(r'<a href="(/calls\?[^"]+)">(\d+)</a>', page)
        assert bool(links) == bool(on.entries("call.closed"))
        for address, number in links:
            listed = reader.get(html.unescape(address)).text
            assert listed.count('<a class="id" href="/why/call_') == int(number), address
        recent = reader.get("/scorecard").text  # by day too
        for address, number in re.findall(r'<a href="(/calls\?[^"]+from=[^"]+)">(\d+)</a>', recent):
            assert reader.get(html.unescape(address)).text.count('<a class="id" href="/why/call_') == int(number), (
                address
            )
