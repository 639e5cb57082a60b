"""Incidents on the running gateway: rules open them, people go on with them, and holds keep what belongs to them."""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from asking import ask
from stage import Stage, stage
from test_lists import told, typed
from test_tools import obedient

from gateway.alerting.incidents import CURSOR, IncidentWatch, _after, _Of
from gateway.configuration.incidents import IncidentRule
from gateway.oversight import holds as holding
from gateway.oversight.holds import Scope, lift, place
from gateway.oversight.people import ActRefused
from gateway.oversight.registers import record
from gateway.store.rebuild import rebuild_projections
from ledger.entry import Entry

pytestmark = pytest.mark.slow
RULES = """
policies:
  keys: {when: {credentials: true}, effect: deny}
  tried: {when: {data: false}, effect: deny, shadow: true}
incidents:
  leaks: {policies: [keys, tried], at_least: 2, within_minutes: 30, severity: 2}
  wild-tools: {results: refused_answer, severity: 3, freeze: false, workflows: agent}
"""
KEY = "DB_PASSWORD=Fl4UHQ1wOKrzst"


@pytest.fixture
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("incidents") / "home") as opened:
        opened.put_into_force(opened.text() + RULES)
        look(opened)
        yield opened


def look(on: Stage) -> None:
    """Wait until all that is on record now was read; the gateway's own watch reads too."""
    reader, deadline = on.installation.reader, time.monotonic() + 30
    size = reader.head().size
    while (reader.state(CURSOR) or {"next": 0})["next"] < size and time.monotonic() < deadline:
        IncidentWatch(on.installation).look(on.gateway._filled_ports().rules.now.configuration)
    assert reader.state(CURSOR)["next"] >= size


def opened_ones(on: Stage) -> list[Entry]:
    look(on)
    return on.entries("incident.opened")


def test_an_incident_opens_when_something_happens_so_often_and_names_the_calls(on: Stage) -> None:
    ask(on, text="nothing in here")
    assert ask(on, text=f"It says {KEY}").status == 403
    assert opened_ones(on) == [], "once is not twice, and a policy in shadow has no effect"
    assert ask(on, text=f"It says {KEY} again", key="quiet").status == 403
    assert opened_ones(on) == [], "workflows are counted apart"
    assert ask(on, text=f"Again it says {KEY}").status == 403
    (incident,) = opened_ones(on)
    refused = [one.call for one in on.entries("call.refused") if one.workflow == "agent"]
    assert (incident.facts["rule"], incident.facts["severity"], incident.workflow) == ("leaks", "2", "agent")
    assert incident.facts["named"] == refused and incident.facts["harm"] == "unknown" and incident.act is None
    (hold,) = on.entries("hold.placed")
    assert hold.facts["incident_ref"] == incident.facts["incident_ref"] and hold.workflow == "agent"
    ask(on, text=f"And more of {KEY}")
    assert len(opened_ones(on)) == 1 and on.entries("incident.updated") == [], "one that goes on is not told of at once"
    look(on)
    assert KEY not in json.dumps([dict(one.facts) for one in on.entries("incident.opened", "hold.placed")])


def test_a_rule_of_results_freezes_nothing_where_it_is_not_to(on: Stage) -> None:
    on.upstream.answer = obedient("chat", "wipe", {"a": 1}, False)
    assert ask(on).status == 403
    (incident,) = opened_ones(on)
    assert incident.facts["rule"] == "wild-tools" and on.entries("hold.placed") == []
    assert incident.facts["named"] == [on.entries("call.closed")[-1].call]


def test_what_was_on_record_before_a_rule_is_history_and_a_rebuild_keeps_holds(on: Stage) -> None:
    hold = place(on.installation, on.person("ada"), Scope(task="ticket-1", first="2026-01-01"), "litigation", "a claim")
    before = on.installation.reader.states("hold:")
    rebuild_projections(on.installation)
    assert on.installation.reader.states("hold:") == before and f"hold:{hold}" in before
    assert "ticket-1" not in json.dumps(before)


def test_people_go_on_with_an_incident_and_its_clock_follows_what_was_stated_last(on: Stage) -> None:
    for text in ("a", "b"):
        ask(on, text=f"{text}: {KEY}")
    name = opened_ones(on)[0].facts["incident_ref"]
    listed = told(on, "incident", "list")["incidents"]
    assert [(one["incident"], one["state"], one["severity"], one["held"]) for one in listed] == [
        (name, "open", "2", True)
    ]
    assert "nobody has stated the harm" in typed(on, "incident", "show", name)
    fields = {"harm": "death", "aware_on": "2026-11-20", "limited": "no", "severity": "1"}
    record(on.installation, on.person("ada"), "incident", "agent", fields, words="a person was hurt", incident=name)
    answer = httpx2.get(f"{on.url}/api/v1/incidents/{name}", headers={"authorization": f"Bearer {on.tokens['ada']}"})
    found = answer.json()
    assert (found["severity"], found["report_by"], found["state"]) == ("1", "2026-11-30", "open"), (
        "ten days for a death"
    )
    assert [one["who"] for one in found["timeline"]] == ["a rule", "a rule", "ada"]
    assert "a person was hurt" in found["timeline"][-1]["words"]
    assert httpx2.get(f"{on.url}/api/v1/incidents", headers={"authorization": "Bearer no"}).status_code == 401


def test_the_page_takes_what_people_say_and_a_hold_is_lifted_by_name_only(on: Stage) -> None:
    for text in ("a", "b"):
        ask(on, text=f"{text}: {KEY}")
    name = opened_ones(on)[0].facts["incident_ref"]
    hold = on.entries("hold.placed")[0].facts["hold_ref"]
    with httpx2.Client(
        base_url=on.url, follow_redirects=True, cookies={"whyledger_token": on.tokens["ada"]}
    ) as browser:
        page = browser.get(f"/incidents/{name}").text
        csrf = re.findall(r'name="csrf" value="([^"]+)"', page)[0]
        assert hold in page and "None is open" not in page
        refused = browser.post(f"/incidents/{name}", data={"csrf": csrf, "act": "lift", "hold": hold, "words": " "})
        assert refused.status_code == 400 and "words that say why" in refused.text
        said = {"csrf": csrf, "act": "update", "harm": "not_serious", "severity": "4", "words": "a test of ours"}
        assert "a test of ours" in browser.post(f"/incidents/{name}", data=said).text
        assert "lifted the hold" in browser.post(f"/incidents/{name}", data={"csrf": csrf, "act": "lift", "hold": hold, "words": "over"}).text  # fmt: skip
        closed = browser.post(f"/incidents/{name}", data={"csrf": csrf, "act": "close", "words": "done"}).text
        assert "Closed incident" in closed and "None is open" in browser.get("/incidents").text
    (lifted,) = on.entries("hold.lifted")
    assert lifted.act == on.person("ada").pseudonym and on.installation.reader.states("hold:") == {}
    ask(on, text=f"c: {KEY}")
    ask(on, text=f"d: {KEY}")
    assert len(opened_ones(on)) == 2, "a closed one does not take what comes later"


@pytest.mark.parametrize(
    ("scope", "more", "said"),
    [
        (Scope(), {}, "name what is held"),
        (Scope(everything=True, workflow="agent"), {}, "not both"),
        (Scope(workflow="nobody"), {}, "not registered"),
        (Scope(subject="nobody"), {}, "nothing is on record about"),
        (Scope(first="2026-02-30"), {}, "no day"),
        (Scope(first="2026-03-01", last="2026-02-01"), {}, "before it begins"),
        (Scope(everything=True), {"reason": "because"}, "the reason is incident"),
        (Scope(everything=True), {"words": " "}, "words that say why"),
        (Scope(everything=True), {"incident": "inc_none"}, "no incident"),
        (
            Scope(everything=True),
            {"reason": "authority_order", "order": {"authority": "A"}},
            "reference, basis is missing",
        ),
    ],
)
def test_a_hold_that_says_too_little_is_refused(on: Stage, scope: Scope, more: dict[str, Any], said: str) -> None:
    given: dict[str, Any] = {"reason": "litigation", "words": "a claim"} | more
    with pytest.raises(ActRefused, match=said):
        place(on.installation, on.person("ada"), scope, given.pop("reason"), given.pop("words"), **given)
    assert on.entries("hold.placed") == []


def test_an_order_names_its_authority_and_only_some_may_place_or_lift(on: Stage) -> None:
    order = {"authority": "Market authority", "reference": "4711/26", "basis": "Art. 75a(6)(b)"}
    with pytest.raises(ActRefused, match="needs the role"):
        place(on.installation, on.person("victor"), Scope(everything=True), "litigation", "a claim")
    hold = place(on.installation, on.person("ada"), Scope(workflow="agent"), "authority_order", "asked by letter", order=order, ends="2027-06-30")  # fmt: skip
    (placed,) = on.entries("hold.placed")
    assert set(placed.c) == {"words", "authority", "reference", "basis"} and placed.facts["ends"] == "2027-06-30"
    assert "4711/26" not in json.dumps(dict(placed.facts))
    why = typed(on, "why", hold)
    assert "asked by letter" in why and "4711/26" in why and "Art. 75a(6)(b)" in why, "who asks may know why"
    assert hold in typed(on, "hold", "list") and holding.holds(on.installation)[hold]["workflow"] == "agent"
    with pytest.raises(ActRefused, match="needs the role"):
        lift(on.installation, on.person("victor"), hold, "no")
    lift(on.installation, on.person("ada"), hold, "withdrawn")
    with pytest.raises(ActRefused, match="there is no hold"):
        lift(on.installation, on.person("ada"), hold, "again")


def test_what_goes_on_is_told_of_after_a_while_also_when_nothing_more_comes(on: Stage, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    for text in ("a", "b", "c"):
        ask(on, text=f"{text}: {KEY}")
    incident = opened_ones(on)[0]
    before = len(incident.facts["named"])
    ask(on, text=f"d: {KEY}")
    look(on)
    assert on.entries("incident.updated") == []
    monkeypatch.setattr("gateway.alerting.incidents.GOES_ON", timedelta(0))
    updated = on.settled("incident.updated", within=20)
    named = [*incident.facts["named"], *(name for one in updated for name in one.facts["named"])]
    assert named == [one.call for one in on.entries("call.refused")] and before >= 2


def test_a_burst_that_is_over_counts_also_when_it_is_read_later() -> None:
    rule = IncidentRule(results=("failed",), at_least=2, within_minutes=1, severity=1)
    at = datetime(2026, 11, 29, 12, tzinfo=UTC)
    of = _Of("slow", "agent", at, "2026-11-29", False)
    times = ["2026-11-29T10:00:00.000000Z", "2026-11-29T10:00:30.000000Z", "2026-11-29T11:00:00.000000Z"]
    found = [(one, f"call_{number}") for number, one in enumerate(times)]
    (incident, hold), row = _after(of, rule, found, {}, {})
    assert incident.facts["named"] == ["call_0", "call_1", "call_2"] and hold.facts["from"] == "2026-11-29"
    assert row["open"] == incident.facts["incident_ref"]
    assert _after(of, rule, [found[0], found[2]], {}, {}) == ([], {"seen": [found[2]]})


def test_a_closed_incident_keeps_what_came_before_and_counts_are_whole() -> None:
    rule = IncidentRule(results=("failed",), at_least=3, within_minutes=60, severity=1)
    at = datetime(2026, 11, 29, 12, tzinfo=UTC)
    of = _Of("slow", "agent", at, "2026-11-29", False)
    found = [(f"2026-11-29T11:00:{number:02}.000000Z", f"call_{number}") for number in range(5)]
    row = {"open": "inc_1", "told": "2026-11-29T11:00:00.000000Z", "seen": found[:2], "more": 2}
    assert _after(of, rule, found[2:3], row, {"incident:inc_1": {"open": False}}) == ([], {"seen": found[2:3]})
    assert _after(of, rule, [found[0], found[0], found[1]], {}, {})[0] == [], "one call counts once"
    many = [(found[0][0], f"call_{number}") for number in range(200)]
    (told,), _ = _after(of, rule, many, row, {"incident:inc_1": {"open": True}})
    assert (told.facts["seen"], len(told.facts["named"]), told.facts["since"]) == (202, 62, found[0][0])
