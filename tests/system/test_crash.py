"""SIGKILL the real server process, again and again: nothing acknowledged is lost, nothing is double, nothing overspends.

SIGKILL does not test the disk's flush: tests/system/test_flush.py does.
"""

import json
import random
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import killer
import pytest
from cluster import KILLER, Cluster, Load, cluster, kill_at_random
from cluster import require_sound as require_sound_cluster
from environment import Answer, Hosted, require_sound, require_sound_log, until
from stage import Upstream, chunk, completion, listening, on_postgresql, prepare, streaming
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.demo.world import free_port
from gateway.oversight.corrections import correct_cost
from gateway.oversight.people import ActRefused, by_name
from gateway.store.evidence import LiveEvidence
from gateway.store.installation import Installation, opened
from gateway.store.rebuild import replay
from reports.why.answer import why


@pytest.fixture
def upstream_port() -> int:
    return free_port()


def test_a_call_cut_by_sigkill_is_interrupted_once_at_its_worst_case(tmp_path: Path, upstream_port: int) -> None:
    settings, keys, _ = prepare(tmp_path / "home", port=upstream_port)
    upstream = Upstream(answer=streaming(*[chunk({"content": "x"})] * 200, gap=0.1))
    app = Starlette(routes=[Route("/v1/chat/completions", upstream.endpoint, methods=["POST"])])
    with listening(app, upstream_port):
        server = Hosted(settings)
        caller = threading.Thread(target=server.call, args=(keys["agent"],), kwargs={"stream": True})
        caller.start()
        until(lambda: upstream.seen, "the provider was not called")
        server.kill()
        caller.join(timeout=20)
        server.start()
        until(lambda: "interrupted calls closed" in server.said, "the call was not interrupted")
        server.stop()
    found = require_sound_log(settings, [])
    (interrupted,) = [entry for entry in found if entry.kind == "call.interrupted"]
    (call,) = [entry for entry in found if entry.kind == "call.opened"]
    assert interrupted.call == call.call
    assert interrupted.facts["cost_nano_eur"] == call.facts["reserved_nano_eur"] > 0
    assert interrupted.facts["cost_state"] == "upper_bound"
    reserved = call.facts["reserved_nano_eur"]
    with opened(settings) as installation:
        budgets = installation.reader.states("budget:")
        assert all(row == {"spent": reserved, "reserved": 0} for row in budgets.values())
        correct_it(installation, str(call.call), reserved)


def correct_it(installation: Installation, call: str, reserved: int) -> None:
    """The worst case stays counted until a named person with the role puts the invoice's figure in its place."""
    ada = by_name(installation, "ada", None)
    with pytest.raises(ActRefused, match="lowers it"):
        correct_cost(installation, ada, call, reserved + 1, "the invoice says so")
    with pytest.raises(ActRefused, match="needs the role finance or admin"):
        correct_cost(installation, by_name(installation, "victor", None), call, 0, "the invoice says so")
    assert correct_cost(installation, ada, call, 1000, "invoice 4711, line 3") == reserved
    assert all(row == {"spent": 1000, "reserved": 0} for row in installation.reader.states("budget:").values())
    evidence = LiveEvidence(installation)
    answer = json.dumps(why(call, "call", evidence.find("call", call), evidence).as_json())
    assert "corrected its cost from" in answer
    assert "invoice 4711, line 3" in answer
    state, _ = replay(installation.reader)
    assert state[f"corrected:{call}"] == installation.reader.state(f"corrected:{call}") == {"cost": 1000}


def test_a_live_process_keeps_its_calls_while_a_sibling_starts_and_stops(tmp_path: Path, upstream_port: int) -> None:
    settings, keys, _ = prepare(tmp_path / "home", port=upstream_port, timeout=60)  # a sibling may take long to start
    release = threading.Event()

    async def slow(_request: Request, _body: dict[str, Any]) -> Response:
        import asyncio

        await asyncio.to_thread(release.wait, 20)
        return JSONResponse(completion())

    upstream = Upstream(answer=slow)
    app = Starlette(routes=[Route("/v1/chat/completions", upstream.endpoint, methods=["POST"])])
    answers: list[Answer] = []
    with listening(app, upstream_port):
        first = Hosted(settings)
        caller = threading.Thread(target=lambda: answers.append(first.call(keys["agent"])))
        caller.start()
        until(lambda: upstream.seen, "the provider was not called")
        sibling = Hosted(settings)
        time.sleep(2.5)  # past a sweep of the sibling
        sibling.kill()
        release.set()
        caller.join(timeout=20)
        first.stop()
    assert answers[0].status == 200
    kinds = Counter(entry.kind for entry in require_sound(settings, answers))
    assert (kinds["call.closed"], kinds["call.interrupted"]) == (1, 0)


CAP = 5 * 10**9  # never reached, or the load would stop; caps under kills are held in test_many_processes.py


@pytest.fixture(params=["sqlite", "postgresql"])
def on(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    environment = on_postgresql() if request.param == "postgresql" else None
    with cluster(tmp_path, environment, cap="5") as made:
        yield made


def test_the_page_names_every_commit_point() -> None:
    page = (Path(__file__).parents[2] / "docs" / "design" / "promises.md").read_text("utf-8")
    rows = re.findall(r"^\| ([a-z' ]+) \| .+ \| .+ \|$", page.partition("## The commit points")[2], flags=re.M)
    assert rows[1:] == list(killer.POINTS)


def test_killed_at_every_commit_point_nothing_is_lost_double_or_overspent(on: Cluster, tmp_path: Path) -> None:
    """One installation goes through all the kills: each start finds what the last death left."""
    rng = random.Random(11)
    load = Load(on, [])
    for point in killer.POINTS:
        for moment in ("before", "after"):
            armed = tmp_path / f"{point} {moment}"
            nth = 1 if point == "the head file is written" else rng.randint(1, 6)
            port = on.start(program=(str(KILLER), point, moment, str(nth), str(armed)))
            load = Load(on, [port], load.acknowledged, load.statuses)
            armed.touch()
            with load.running(callers=4):
                assert on.servers[port].wait(timeout=60) == -signal.SIGKILL, f"{moment} {point} was not reached"
            del on.servers[port]
    on.start()
    kinds = require_sound_cluster(on, load.acknowledged, cap=CAP)
    assert kinds["call.interrupted"] > 0
    assert len(load.acknowledged) > 20


def test_four_processes_killed_at_random_lose_nothing_double_nothing_and_overspend_nothing(on: Cluster) -> None:
    load = kill_at_random(on, kills=20)
    require_sound_cluster(on, load.acknowledged, cap=CAP)
    assert len(load.acknowledged) > 20
