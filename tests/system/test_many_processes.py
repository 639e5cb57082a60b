"""Four processes on one ledger: caps, stops and configuration are shared by all, under load."""

import http.client
import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cluster import Cluster, Load, cluster, require_sound
from stage import on_postgresql

from gateway.oversight import acts
from gateway.oversight.people import by_name
from gateway.store.installation import opened

pytestmark = pytest.mark.slow
CAP = 4_000_000


@pytest.fixture(params=["sqlite", "postgresql"])
def on(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    environment = on_postgresql() if request.param == "postgresql" else None
    with cluster(tmp_path, environment, cap="0.004", timeout=2, retries=1) as made:
        ports = [made.start(wait=False) for _ in range(4)]
        for port in ports:
            made.until_ready(port)
        yield made


def spent(on: Cluster) -> int:
    with opened(on.settings) as installation:
        (row,) = [row for key, row in installation.reader.states("budget:").items() if key.startswith("budget:route:")]
    assert row["reserved"] == 0
    return int(row["spent"])


def ask(on: Cluster, number: int, **more: object) -> str:
    ports = list(on.servers)
    try:
        status, _, body = on.call(ports[number % len(ports)], max_completion_tokens=15, **more)
    except (OSError, http.client.HTTPException):
        return "broken"
    return "ok" if status == 200 else str(json.loads(body)["error"]["code"])


def test_ten_times_the_cap_asked_of_four_processes_at_once_ends_between_90_and_100_percent(on: Cluster) -> None:
    """A call reserves 0.0003 EUR and settles at 0.00009, so some 44 fit; 200 callers ask for 1,400 and more, and who is
    refused while others' reservations are open comes again a little later."""

    def patient(number: int) -> str:
        outcome = ask(on, number)
        if outcome == "budget_exceeded":
            time.sleep(0.2)
        return outcome

    with ThreadPoolExecutor(200) as pool:
        outcomes = Counter(pool.map(patient, range(1400)))
    last = "ok"
    while last == "ok":  # where the crowd's reservations left room at its end, single calls fill it
        last = ask(on, len(outcomes))
        outcomes[last] += 1
    assert set(outcomes) == {"ok", "budget_exceeded"}
    acknowledged = outcomes["ok"]
    on.until_all_ended()
    assert 0.90 * CAP <= spent(on) <= CAP
    assert on.bill()["calls"] == acknowledged
    require_sound(on, [], cap=CAP)


def test_leaving_clients_billed_time_outs_and_kills_never_pass_the_cap(on: Cluster) -> None:
    """What may have been billed stays counted at its worst case, so the bill stays below what is on record."""
    on.behave(model="model-a", kind="answer", wait=4, times=6)  # longer than the route's time-out: billed, unanswered
    ports = list(on.servers)
    load = Load(on, ports)
    with load.running(callers=12):
        for number in range(6):
            leave(on, ports[number % 4])
            time.sleep(0.15)
        on.kill(ports[0])
        on.start(ports[0])
        time.sleep(2)
    kinds = require_sound(on, load.acknowledged, cap=CAP)
    assert kinds["call.closed"] > 10
    assert load.statuses["402"] > 0


def leave(on: Cluster, port: int) -> None:
    """Ask for a stream and go away at once."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    body = {"model": "support", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    connection.request(
        "POST", "/v1/chat/completions", json.dumps(body), {"authorization": f"Bearer {on.keys['agent']}"}
    )
    connection.close()


def test_one_second_after_a_stop_no_process_calls_a_provider_any_more(tmp_path: Path) -> None:
    with cluster(tmp_path, on_postgresql(), cap="1") as on:
        ports = [on.start(wait=False) for _ in range(4)]
        for port in ports:
            on.until_ready(port)
        load = Load(on, ports)
        with load.running(callers=8):
            time.sleep(1)
            with opened(on.settings) as installation:
                ada = by_name(installation, "ada", on.tokens["ada"])
                acts.stop(installation, ada, acts.stop_scope(installation, everything=True), "drill")
            time.sleep(1)
            before = on.bill()["calls"]
            time.sleep(1.5)
            assert on.bill()["calls"] == before > 0
        assert load.statuses["403"] > 0
        require_sound(on, load.acknowledged, cap=10**9)


def test_a_configuration_activated_by_one_process_holds_for_the_next_call_of_all(on: Cluster) -> None:
    with opened(on.settings) as installation:
        ada = by_name(installation, "ada", on.tokens["ada"])
        control = installation.reader.state("control")
        text = installation.vault.text(control["config"]) or ""
        acts.activate(installation, ada, text.replace("intent: support", "intent: renamed"), "for the test")
        acts.release(installation, ada, "agent", "its routes have changed")
    outcomes = {ask(on, number) for number in range(8)}
    assert outcomes == {"route_unknown"}
    assert on.bill()["calls"] == 0
