"""Outcomes: taken once, corrected by appending, late ones restate; and what an outcome cost, recomputed from entries."""

import base64
import csv
import hashlib
import hmac
import io
import json
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import pytest
from stage import Stage, stage

from gateway.economics.reading import Period, every_outcome, outcomes_of
from gateway.economics.recording import Result, Sender, record
from gateway.oversight import acts
from gateway.oversight.people import ActRefused
from gateway.store.rebuild import replay
from gateway.web.api import explain
from ledger.entry import format_time

pytestmark = pytest.mark.slow
DEFINED = """
outcomes:
  ticket_resolved:
    workflows: [agent, quiet]
    value: 4.5
    tool_cost: 0.01
    human_minutes: 3
    human_hour: 40
    target: 0.5
  shipped: {workflows: [quiet], window_days: 1}
outcome_sources:
  helpdesk: {secret: "env:HELPDESK_SECRET"}
"""
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
OTHER = 10_000_000 + 2_000_000_000
"""Of an attempt, by the definition: EUR 0.01 for tools and three minutes at EUR 40 an hour."""
ALWAYS = Period(date(2020, 1, 1), date(2100, 1, 1), "Europe/Berlin")


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("outcomes") / "home", max_calls=100_000) as opened:
        opened.installation.settings.environment["HELPDESK_SECRET"] = SECRET  # type: ignore[index]
        text = opened.installation.vault.text(acts.active_configuration(opened.installation)[1]) or ""
        acts.activate(opened.installation, opened.person("ada"), text + DEFINED, "outcomes")
        yield opened


def called(on: Stage, *tasks: str) -> None:
    before = len(on.entries("call.closed"))
    for task in tasks:
        on.ask(task=task)
    on.settled("call.closed", before + len(tasks))


def sent(on: Stage, task: str, status: str = "success", **more: Any) -> Result:
    body = {"task": task, "type": "ticket_resolved", "status": status} | more
    return record(on.installation, Sender("api", on.person("ada")), [body])[0]


def ago(**much: float) -> str:
    return format_time(datetime.now(UTC) - timedelta(**much))


def berlin_day(instant: str) -> date:
    return datetime.fromisoformat(instant).astimezone(ZoneInfo("Europe/Berlin")).date()


def test_an_outcome_is_an_entry_of_its_task_without_the_name_of_it(on: Stage) -> None:
    called(on, "ticket:a")
    made = sent(on, "ticket:a")
    (entry,) = [one for one in on.entries("outcome.recorded") if one.id == made.entry]
    assert entry.task == on.installation.vault.pseudonym("task", "ticket:a")
    assert entry.facts["value_nano_eur"] == 4_500_000_000
    assert entry.facts["other_nano_eur"] == OTHER
    assert "ticket:a" not in json.dumps(dict(entry.facts))
    assert entry.act == on.person("ada").pseudonym


def test_the_same_again_changes_nothing_and_a_key_holds_for_one_content(on: Stage) -> None:
    called(on, "ticket:b")
    first = sent(on, "ticket:b", idempotency_key="msg-1")
    before = len(on.entries("outcome.recorded"))
    assert sent(on, "ticket:b", idempotency_key="msg-1") == replace(first, repeated=True)
    assert sent(on, "ticket:b") == replace(first, repeated=True)
    other = sent(on, "ticket:b", "failure", idempotency_key="msg-1")
    assert other.conflict
    assert "brought another outcome" in other.refused
    assert len(on.entries("outcome.recorded")) == before


def test_a_contradiction_is_refused_and_a_correction_appends(on: Stage) -> None:
    called(on, "ticket:c")
    first = sent(on, "ticket:c", occurred_at=ago(hours=2))
    against = sent(on, "ticket:c", "failure", occurred_at=ago(hours=3))
    assert against.conflict
    assert str(first.entry) in against.refused
    corrected = sent(on, "ticket:c", "failure", corrects=first.entry, occurred_at=ago(hours=3))
    assert corrected.entry
    stale = sent(on, "ticket:c", "partial", corrects=first.entry)
    assert "the outcome that counts is" in stale.refused
    later = sent(on, "ticket:c", occurred_at=ago(hours=1))
    assert later.entry not in (None, first.entry)
    assert (
        len([one for one in on.entries("outcome.recorded") if one.id in (first.entry, corrected.entry, later.entry)])
        == 3
    )


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"occurred_at": "2100-01-01T00:00:00Z"}, "has not come yet"),
        ({"occurred_at": "yesterday"}, "is no instant"),
        ({"occurred_at": "2026-11-01T00:00:00"}, "is no instant with an offset"),
        ({"type": "nosuch"}, "there are ticket_resolved, shipped"),
        ({"status": "won"}, "status"),
        ({"value": -1}, "value"),
        ({"value": "much"}, "value"),
        ({"value": "1_000"}, "value"),
        ({"value": False}, "value"),
        ({"value": []}, "value"),
        ({"human_minutes": {}}, "human_minutes"),
        ({"colour": "red"}, "colour"),
        ({"task": ""}, "task"),
        ({"task": "a\x00b"}, "task"),
        ({"corrects": "ent_nothing"}, "there is no outcome"),
    ],
)
def test_what_is_wrong_is_refused_by_its_name(on: Stage, more: dict[str, Any], why: str) -> None:
    before = len(on.entries())
    body = {"task": "ticket:wrong", "type": "ticket_resolved", "status": "success"} | more
    (result,) = record(on.installation, Sender("api", on.person("ada")), [body])
    assert why in result.refused
    assert len(on.entries()) == before


@pytest.mark.parametrize("blank", [None, ""])
def test_a_member_that_is_null_or_an_empty_cell_is_not_there(on: Stage, blank: str | None) -> None:
    names = ("value", "human_minutes", "occurred_at", "idempotency_key", "corrects")
    made = sent(on, f"ticket:blank{blank is None}", "success", **dict.fromkeys(names, blank))
    (entry,) = [one for one in on.entries("outcome.recorded") if one.id == made.entry]
    assert (entry.facts["value_nano_eur"], entry.facts["other_nano_eur"]) == (4_500_000_000, OTHER)


@pytest.mark.parametrize("zero", [0, "0", 0.0])
def test_a_zero_is_zero_and_not_what_is_usual(on: Stage, zero: object) -> None:
    made = sent(on, f"ticket:zero{zero!r}", value=zero, human_minutes=zero)
    (entry,) = [one for one in on.entries("outcome.recorded") if one.id == made.entry]
    assert (entry.facts["value_nano_eur"], entry.facts["other_nano_eur"]) == (0, 10_000_000)


def test_the_command_line_records_and_imports(on: Stage, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from gateway.cli import app

    def run(*words: str) -> Any:
        return CliRunner().invoke(app, ["--home", str(on.settings.home), "outcome", *words, "--as", "ada"])

    made = run("record", "ticket:cli", "--type", "ticket_resolved", "--status", "success")
    assert (made.exit_code, made.output.startswith("ent_")) == (0, True), made.output
    assert "(was on record)" in run("record", "ticket:cli", "--type", "ticket_resolved", "--status", "success").output
    table = tmp_path / "outcomes.csv"
    table.write_text("task,type,status,value\nticket:cli1,ticket_resolved,success,\nticket:cli2,ticket_resolved,won,\n")
    imported = run("import", str(table))
    assert imported.exit_code == 1
    assert "1 recorded, 0 were on record, 1 refused" in imported.output


def test_one_bad_outcome_of_many_is_named_and_the_others_are_taken(on: Stage) -> None:
    called(on, "ticket:d1", "ticket:d2")
    bodies = [{"task": f"ticket:d{n}", "type": "ticket_resolved", "status": "success"} for n in (1, 2)]
    results = record(on.installation, Sender("api", on.person("ada")), [bodies[0], 5, bodies[1], bodies[0]])
    assert [bool(one.refused) for one in results] == [False, True, False, False]
    assert results[3] == replace(results[0], repeated=True)


def test_who_may_not_record_does_not(on: Stage) -> None:
    body = {"task": "ticket:x", "type": "ticket_resolved", "status": "success"}
    with pytest.raises(ActRefused, match="needs the role"):
        record(on.installation, Sender("api", on.person("victor")), [body])


def test_over_http_one_many_lines_and_a_table_with_a_key_of_the_workflow_or_a_person(on: Stage) -> None:
    called(on, *(f"ticket:h{n}" for n in range(6)))
    one = {"type": "ticket_resolved", "status": "success"}
    with httpx2.Client(base_url=on.url, timeout=20) as client:

        def post(body: str, kind: str = "application/json", key: str = on.keys["agent"]) -> httpx2.Response:
            headers = {"authorization": f"Bearer {key}", "content-type": kind}
            return client.post("/api/v1/outcomes", content=body, headers=headers)

        single = post(json.dumps({"task": "ticket:h0"} | one))
        assert (single.status_code, single.json()["repeated"]) == (201, False)
        assert post(json.dumps({"task": "ticket:h0"} | one)).json() == single.json() | {"repeated": True}
        assert (
            post(
                json.dumps({"task": "ticket:h0"} | one | {"status": "failure", "occurred_at": ago(days=1)})
            ).status_code
            == 409
        )
        lines = "\n".join(json.dumps({"task": f"ticket:h{n}"} | one) for n in (1, 2))
        assert post(lines, "application/x-ndjson").json() == {"recorded": 2, "repeated": 0, "refused": []}
        table = "task,type,status,value\r\nticket:h3,ticket_resolved,success,\r\nticket:h4,ticket_resolved,failure,1.25\r\nticket:h5,ticket_resolved,won,\r\n"
        answer = post(table, "text/csv", on.tokens["ada"]).json()
        assert (answer["recorded"], [row["line"] for row in answer["refused"]]) == (2, [4])
        assert post(json.dumps({"task": "x", "type": "shipped", "status": "success"})).status_code == 400
        assert post(json.dumps(one), key="wl_prod_nobody").status_code == 401
        assert post(json.dumps(one | {"task": "x"}), key=on.tokens["victor"]).status_code == 403
        lines = json.dumps({"task": "ticket:h1"} | one) + "\n\nnot json\nnull\n[1]\n"
        answer = post(lines, "application/x-ndjson").json()
        assert (answer["repeated"], [row["line"] for row in answer["refused"]]) == (1, [3, 4, 5])
        wide = "task,type,status\r\nticket:h1,ticket_resolved,success,more\r\nticket:h2,ticket_resolved,success\r\n"
        answer = post(wide, "text/csv", on.tokens["ada"]).json()
        assert (answer["repeated"], [row["line"] for row in answer["refused"]]) == (1, [2])
        assert post("task,task,type,status\r\na,b,c,d\r\n", "text/csv").status_code == 400
        for broken in ("{", "[", "\xff"):
            assert post(broken).status_code == 400


def test_a_webhook_is_taken_when_its_source_signed_it_just_now_and_once(on: Stage) -> None:
    called(on, "ticket:w")
    body = json.dumps({"task": "ticket:w", "type": "ticket_resolved", "status": "success"}).encode()

    def signed(
        moment: float, secret: bytes = b"0123456789abcdef0123456789abcdef", what: bytes = body
    ) -> dict[str, str]:
        stamp = str(int(moment))
        mac = hmac.new(secret, b"msg_1." + stamp.encode() + b"." + what, hashlib.sha256).digest()
        return {
            "webhook-id": "msg_1",
            "webhook-timestamp": stamp,
            "webhook-signature": "v1," + base64.b64encode(mac).decode(),
        }

    with httpx2.Client(base_url=on.url, timeout=20) as client:

        def post(headers: dict[str, str], source: str = "helpdesk", content: bytes = body) -> httpx2.Response:
            return client.post(f"/api/v1/outcomes/webhook/{source}", content=content, headers=headers)

        now = time.time()
        assert post(signed(now)).status_code == 201
        assert post(signed(now + 1)).json()["repeated"] is True
        for headers in (signed(now, b"another"), signed(now - 400), signed(now + 400), signed(now, what=b"{}"), {}):
            assert post(headers).status_code == 401
        assert post(signed(now), content=body + b" ").status_code == 401
        assert post(signed(now), "nosuch").status_code == 404
    assert on.entries("outcome.recorded")[-1].facts["source"] == "helpdesk"


def test_what_an_outcome_cost_is_the_cost_of_all_attempts_over_the_successes(on: Stage) -> None:
    """Recomputed from the entries alone."""
    called(on, "ticket:cost", "ticket:cost-in-vain")
    sent(on, "ticket:cost")
    sent(on, "ticket:cost-in-vain", "failure")
    llm: Counter[Any] = Counter()
    began: dict[Any, date] = {}
    outcomes: dict[Any, Any] = {}
    for entry in on.entries():
        if entry.kind == "call.closed" and entry.task:
            llm[entry.task] += entry.facts["cost_nano_eur"]
            began.setdefault(entry.task, berlin_day(entry.at))
        elif entry.kind == "outcome.recorded" and entry.facts["type"] == "ticket_resolved":
            outcomes[entry.task] = entry.facts
    counts = {
        task: facts
        for task, facts in outcomes.items()
        if task in llm and berlin_day(facts["occurred_at"]) >= began[task]  # "an hour ago" may be the day before
    }
    costs = [llm[task] + facts["other_nano_eur"] for task, facts in counts.items()]
    reached = sum(facts["status"] == "success" for facts in counts.values())
    configuration, _ = acts.active_configuration(on.installation)
    found = outcomes_of(on.installation.reader, "ticket_resolved", configuration.outcomes["ticket_resolved"], ALWAYS)
    assert (found.attempts, found.successes) == (len(costs), reached)
    assert (found.cost, found.llm + found.other) == (sum(costs), sum(costs))
    assert found.per_success == sum(costs) / reached
    assert found.median == statistics.median(costs)
    assert found.value == sum(facts["value_nano_eur"] for facts in counts.values())
    assert found.target == 500_000_000


def test_outcomes_without_calls_or_long_after_them_are_left_out_and_counted(on: Stage) -> None:
    record(
        on.installation,
        Sender("api", on.person("ada")),
        [{"task": "ticket:none", "type": "shipped", "status": "success"}],
    )
    before = len(on.entries("call.closed"))
    on.ask(key="quiet", task="ticket:q")
    on.settled("call.closed", before + 1)
    early = {"task": "ticket:q", "type": "shipped", "status": "success", "occurred_at": ago(days=3)}
    record(on.installation, Sender("api", on.person("ada")), [early])
    configuration, _ = acts.active_configuration(on.installation)
    found = outcomes_of(on.installation.reader, "shipped", configuration.outcomes["shipped"], ALWAYS)
    assert (found.attempts, found.outside) == (0, 2)
    assert found.per_success is None
    assert found.interval.low is None


def test_why_tells_what_became_of_the_task(on: Stage) -> None:
    called(on, "ticket:why")
    made = sent(on, "ticket:why", "partial")
    sent(on, "ticket:why", "success", corrects=made.entry)
    answer = explain(on.installation, "ticket:why")
    told = [one.text for one in answer.narrative if "recorded the outcome" in one.text]
    assert len(told) == 2
    assert "ticket_resolved: success" in told[1]
    assert f"in place of {made.entry}" in told[1]
    assert "recorded the outcome" in answer.questions[10].answer
    assert answer.integrity.failures == ()


def test_the_rows_follow_from_the_entries(on: Stage) -> None:
    state, _ = replay(on.installation.reader)
    for prefix in ("outcome", "done:"):
        assert {row: value for row, value in state.items() if row.startswith(prefix)} == on.installation.reader.states(
            prefix
        )


def test_two_senders_at_once_record_an_outcome_once(on: Stage) -> None:
    from concurrent.futures import ThreadPoolExecutor

    tasks = [f"ticket:race{n}" for n in range(20)]
    bodies = [{"task": task, "type": "ticket_resolved", "status": "success"} for task in tasks]
    before = len(on.entries("outcome.recorded"))
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: record(on.installation, Sender("api", on.person("ada")), bodies), range(4)))
    assert len(on.entries("outcome.recorded")) == before + len(tasks)
    assert len({tuple(one.entry for one in result) for result in results}) == 1


def test_costs_by_outcome_are_those_of_the_outcomes_in_every_form(on: Stage) -> None:
    called(on, "ticket:by")
    sent(on, "ticket:by")
    configuration, _ = acts.active_configuration(on.installation)
    every = every_outcome(on.installation.reader, configuration, ALWAYS, None)
    one = every["ticket_resolved"]
    assert one.attempts > 0
    headers = {"authorization": f"Bearer {on.tokens['ada']}"}
    query = {"by": "outcome", "from": "2020-01-01", "to": "2100-01-01"}
    found = httpx2.get(f"{on.url}/api/v1/costs", params=query, headers=headers).json()["outcomes"]
    row = next(row for row in found if row["outcome"] == "ticket_resolved")
    assert (row["attempts"], row["cost_nano_eur"]) == (one.attempts, one.cost)
    assert row["calls_nano_eur"] + row["evaluation_nano_eur"] + row["tools_and_people_nano_eur"] == one.cost
    text = httpx2.get(f"{on.url}/api/v1/costs", params=query | {"format": "csv"}, headers=headers).text
    (line,) = [line for line in csv.DictReader(io.StringIO(text)) if line["outcome"] == "ticket_resolved"]
    assert int(line["cost_nano_eur"]) == one.cost
    assert Decimal(line["cost_eur"]) * 10**9 == one.cost
    refused = httpx2.get(f"{on.url}/api/v1/costs", params=query | {"by": "outcome,day"}, headers=headers)
    assert refused.status_code == 400
    assert "stands alone" in refused.json()["detail"]
    assert every_outcome(on.installation.reader, configuration, ALWAYS, frozenset({"nothing of it"})) == {}
