"""Alerts over a real webhook: signed, retried, delivered once; raised, resolved, each an entry."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import openai
import pytest
from stage import Stage, completion, listening, stage
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.alerting.watch import Watch
from gateway.days import day_in_zone
from gateway.demo.world import free_port
from gateway.oversight import acts
from gateway.oversight.people import ActRefused
from gateway.oversight.registers import record
from gateway.state.rollup import plus, row_of
from gateway.store.rebuild import replay
from ledger.entry import Entry
from ledger.unit import Unit

pytestmark = pytest.mark.slow
ALERTS = """
alerts:
  incorrect: {{policy: 0.10}}
  errors: 0.05
  cap_share: 0.5
  webhook: {{url: "http://127.0.0.1:{port}/alerts", secret: "env:ALERT_SECRET"}}
evaluation:
  rate: 1
  evaluators:
    - {{name: no-promises, workflow: agent, component: policy, kind: forbidden_words, words: [guarantee]}}
    - {{name: schema, workflow: agent, component: answer, kind: forbidden_words, words: [nothing]}}
"""


class Receiver:
    def __init__(self) -> None:
        self.status = 200
        self.got: list[tuple[dict[str, str], bytes]] = []

    async def take(self, request: Request) -> Response:
        body = await request.body()
        if self.status == 200:
            self.got.append((dict(request.headers), body))
        return Response(status_code=self.status)


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def on(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Stage]:
    port = free_port()
    app = Starlette(routes=[Route("/alerts", receiver.take, methods=["POST"])])
    with listening(app, port), stage(tmp_path_factory.mktemp("alerts") / "home", workflow_cap=0.1) as opened:
        opened.installation.settings.environment["ALERT_SECRET"] = "secret-words"  # type: ignore[index]
        text = opened.installation.vault.text(acts.active_configuration(opened.installation)[1]) or ""
        acts.activate(opened.installation, opened.person("ada"), text + ALERTS.format(port=port), "alerts")
        deadline = time.monotonic() + 20
        while not opened.installation.checkpointer.has_turn() or opened.installation.reader.state("evaluating") is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield opened


class _Later:
    """A log whose units believe that it is two days later."""

    def __init__(self, log: Any) -> None:
        self._log = log

    def append(self, unit: Unit) -> Any:
        return self._log.append(Unit(unit.keys, lambda state, at: unit.run(state, at + timedelta(days=2))))


def answering(text: str, **usage: int) -> Any:
    async def answer(_request: Any, _body: Any) -> Response:
        return JSONResponse(completion(text, **usage))

    return answer


def test_a_component_that_turns_bad_raises_once_by_its_name_and_arrives_signed_although_the_receiver_was_down(
    on: Stage, receiver: Receiver
) -> None:
    receiver.status = 503
    on.upstream.answer = answering("we guarantee it")
    for number in range(13):
        on.ask(text=f"caller {number}")
    (raised,) = on.settled("alert.raised", 1, within=30)
    assert (raised.facts["rule"], raised.facts["component"], raised.facts["evaluator"]) == (
        "incorrect",
        "policy",
        "no-promises",
    )
    assert raised.facts["since"] == [13, 13]
    calls = {one.call for one in on.entries("call.closed")}
    assert set(raised.facts["worst"]) <= calls
    activated = on.entries("config.activated")[-1]
    assert raised.facts["last_change"] == {"kind": "config.activated", "entry": activated.id}
    time.sleep(7)
    assert receiver.got == []
    assert on.entries("alert.delivered") == []
    receiver.status = 200
    (delivered,) = on.settled("alert.delivered", 1, within=60)
    assert delivered.facts["delivered_ref"] == raised.id
    assert delivered.facts["tries"] >= 2
    ((headers, body),) = receiver.got
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = base64.b64encode(hmac.new(b"secret-words", signed, hashlib.sha256).digest()).decode()
    assert (headers["webhook-id"], headers["webhook-signature"]) == (raised.id, f"v1,{mac}")
    assert json.loads(body)["data"]["alert_ref"] == raised.facts["alert_ref"]
    on.upstream.answer = answering("perhaps")
    for number in range(3):
        on.ask(text=f"later {number}")
    on.settled("evaluation.scored", 32, within=30)
    assert len(on.entries("alert.raised")) == 1
    configuration, _ = acts.active_configuration(on.installation)
    Watch(on.installation).look(configuration)
    assert on.entries("alert.reminded", "alert.resolved") == []
    later = replace(on.installation, log=_Later(on.installation.log))
    Watch(later).look(configuration)
    (reminded,) = on.entries("alert.reminded")
    assert (reminded.facts["alert_ref"], reminded.facts["rule"]) == (raised.facts["alert_ref"], "incorrect")
    state, _ = replay(on.installation.reader)
    for prefix in ("alert:", "deliver:"):
        assert {row for row in state if row.startswith(prefix)} == set(on.installation.reader.states(prefix))


def test_errors_of_a_day_and_a_cap_that_is_near_are_raised_once_and_resolved(on: Stage) -> None:
    watch = Watch(on.installation)
    configuration, _ = acts.active_configuration(on.installation)

    async def failing(_request: Any, _body: Any) -> Response:
        return Response(status_code=500)

    on.upstream.answer = failing
    for _ in range(30):
        with pytest.raises(openai.APIStatusError):
            on.ask()
    on.settled("call.closed", 30)
    watch.look(configuration)
    watch.look(configuration)
    (raised,) = [one for one in on.entries("alert.raised") if one.facts["rule"] == "errors"]
    assert (raised.workflow, raised.facts["errors"], raised.facts["calls"]) == ("agent", 30, 30)
    calm = configuration.model_copy(update={"alerts": configuration.alerts.model_copy(update={"errors": None})})
    watch.look(calm)
    (resolved,) = [one for one in on.entries("alert.resolved") if one.facts["rule"] == "errors"]
    assert resolved.facts["alert_ref"] == raised.facts["alert_ref"]


@pytest.fixture
def near_its_cap(on: Stage) -> Entry:
    """The alert of a workflow that has spent more than half of its cap."""
    configuration, _ = acts.active_configuration(on.installation)
    on.upstream.answer = answering("x", prompt=20_000, output=5_000)
    for _ in range(2):
        on.ask()
    on.settled("call.closed", 2)
    Watch(on.installation).look(configuration)
    (raised,) = [one for one in on.entries("alert.raised") if one.facts["rule"] == "cap_share"]
    return raised


def test_a_cap_that_is_near_is_raised_for_the_scope_it_is_of(near_its_cap: Entry) -> None:
    raised = near_its_cap
    assert (raised.facts["subject"], raised.workflow) == ("workflow:prod:agent", "agent")
    assert raised.facts["cap_nano_eur"] == 100_000_000
    assert raised.facts["counted_nano_eur"] >= 50_000_000


def test_an_incident_is_opened_by_the_alert_that_told_of_it(on: Stage, near_its_cap: Entry) -> None:
    fields = {"aware_on": "2026-11-01", "harm": "not_serious", "limited": "unknown"}
    alert, ada = near_its_cap.facts["alert_ref"], on.person("ada")
    made = record(on.installation, ada, "incident", None, fields, alert=alert)
    (opened,) = on.entries("incident.opened")
    assert (opened.facts["incident_ref"], opened.facts["alert_ref"], opened.workflow) == (made, alert, "agent")
    for wrong, said in (({"alert": "alert_no"}, "no alert"), ({"alert": alert, "incident": made}, "begins")):
        with pytest.raises(ActRefused, match=said):
            record(on.installation, ada, "incident", None, fields, **wrong)  # type: ignore[arg-type]


def test_a_loss_and_an_end_that_nobody_saw_are_told_of(on: Stage) -> None:
    configuration, _ = acts.active_configuration(on.installation)
    alerts = configuration.alerts.model_copy(update={"gaps": True})
    watching = configuration.model_copy(update={"alerts": alerts})
    day = day_in_zone(configuration.organisation.time_zone, on.installation.clock())
    row = row_of(day, "agent", {}, {"environment": "prod"})
    sums = plus(None, {"cost_nano_eur": 5, "cost_state": "upper_bound"}, named=False, result="interrupted")
    rows = {row: sums, "gap": {"id": "ent_1", "day": day}}
    found = {(one.rule, one.subject, one.workflow) for one in Watch(reading(on, rows))._found(watching)}
    assert found == {("interrupted", "agent", "agent"), ("gap", "ent_1", None)}
    assert not list(Watch(reading(on, rows))._found(configuration))


@pytest.mark.parametrize(
    ("today", "days", "told"),
    [(4_100, 7, True), (3_900, 7, False), (4_100, 2, False), (900, 7, False)],
    ids=["more", "as usual", "too few days", "too little to tell of"],
)
def test_a_workflow_that_spends_a_multiple_of_what_it_usually_does_is_told_of(
    on: Stage, today: int, days: int, told: bool
) -> None:
    configuration, _ = acts.active_configuration(on.installation)
    alerts = configuration.alerts.model_copy(update={"spend": Decimal(2)})
    usual = 2_000_000_000 * 7 // days if today > 1000 else 100
    now = date.fromisoformat(day_in_zone(configuration.organisation.time_zone, on.installation.clock()))
    costs = {now - timedelta(days=at): usual for at in range(1, days + 1)} | {now: today * 10**6}
    rows = {
        row_of(str(day), "agent", {}, {"environment": "prod"}): plus(
            None, {"cost_nano_eur": cost}, named=False, result="answered"
        )
        for day, cost in costs.items()
    }
    found = Watch(reading(on, rows))._found(configuration.model_copy(update={"alerts": alerts}))
    assert [(one.rule, one.subject) for one in found] == ([("spend", "agent")] if told else [])


def reading(on: Stage, rows: dict[str, Any]) -> Any:
    """The installation with other state rows."""

    class Rows:
        def states(self, prefix: str) -> dict[str, Any]:
            return {row: one for row, one in rows.items() if row.startswith(prefix)}

        def states_between(self, low: str, high: str) -> dict[str, Any]:
            return {row: one for row, one in rows.items() if low <= row < high}

        def state(self, row: str) -> Any:
            return rows.get(row)

    return replace(on.installation, reader=Rows())  # type: ignore[arg-type]
